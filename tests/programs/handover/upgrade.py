"""A server that upgrades itself at SIGUSR2, as programs with tableflip do.

It starts its successor, which inherits the listening socket. When that is ready, it accepts no
more, finishes what it has, and exits with the code that the environment names, or 0.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


def serve(listener: socket.socket) -> None:
    wake, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGUSR2, lambda *_: None)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    ready.register(wake, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                answer(listener)
            elif upgrade(listener):
                sys.exit(int(os.environ.get("EXIT_CODE", "0")))


def answer(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(ANSWER)


def upgrade(listener: socket.socket) -> bool:
    fd = listener.fileno()
    child = subprocess.Popen(
        [sys.executable, *sys.argv],
        env={**os.environ, "LISTENER": str(fd)}, pass_fds=[fd], stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout
    return child.stdout.readline() == b"ready\n"


if "LISTENER" in os.environ:
    sock = socket.socket(fileno=int(os.environ.pop("LISTENER")))
else:
    sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
serve(sock)
