"""Prints numbered lines on both streams in bursts, and exits badly on request."""

import os
import signal
import time

from record import Printer, begin

stopped: list[int] = []
signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
signal.signal(signal.SIGUSR1, lambda number, frame: os._exit(3))
out, err = Printer(1, "out"), Printer(2, "err")
begin()
while not stopped:
    for _ in range(int(os.environ["CHAOS_BURST"])):
        out.print_line()
    err.print_line()
    time.sleep(0.05)
