"""A worker that does at its start what the file ``plan`` in its folder says.

``run``: report ready and run until SIGTERM. ``hang``: the same without reporting. ``exit``: exit at
once with code 3. A file ``running-PID`` shows that SIGTERM is handled.
"""

import os
import signal
import socket
import sys
from pathlib import Path

plan = Path("plan").read_text()
if plan == "exit":
    sys.exit(3)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Path(f"running-{os.getpid()}").touch()
if plan == "run":
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    signal.pause()
