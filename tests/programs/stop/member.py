"""A process of a tree: ``member.py NAME [CHILD…]``. It starts the children, says what it gets, and
ends after SIGTERM when its children have ended and the file ``released`` is there.

``-NAME`` is a plain job: it has no handler, and ends when the file is there, without a signal.
"""

import os
import signal
import subprocess
import sys
import time

name = sys.argv[1]
told = []


def say(text: str) -> None:
    os.write(1, f"{name} {text}\n".encode())


def got(_number: int, _frame: object) -> None:
    told.append(1)
    say("SIGTERM")


if not name.startswith("-"):
    signal.signal(signal.SIGTERM, got)
children = [subprocess.Popen([sys.executable, __file__, child]) for child in sys.argv[2:]]
say(f"up {os.getpid()}")
while not os.path.exists("released") or not (told or name.startswith("-")):
    time.sleep(0.01)
for child in children:
    child.wait()
say("done")
