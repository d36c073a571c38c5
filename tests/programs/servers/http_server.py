import http.server
import os
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = os.environ.get("TEST_PROTOCOL", "HTTP/1.0")

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        body = b"%d" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


at = (os.environ.get("TEST_HOST", "127.0.0.1"), int(os.environ["TEST_PORT"]))
http.server.ThreadingHTTPServer(at, Handler).serve_forever()
