"""The reload command of ``server.py``: it refuses an answer with ``!``, as programs do that check
their configuration, and waits while there is a file called ``gate``."""

import json
import os
import signal
import subprocess
import sys
import time

with open("surroundings.new", "w") as file:
    json.dump({**os.environ, "uid": os.getuid(), "cwd": os.getcwd(), "pid": os.getpid()}, file)
os.rename("surroundings.new", "surroundings")
if os.path.exists("gate"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    with open("child", "w") as file:
        file.write(str(child.pid))
while os.path.exists("gate"):
    time.sleep(0.01)
with open("answer") as file:
    if "!" in file.read():
        print("looking at the answer")
        sys.exit("answer:1: unknown directive '!'")
os.kill(int(os.environ["MAINPID"]), signal.SIGHUP)
