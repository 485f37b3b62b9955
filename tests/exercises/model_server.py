"""A server with the API of a language model, whose answers and failures a test chooses."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = [f"word{number}" for number in range(40)]
HALF = len(WORDS) // 2
PATIENCE = 10  # seconds
ERROR = {"error": {"message": "sorry", "type": "error", "code": "error"}}


class Model(ThreadingHTTPServer):
    """`mood` is 'normal', 'endless', 'silent', 'breaks off', or the status of an error. In the
    middle of a normal answer it waits for `go_on`, or notes that it waited in vain."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.be("normal")

    def be(self, mood):
        self.mood, self.asked, self.waited_in_vain = mood, [], False
        self.go_on, self.left, self.closing = (threading.Event() for _ in range(3))


class Conversation(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = self.server
        model.asked.append({"path": self.path, "key": self.headers["Authorization"]} | body)
        if isinstance(model.mood, int):
            self.refuse(model.mood)
        elif model.mood == "silent":
            model.closing.wait(PATIENCE)
        else:
            self.speak(model)

    def refuse(self, status):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(ERROR).encode())

    def speak(self, model):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            self.say_all(model)
        except OSError:
            model.left.set()

    def say_all(self, model):
        for word in WORDS[:HALF]:
            self.say(word)
        if model.mood == "breaks off":
            return
        while model.mood == "endless" and not model.closing.wait(0.02):
            self.say("and")
        if model.mood == "normal":
            model.waited_in_vain |= not model.go_on.wait(PATIENCE)
            for word in WORDS[HALF:]:
                self.say(word)
        self.wfile.write(b"data: [DONE]\n\n")

    def say(self, word):
        piece = {"choices": [{"index": 0, "delta": {"content": f"{word} "}}]}
        self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def running_model():
    with Model() as model:
        thread = threading.Thread(target=model.serve_forever)
        thread.start()
        try:
            yield model
        finally:
            model.closing.set()
            model.go_on.set()
            model.shutdown()
            thread.join()
