#!/usr/bin/env python3
"""Writes what it was started with to a file of $REPORTS, then waits."""

import json
import os
import signal
import sys

before = sys.orig_argv.index(next(word for word in sys.orig_argv[1:] if word[0] != "-"))
report = {
    "pid": os.getpid(),
    "program": os.path.realpath(__file__),
    "args": sys.argv[1:],
    "interpreter_args": sys.orig_argv[1:before],
    "cwd": os.getcwd(),
    "cluster": False,
    "env": dict(os.environ),
}
file = os.path.join(os.environ["REPORTS"], f"{os.getpid()}.json")
with open(file + ".part", "w", encoding="utf-8") as part:
    json.dump(report, part)
os.rename(file + ".part", file)
signal.pause()
