"""Stands between a person and a step: counts the bytes, and cuts connections as networks do."""

import contextlib
import socket
import socketserver
import threading
from urllib.parse import urlsplit


@contextlib.contextmanager
def relay(url):
    """An address that leads to the step, and the Relay behind it."""
    with Relay(("127.0.0.1", 0), Connection) as server:
        server.target = (urlsplit(url).hostname, urlsplit(url).port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server
        finally:
            server.shutdown()


class Relay(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.bytes = 0  # of both directions
        self.clients = set()

    def cut(self):
        """All connections that are open now; new ones may come."""
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.clients.add(self.request)
        with contextlib.suppress(OSError), socket.create_connection(self.server.target) as there:
            back = threading.Thread(target=self.pass_on, args=(there, self.request))
            back.start()
            self.pass_on(self.request, there)
            back.join()
        self.server.clients.discard(self.request)

    def pass_on(self, source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self.server.bytes += len(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
