import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def fails(path):
    raise ValueError(path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/raise":
            fails(self.path)
        if self.path == "/slow":
            time.sleep(0.2)
        self.send_response({"/none": 404, "/503": 503}.get(self.path, 200))
        for name, value in (("X-B", "2"), ("Content-Length", "4"), ("X-A", "1")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")
        if self.path == "/half":
            fails(self.path)
        if self.path == "/hang":
            time.sleep(60)
        self.wfile.write(b"ok")


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
