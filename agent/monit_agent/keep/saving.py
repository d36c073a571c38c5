"""When the state is written, and what happens when it cannot be."""

import time
from collections.abc import Callable

from monit_agent.keep import statefile
from monit_agent.keep.journal import note
from monit_agent.keep.loop import Loop

SAVE_S = 0.1
"""At most ten times a second, or a crash of many instances would wait for the disk many times."""
SAVE_AGAIN_S = 2.0


class Saving:
    """Writes ``content()`` to ``path`` when it was `touch`ed; goes on without a disk, telling so
    once through ``tell(kind, text)``."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        content: Callable[[], statefile.Saved],
        tell: Callable[[str, str], None],
    ) -> None:
        self._loop = loop
        self._path = path
        self._content = content
        self._tell = tell
        self._dirty = False
        self._tried_at = 0.0
        self._trouble: str | None = None
        self._over = False

    def touch(self) -> None:
        """The state changed."""
        self._dirty = True

    def end(self) -> None:
        """Write no more: what is taken down now is not what the next keeper shall know."""
        self._over = True

    def round_over(self) -> None:
        """Write what changed, now or as soon as it is time."""
        if self._dirty and not self._loop.is_set("save"):
            due = self._tried_at + (SAVE_AGAIN_S if self._trouble else SAVE_S)
            if due <= time.monotonic():
                self.save()
            else:
                self._loop.alarm("save", due, self.save)

    def save(self) -> None:
        """Write now; a failure is told and tried again."""
        if self._over:
            return
        self._dirty = False
        try:
            statefile.write(self._path, self._content())
        except OSError as error:
            self._dirty = True
            if self._trouble is None:
                self._trouble = f"cannot write {self._path}: {error.strerror}"
                note(self._trouble)
                self._tell("state_unsaved", self._trouble)
        else:
            if self._trouble is not None:
                self._trouble = None
                note("the state is on disk again")
                self._tell("state_saved", "the state is on disk again")
        self._tried_at = time.monotonic()
