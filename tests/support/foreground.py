"""``monit run`` for tests: started with its outputs in pipes, read as it prints."""

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from support.command_line import MONIT

WITHIN_S = 100.0
"""A busy machine needs seconds to start three interpreters."""


class Foreground:
    """One `monit run`."""

    def __init__(
        self,
        *words: str,
        cwd: str | Path | None = None,
        below: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*below, *MONIT, "run", *words],
            cwd=cwd, env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        self.read_bytes = 1 << 20
        """How much is read at once."""
        self.out = bytearray()
        self.err = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ, "out")  # type: ignore[arg-type]
        self._selector.register(self.process.stderr, selectors.EVENT_READ, "err")  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._selector.close()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def read_until(self, text: str) -> None:
        """Read both outputs until ``text`` was printed on either."""
        end = time.monotonic() + WITHIN_S
        seen = 0
        while text.encode() not in self.out[seen:] + self.err:
            seen = max(0, len(self.out) - len(text))
            assert time.monotonic() < end, (text, self.out[-2000:], self.err[-2000:])
            assert self._read(end), (text, self.out[-2000:], self.err[-2000:])

    def exit_code(self) -> int:
        """Read to the end of both outputs; return the exit code."""
        end = time.monotonic() + WITHIN_S
        while self._read(end):
            assert time.monotonic() < end, (self.out[-2000:], self.err[-2000:])
        return self.process.wait(timeout=WITHIN_S)

    def lines(self) -> list[str]:
        """Return what was read of standard output."""
        return self.out.decode().splitlines()

    def messages(self) -> str:
        """Return what was read of standard error."""
        return self.err.decode()

    def close_stdout(self) -> None:
        """Read no more of standard output, as `head` does."""
        assert self.process.stdout is not None
        self._selector.unregister(self.process.stdout)
        self.process.stdout.close()

    def _read(self, end: float) -> bool:
        """Read what there is; return False at the end of both."""
        for key, _ in self._selector.select(max(0.0, end - time.monotonic())):
            data = os.read(key.fd, self.read_bytes)
            if not data:
                self._selector.unregister(key.fileobj)
            getattr(self, key.data).extend(data)
        return bool(self._selector.get_map())
