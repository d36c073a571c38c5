import guest


def app(environ, start_response):
    start_response("200 OK", [])
    return [guest.handle(environ["PATH_INFO"])]
