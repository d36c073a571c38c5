"""Prints a numbered line every 10 ms, and keeps the number in the file that its argument names."""

import sys
import time

number = 0
while True:
    print(number, flush=True)
    number += 1
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write(str(number))
    time.sleep(0.01)
