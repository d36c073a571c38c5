"""Serves on port $PORT and prints numbered lines without end, until the file in its argument is
there; then the last line says how many there were."""

import http.server
import os
import sys
import threading
import time


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"%d" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def flood(end: str) -> None:
    number = 0
    while not os.path.exists(end):
        for _ in range(200):
            number += 1
            print(f"{number:08d} a line of a flood")
        time.sleep(0.002)
    print(f"{number} lines")


threading.Thread(target=flood, args=sys.argv[1:], daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
