"""Does nothing until it is ended."""

import signal

signal.pause()
