"""Prints its variables, then writes over its environment as programs that set their title do.

Arguments that are no names of variables only mark the process, so that a test finds it.
"""

import ctypes
import os
import sys
import time

names = [word for word in sys.argv[1:] if word.isidentifier()]
print("has", *(f"{name}={os.environ.get(name)}" for name in names), flush=True)
with open("/proc/self/stat", encoding="ascii") as file:
    fields = file.read().rpartition(")")[2].split()
start, end = int(fields[47]), int(fields[48])  # env_start and env_end, see proc(5)
ctypes.memset(start, 0, end - start)
time.sleep(3600)
