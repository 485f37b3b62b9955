"""Many clients at once, as plain sockets."""

import contextlib
import re
import selectors
import socket
import time
from urllib.parse import urlsplit

from workshop.testing import eventually

BIG = 200_000


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
    """Clients that are sent more than their sockets can hold, and read next to nothing."""
    task_id = person.task_id("optimize")
    with contextlib.ExitStack() as sockets:
        for _ in range(number):
            path = f"/tasks/stream?task_ids={task_id}"
            client = sockets.enter_context(connected(lab, person, path, buffer=4096))
            client.recv(1)  # it is answered, and so it listens
        flood(lab, task_id)
        yield


def flood(lab, task_id):
    """As a job would that has much to say."""
    channel = f"task_progress:{lab.redis.hget(f'task:{task_id}', 'user')}"
    eventually(lambda: lab.redis.pubsub_numsub(channel)[0][1])
    for number in range(20):
        id = f"{int(time.time() * 1000) + number}-0"
        lab.redis.publish(channel, f'{id} progress {task_id} {{"big": "{"x" * BIG}"}}')


def all_at_once(lab, watch, number) -> str:
    """So many clients who come back after the first event of a watch. What they did not get."""
    last_id = watch.ids[0] if hasattr(watch, "ids") else ""
    headers = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    path = f"/tasks/stream?task_ids={watch.task_id}"
    answers = {connected(lab, watch.person, path, headers): b"" for _ in range(number)}
    read_to_their_ends(answers)
    watch.wait()
    texts = [answer.decode() for answer in answers.values()]
    if refused := sum(" 200 " not in text[:20] for text in texts):
        return f"{'most' if refused > number / 2 else 'some'} of the streams: these people poll"
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
