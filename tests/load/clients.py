"""Clients that hold many streams and note how old each event is, and use little CPU for it.

Each process has an epoll of its own (Linux), and doesn't parse what it reads. The time in an event
is all that it looks for.
"""

import multiprocessing
import re
import select
import socket
import time
from datetime import datetime

UPDATED_AT = re.compile(rb'"updated_at": "([^"]+)"')
MOST_UNANSWERED = 200


class Clients:
    """Streams held by several processes. Each request is the text that a client sends."""

    def __init__(
        self, address: tuple[str, int], requests: list[bytes], processes: int, silent: bool
    ):
        self.parts = []
        for number in range(processes):
            ours, theirs = multiprocessing.Pipe()
            # One address has 28,000 ports to connect from: each process takes one of its own.
            source = f"127.0.0.{2 + number}"
            part = (theirs, address, source, requests[number::processes], silent)
            process = multiprocessing.Process(target=hold, args=part, daemon=True)
            process.start()
            self.parts.append((ours, process))

    def opened(self) -> int:
        """Waits until each stream is answered or refused, unless the server is silent until the
        first event, and returns how many are open."""
        return sum(pipe.recv() for pipe, _ in self.parts)

    def ages(self) -> list[float]:
        """The age in seconds of every event that came since the last call."""
        for pipe, _ in self.parts:
            pipe.send("ages")
        return [age for pipe, _ in self.parts for age in pipe.recv()]

    def close(self):
        for _, process in self.parts:
            process.kill()
            process.join()


def hold(pipe, address, source, requests, silent):
    holder = Holder(address, source)
    for request in requests:
        holder.open(request)
        if not silent:
            holder.read(while_unanswered=MOST_UNANSWERED)
    if not silent:
        holder.read(while_unanswered=0)
    pipe.send(holder.held)
    while True:
        holder.read_until(pipe)
        pipe.recv()
        pipe.send(holder.ages)
        holder.ages = []


class Holder:
    def __init__(self, address, source):
        self.address, self.source = address, source
        self.epoll = select.epoll()
        self.streams, self.unanswered = {}, set()
        self.held, self.ages = 0, []

    def open(self, request):
        stream = socket.socket()
        # The port is chosen when it connects: more connections fit.
        stream.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        stream.bind((self.source, 0))
        stream.connect(self.address)
        stream.sendall(request)
        stream.setblocking(False)
        self.streams[stream.fileno()] = stream
        self.unanswered.add(stream.fileno())
        self.epoll.register(stream.fileno(), select.EPOLLIN)

    def read(self, while_unanswered):
        self.take(self.epoll.poll(0))
        while len(self.unanswered) > while_unanswered:
            self.take(self.epoll.poll(1))

    def read_until(self, pipe):
        self.epoll.register(pipe.fileno(), select.EPOLLIN)
        ready = []
        while pipe.fileno() not in [number for number, _ in ready]:
            ready = self.epoll.poll()
            self.take(ready)
        self.epoll.unregister(pipe.fileno())

    def take(self, ready):
        for number, _ in ready:
            if number in self.streams:
                self.take_from(number)

    def take_from(self, number):
        try:
            piece = self.streams[number].recv(262_144)
        except ConnectionError:
            piece = b""
        now = time.time()
        moments = map(datetime.fromisoformat, map(bytes.decode, UPDATED_AT.findall(piece)))
        self.ages += [now - moment.timestamp() for moment in moments]
        if number in self.unanswered:
            self.unanswered.discard(number)
            self.held += b" 200 " in piece[:20]
        if not piece:
            self.epoll.unregister(number)
            self.streams.pop(number).close()
