"""The same in a session of its own, as under monit: the kernel shares out the cores by session."""

import os

from hello_asgi import app

os.setsid()

__all__ = ["app"]
