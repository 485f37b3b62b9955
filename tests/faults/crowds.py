"""Many clients at the same time, as plain sockets."""

import contextlib
import json
import re
import selectors
import socket
import time
from urllib.parse import urlsplit

from workshop.testing import eventually

FLOOD = """
local buffer, channel, state, number = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local newest = redis.call('XREVRANGE', buffer, '+', '-', 'COUNT', 1)[1][1]
for _ = 1, number do
    local id = redis.call('XADD', buffer, '*', 'state', state)
    redis.call('PUBLISH', channel, newest .. ' ' .. id .. ' ' .. state)
    newest = id
end
"""
BIG = 200_000  # bytes
MANY = 20  # of these are more than the sockets of a connection can hold


def connected(lab, person, path, headers="", buffer=None):
    client = socket.socket()
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    url = urlsplit(lab.url)
    client.connect((url.hostname, url.port))
    cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n{headers}\r\n"
    client.sendall(request.encode())
    return client


@contextlib.contextmanager
def stalled(lab, person, number):
    """Clients that receive more than their sockets can hold, and read next to nothing."""
    task_id = person.task_id("optimize")
    if lab.number == 3:
        swell(lab, person, task_id)
    with contextlib.ExitStack() as sockets:
        for _ in range(number):
            path = f"/tasks/stream?task_ids={task_id}"
            client = sockets.enter_context(connected(lab, person, path, buffer=4096))
            client.recv(1)  # the response has begun, so the stream is open
        if lab.number != 3:
            flood(lab, task_id)
        yield


def swell(lab, person, task_id):
    """Makes the snapshot large, because in step 03 nothing can send events from outside."""
    state = person.ended(task_id) | {"message": "x" * BIG * MANY}
    lab.redis.hset(f"task:{task_id}", "state", json.dumps(state))


def flood(lab, task_id):
    """Publishes large events, as a job with much to say would. In one script, so that no update
    of the job falls in between. Only step 05 looks at what the messages contain."""
    user = lab.redis.hget(f"task:{task_id}", "user")
    buffer, channel = f"task_events:{user}", f"task_progress:{user}"
    eventually(lambda: lab.redis.pubsub_numsub(channel)[0][1])
    state = json.dumps({"task_id": task_id, "state": "PROGRESS", "message": "x" * BIG})
    lab.redis.eval(FLOOD, 2, buffer, channel, state, MANY)


def all_together(lab, watch, number) -> str:
    """Clients that come back after the first event of a watch. Returns what they did not get."""
    last_id = watch.ids[0] if hasattr(watch, "ids") else ""
    headers = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    path = f"/tasks/stream?task_ids={watch.task_id}"
    answers = {connected(lab, watch.person, path, headers): b"" for _ in range(number)}
    read_to_their_ends(answers)
    watch.wait()
    texts = [answer.decode() for answer in answers.values()]
    if refused := sum(" 200 " not in text[:20] for text in texts):
        return f"{'most' if refused > number / 2 else 'some'} of the streams: these clients poll"
    if any(text.count("event: complete") != 1 for text in texts):
        return "the end"
    if last_id and any(ids_in(text) != watch.ids[1:] for text in texts):
        return "events"
    return ""


def ids_in(text):
    return [id for id, type in re.findall(r"id: (\S+)\nevent: (\w+)", text) if type != "heartbeat"]


def read_to_their_ends(answers):
    with selectors.DefaultSelector() as selector:
        for client in answers:
            selector.register(client, selectors.EVENT_READ)
        deadline = time.monotonic() + 60
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                client = key.fileobj
                piece = client.recv(65_536)
                answers[client] += piece
                if not piece or answers[client].endswith(b"0\r\n\r\n") or refused(answers[client]):
                    selector.unregister(client)
                    client.close()


def refused(answer):
    return answer and b" 200 " not in answer[:20]
