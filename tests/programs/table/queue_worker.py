"""A worker of a queue of files: it does what lies in ``queue``, and finishes it at SIGTERM."""

import os
import signal
import time

import hold

hold.importing()
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
while not stopped:
    for name in sorted(os.listdir("queue")):
        try:
            os.rename(f"queue/{name}", f"taken-{name}-{os.getpid()}")
        except FileNotFoundError:
            continue  # another worker took it
        if name == "slow":
            hold.working()
        os.rename(f"taken-{name}-{os.getpid()}", f"done-{name}")
    time.sleep(0.01)
