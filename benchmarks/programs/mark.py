"""Makes the file that its argument names, then does nothing until it is ended."""

import signal
import sys

with open(sys.argv[1], "w", encoding="utf-8"):
    pass
signal.pause()
