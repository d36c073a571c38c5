"""A web server that answers with its file ``answer``, which it reads again at SIGHUP."""

import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

state = {"answer": ""}


def read_again(*_: object) -> None:
    with open("answer") as file:
        state["answer"] = file.read()
    print("read", state["answer"], flush=True)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{state['answer']} {os.environ.get('LEVEL')} {os.getpid()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


read_again()
signal.signal(signal.SIGHUP, read_again)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
