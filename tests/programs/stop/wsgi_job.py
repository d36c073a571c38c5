"""A WSGI app whose answer is the job."""

import job


def app(_environ, start_response):  # type: ignore[no-untyped-def]
    job.run()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]
