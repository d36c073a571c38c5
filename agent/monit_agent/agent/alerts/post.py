"""``python -I …/post.py``: sends one notice to a webhook, and prints what came of it.

A program of its own, so that a name server or a server that does not answer holds up nothing of the
agent, and TLS takes no memory there. It is killed when it takes too long. On standard input it
reads ``{"url", "ca", "body", "timeout_s"}``: arguments would show the URL to other users. Without
``ca`` it was started by an agent of an older version, before ``monit upgrade``. The exit code is 0
for a status of 200 to 299, 75 for what may pass if it is tried again, else 1.
"""

import http.client
import json
import ssl
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


_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
"""OpenSSL's numbers of what another certificate authority would mend (X509_V_ERR_…)."""


class BadCertificatesError(Exception):
    """The file of certificates cannot be used; the message says why."""


def post(url: str, ca: str, body: str, timeout_s: float) -> tuple[int, str]:
    """Return an exit code and a text, which does not have the URL."""
    request = urllib.request.Request(  # noqa: S310 (http and https only: checked before)
        url,
        data=body.encode(),
        headers={"Content-Type": "application/json", "User-Agent": "monit"},
        method="POST",
    )
    try:
        handlers: list[Any] = [_NoRedirects]
        if url.lower().startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=_context(ca)))
        opener = urllib.request.build_opener(*handlers)
        with opener.open(request, timeout=timeout_s) as answer:
            return 0, f"status {answer.status}"
    except urllib.error.HTTPError as error:
        again = error.code >= 500 or error.code in MAY_PASS
        return AGAIN if again else 1, f"status {error.code}"
    except BadCertificatesError as error:
        return 1, str(error)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return _tls_failure(error.reason)
        return AGAIN, _reason(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return AGAIN, _reason(error)


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not ca:
        return context
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise BadCertificatesError(
            f"alerts.webhook-ca: {ca} holds no certificates (PEM)"
        ) from error
    except OSError as error:
        raise BadCertificatesError(f"alerts.webhook-ca: {ca}: {error.strerror}") from error
    # the webhook's own certificate is enough, also where an authority has issued it
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _tls_failure(error: ssl.SSLError) -> tuple[int, str]:
    """Return the exit code and the text for a connection that could not be encrypted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
        if error.verify_code in _UNKNOWN_ISSUER:
            text += "; set alerts.webhook-ca to a file (PEM) that holds its authority"
        return 1, text
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return 1, "no TLS at this port; write http:// in the URL, or another port"
    return AGAIN, f"no TLS connection: {(error.reason or 'unknown').replace('_', ' ').lower()}"


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return f"no answer that is HTTP ({type(error).__name__})"


def main() -> int:
    """Send what standard input has."""
    order = json.load(sys.stdin)
    code, text = post(order["url"], order.get("ca", ""), order["body"], order["timeout_s"])
    sys.stdout.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
