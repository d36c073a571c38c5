"""When the state is saved, and what happens when it cannot be."""

import time
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.state import statefile
from monit_agent.supervise.supervisor import Save

SAVE_S = 0.1
"""At most ten times a second, or a crash of many instances would wait for the disk many times."""
SAVE_AGAIN_S = 2.0
SAVE_SHARE = 0.1
"""The share of time that saving early may take: it is short for all but large apps."""


class Saving:
    """Writes ``content()`` to ``path`` after `mark_changed`. Without a disk it keeps trying, and
    records that once."""

    def __init__(
        self,
        loop: Loop,
        path: str,
        content: Callable[[], statefile.Saved],
        record_event: Callable[[str, str], None],
    ) -> None:
        self._loop = loop
        self._path = path
        self._content = content
        self._record_event = record_event
        self._changed = False
        self._early = False
        self._tried_at, self._took_s = float("-inf"), 0.0
        self.problem: str | None = None
        """Why the state is not saved; None when it is."""
        self._over = False

    def mark_changed(self, save: Save = Save.SOON) -> None:
        """Save when ``save`` says."""
        if save is Save.AT_ONCE:
            self.save()
            return
        self._changed = self._changed or save is not Save.NOT
        self._early = self._early or save is Save.EARLY

    def stop(self) -> None:
        """Save no more: the next keeper must not see an app that is being shut down."""
        self._over = True

    def round_finished(self) -> None:
        """Save what changed, now or when enough time has passed; what could not be saved is tried
        again less often. A change is not: without a disk it is kept in memory at least."""
        if not self._changed and self.problem is None:
            return
        pause = SAVE_S if self._changed else SAVE_AGAIN_S
        if self._early:
            pause = min(SAVE_S, self._took_s / SAVE_SHARE)
        due = self._tried_at + pause
        if due <= time.monotonic():
            self.save()
        else:
            self._loop.set_alarm("save", due, self.save)

    def save(self) -> None:
        """Save now; a failure is recorded and retried."""
        if self._over:
            return
        self._changed = self._early = False
        began = time.monotonic()
        try:
            statefile.write(self._path, self._content())
        except OSError as error:
            if self.problem is None:
                self.problem = f"cannot write {self._path}: {error.strerror}"
                note(self.problem)
                self._record_event("state_unsaved", self.problem)
        else:
            if self.problem is not None:
                self.problem = None
                note("the state is saved again")
                self._record_event("state_saved", "the state is saved again")
        self._tried_at = time.monotonic()
        self._took_s = self._tried_at - began
