"""When alerts are silent: while a person starts, restarts, reloads or scales an app, and for a time
after it. Pure; ``now`` are seconds of the engine's clock."""

import math

from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import EventRecord

COMMANDS = ("start", "restart", "reload", "scale", "cancel reload")
"""The first words of events of kind ``requested`` that touch processes and should bring them
back."""

LONGEST_S = 600.0
"""A command that never comes to an end is no reason for longer silence than this."""

BEGINS_S = 5.0
"""The event of a command comes before its first effect."""

_UNSETTLED = frozenset({"starting", "draining", "stopping"})


class QuietTime:
    """Knows whether a reload or the like is under way, or is over for less than a time of grace."""

    def __init__(self) -> None:
        self._last = -math.inf
        """The last moment of what makes it quiet."""
        self._command_at: float | None = None
        """When a person requested what may be under way still."""

    def note_event(self, event: EventRecord, now: float, wall: float) -> None:
        """Look at an event, which may be one of the time before this agent."""
        by_person = event.kind == "requested" and event.by is not None
        if by_person and event.text.startswith(COMMANDS):
            self._note_command(now - max(0.0, wall - event.at))

    def note_created(self, created_at: float, now: float, wall: float) -> None:
        """Take the start of a new app for a command."""
        self._note_command(now - max(0.0, wall - created_at))

    def is_quiet(self, state: AppState, now: float) -> bool:
        """Return whether it is quiet; to be called once a second."""
        reloads = state.rollout is not None and state.rollout.under_way
        if reloads or self._is_unsettled(state, now):
            self._last = now
        return now - self._last < state.app.alerts.grace_s or reloads

    def _note_command(self, at: float) -> None:
        self._last = max(self._last, at)
        self._command_at = max(self._command_at or at, at)

    def _is_unsettled(self, state: AppState, now: float) -> bool:
        if self._command_at is None:
            return False
        passed_s = now - self._command_at
        if passed_s < BEGINS_S:
            return True
        if passed_s < LONGEST_S and any(
            record.status in _UNSETTLED or record.replacement is not None
            for record in state.instances.values()
        ):
            return True
        self._command_at = None
        return False
