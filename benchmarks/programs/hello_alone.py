"""`hello_asgi` in a session of its own, as under monit: the kernel shares the cores by session."""

import os

from hello_asgi import app

os.setsid()

__all__ = ["app"]
