"""Prints a number and sleeps, for ever."""

import itertools
import time

for number in itertools.count():
    print("tick", number)
    time.sleep(0.5)
