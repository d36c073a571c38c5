"""A program whose first process starts the main one and exits, and which says so to its manager."""

import os
import socket
import sys
import time


def notify(text: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


if child := os.fork():
    if sys.argv[1] == "parent says it":
        notify(f"MAINPID={child}\nREADY=1")
    else:
        os.read(0, 0)
        while not os.path.exists("said"):
            time.sleep(0.01)
    os._exit(0)
os.setsid()
if sys.argv[1] == "child says it":
    notify(f"MAINPID={os.getpid()}\nREADY=1")
    with open("said", "w"):
        pass
time.sleep(1000)
