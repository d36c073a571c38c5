import os
import select
import signal
import socket
import threading
import time

assert os.environ["LISTEN_PID"] == str(os.getpid())
assert os.environ["LISTEN_FDS"] == "1"
listener = socket.socket(fileno=3)
listener.setblocking(False)
going = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: going.set())


def answer(connection):
    with connection:
        connection.settimeout(20)
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            part = connection.recv(4096)
            if not part:
                return
            asked += part
        time.sleep(1 if b"/slow" in asked else 0)
        body = b"%d" % os.getpid()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)


threads = []
while not going.is_set():
    if not select.select([listener], [], [], 0.05)[0]:
        continue
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        continue
    threads.append(threading.Thread(target=answer, args=(connection,)))
    threads[-1].start()
    threads = [thread for thread in threads if thread.is_alive()]
for thread in threads:
    thread.join()
