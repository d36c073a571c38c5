"""A WSGI app."""

import hold

hold.importing()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        hold.working()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
