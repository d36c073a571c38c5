"""Helpers for tests of alerts: an engine on a clock that the test moves."""

from monit_agent.agent.alerts.engine import AlertEngine, Announcement, Hold, Key, Reading

KEY: Key = ("slow", 0)
BAD, GOOD, BETWEEN = Reading(1, 9.0), Reading(-1, 1.0), Reading(0, 5.0)


class EngineRun:
    """Feeds an engine one reading a second, and keeps what it announced."""

    def __init__(self, hold: Hold) -> None:
        self.engine = AlertEngine()
        self.hold = hold
        self.now = 1000.0
        self.announced: list[tuple[float, Announcement]] = []

    def run(
        self, reading: Reading | None, seconds: int = 1, *, quiet: bool = False, muted: bool = False
    ) -> list[str]:
        """Give the same reading for some seconds; return what was announced in them."""
        before = len(self.announced)
        for _ in range(seconds):
            self.now += 1.0
            found = self.engine.read(KEY, reading, self.hold, self.now, quiet=quiet, muted=muted)
            if found is not None:
                self.announced.append((self.now, found))
        return [each.what for _, each in self.announced[before:]]

    @property
    def words(self) -> list[str]:
        """Return all that was announced."""
        return [each.what for _, each in self.announced]

    @property
    def is_firing(self) -> bool:
        """Return whether the alert fires now."""
        return any(self.engine.firing())
