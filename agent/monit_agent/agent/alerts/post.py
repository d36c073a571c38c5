"""``python -I …/post.py``: sends one notice to a webhook, and prints what came of it.

A program of its own, so that a name server or a server that does not answer holds up nothing of the
agent, and TLS takes no memory there. It is killed when it takes too long. On standard input it
reads ``{"url", "body", "timeout_s"}``: arguments would show the URL to other users. The exit code
is 0 for a status of 200 to 299, 75 for what may pass if it is tried again, else 1.
"""

import http.client
import json
import sys
import urllib.error
import urllib.request
from typing import Any

AGAIN = 75
"""EX_TEMPFAIL of sysexits.h."""

MAY_PASS = frozenset({408, 425, 429})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: a notice must not go to another host than the one that was named."""

    def redirect_request(  # noqa: PLR0917 (parameters of the library)
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Return no request."""
        _ = req, fp, code, msg, headers, newurl


def post(url: str, body: str, timeout_s: float) -> tuple[int, str]:
    """Return an exit code and a text, which does not have the URL."""
    request = urllib.request.Request(  # noqa: S310 (http and https only: checked before)
        url,
        data=body.encode(),
        headers={"Content-Type": "application/json", "User-Agent": "monit"},
        method="POST",
    )
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return 0, f"status {answer.status}"
    except urllib.error.HTTPError as error:
        again = error.code >= 500 or error.code in MAY_PASS
        return AGAIN if again else 1, f"status {error.code}"
    except urllib.error.URLError as error:
        return AGAIN, _reason(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return AGAIN, _reason(error)


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return f"no answer that is HTTP ({type(error).__name__})"


def main() -> int:
    """Send what standard input has."""
    order = json.load(sys.stdin)
    code, text = post(order["url"], order["body"], order["timeout_s"])
    sys.stdout.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
