"""The page that holds the terminal. textual-serve's own page loads a font from another server."""

import html

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="stylesheet" href="static/xterm.css">
<script src="static/textual.js"></script>
<script src="static/page.js"></script>
<style>
html, body {{ margin: 0; height: 100%; background: #0c0c0c; overflow: hidden }}
#terminal {{ width: 100%; height: 100% }}
#note {{
  position: fixed; inset: 0; display: flex; align-items: center; justify-content: center;
  color: #ddd; font: 16px monospace; z-index: 10; background: #0c0c0c
}}
#note a {{ color: #5fafff }}
#closed, body.-closed #opening {{ display: none }}
body.-first-byte #note {{ display: none }}
body.-closed #note {{ display: flex; background: #0c0c0ccc }}
body.-closed #closed {{ display: block }}
</style>
</head>
<body>
<div id="note">
<p id="opening">monit is being opened</p>
<p id="closed">The screen is closed. <span id="why"></span> The apps keep running.
<a href="">Open it again</a></p>
</div>
<div id="terminal" class="textual-terminal" data-font-size="{font_size}"></div>
</body>
</html>
"""

SCRIPT = """
window.WebSocket = class extends WebSocket {
  constructor(...words) {
    super(...words);
    this.addEventListener("close", (event) => {
      document.getElementById("why").textContent = event.reason;
    });
  }
};
document.addEventListener("DOMContentLoaded", () => {
  const address = new URL("ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = "";
  document.getElementById("terminal").dataset.sessionWebsocketUrl = address.href;
});
addEventListener("load", () => document.querySelector(".xterm-helper-textarea").focus());
"""
"""Tells textual-serve's script where the websocket is, also behind a proxy with TLS, before it
begins, and shows why the server closed it; then gives the keyboard to the terminal."""

FONT_SIZES = range(6, 61)
DEFAULT_FONT_SIZE = 15


def page_text(title: str, font_size: str) -> str:
    """Return the page; ``font_size`` is what the user put into the address, maybe nothing."""
    size = int(font_size) if font_size.isascii() and font_size.isdecimal() else DEFAULT_FONT_SIZE
    return PAGE.format(
        title=html.escape(title), font_size=size if size in FONT_SIZES else DEFAULT_FONT_SIZE
    )


def security_headers(host: str) -> dict[str, str]:
    """Return the headers of every answer: nothing is loaded from elsewhere, the address with its
    token goes nowhere, and no other page shows this one in a frame. Not every browser takes a
    websocket of this ``host`` for 'self'."""
    return {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
            f"img-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Server": "monit",
    }
