import json
import os
import sys
import time

held = []


def blocker():
    before = time.perf_counter()
    time.sleep(0.3)
    return time.perf_counter() - before


def grow():
    small = [bytes(400) for _ in range(100_000)]
    large = [bytearray(b"x") * 20_000 for _ in range(2_000)]
    held.extend((small, large))
    size = len(small) * (sys.getsizeof(small[0]) + 7) + sys.getsizeof(small)
    return size + len(large) * sys.getsizeof(large[0])


def handle(path):
    work = {"/block": blocker, "/grow": grow}.get(path, bool)
    return json.dumps([os.getpid(), work()]).encode()
