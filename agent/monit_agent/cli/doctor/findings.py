"""What a check finds, and what it looks at."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from monit_agent.wire.paths import AppPaths, app_paths

OK, WARN, FAIL = "ok", "warn", "fail"


class Finding(NamedTuple):
    """One result of a check. ``todo`` says what to do; "" where nothing needs to be done."""

    status: str
    text: str
    todo: str = ""


class Examined(NamedTuple):
    """What all checks look at. ``keepers`` has what each app's keeper answered to ``version``, or
    why it did not answer."""

    home: str
    environ: Mapping[str, str]
    keepers: dict[str, dict[str, Any] | str]

    def paths(self, app: str) -> AppPaths:
        """Return where the app keeps its things."""
        return app_paths(self.home, app)

    def answers(self) -> dict[str, dict[str, Any]]:
        """Return the answers of those keepers that answered."""
        return {app: about for app, about in self.keepers.items() if isinstance(about, dict)}


class Check(NamedTuple):
    """A row of the table. ``examine`` returns one finding or several; without any, the check has
    nothing to look at here and is left out."""

    name: str
    examine: Callable[[Examined], list[Finding]]
