import sys
import time


def fails(path):
    raise ValueError(path)


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        fails(path)
    if path == "/slow":
        time.sleep(0.2)
    status = {"/none": "404 None", "/503": "503 Not now"}.get(path, "200 OK")
    start_response(status, [("X-B", "2"), ("Content-Length", "4"), ("X-A", "1")])
    return body(path)


def body(path):
    yield b"ok"
    if path == "/half":
        fails(path)
    if path == "/hang":
        time.sleep(60)
    yield b"ok"


if __name__ == "__main__":
    port, server = int(sys.argv[1]), sys.argv[2]
    if server == "wsgiref":
        from wsgiref.simple_server import make_server

        make_server("127.0.0.1", port, app).serve_forever()
    else:
        from werkzeug.serving import run_simple

        run_simple("127.0.0.1", port, app, threaded=True)
