# pyright: basic
"""Garbage collections of the program: how many, and how long they took."""

import gc

from _monit_probe.basics import clock


class Collections:
    """Collections by generation: number, seconds, longest since the last report."""

    callback_code = None
    """The code that runs while the interpreter collects; `blocks` looks for its frame."""

    def __init__(self):
        self.reset()

        def collected(phase, info):
            now = clock()
            if phase == "start":
                self._started = now
                return
            generation = info["generation"]
            pause = now - self._started
            self._counts[generation] += 1
            self._seconds[generation] += pause
            if pause > self._longest[generation]:
                self._longest[generation] = pause

        Collections.callback_code = collected.__code__
        gc.callbacks.append(collected)

    def reset(self):
        """Count from 0."""
        self._counts = [0, 0, 0]
        self._seconds = [0.0, 0.0, 0.0]
        self._longest = [0.0, 0.0, 0.0]
        self._started = 0.0

    def report(self):
        """Return [number, seconds, longest] of each generation."""
        longest, self._longest = self._longest, [0.0, 0.0, 0.0]
        return [list(each) for each in zip(self._counts, self._seconds, longest)]
