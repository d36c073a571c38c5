"""Which lines are shown, and the requests with which agents are asked for lines.

`AgentRequests` sends the messages of ``wire/messages.py``. ``cli/quick_logs.py`` sends the same
fields without importing these.
"""

from monit_agent.typed import TYPE_CHECKING, Any, NamedTuple
from monit_agent.wire.limits import SEARCH_LINES

if TYPE_CHECKING:
    from typing import Protocol

    from monit_agent.client.logs.rows import StreamKey
    from monit_agent.logtext.expression import Expression
    from monit_agent.wire.messages import LogLevel, LogPart, SearchPart

    class LogRequests(Protocol):
        """Requests about a stream, each of which waits for its answer."""

        def tail(self, key: StreamKey, lines: int, before: int | None) -> LogPart | None:
            """Return the last lines before an offset (None: the end); None when nobody answers."""
            ...

        def since(self, key: StreamKey, at: float) -> LogPart | None:
            """Return where the lines printed since a time begin; None when nobody answers."""
            ...

        def range(self, key: StreamKey, start: int, max_bytes: int) -> LogPart | None:
            """Return bytes from an offset on; None when nobody answers."""
            ...

        def search(self, key: StreamKey, fields: dict[str, Any]) -> SearchPart | str:
            """Return what one piece of a search finds, or why it was not searched; ``fields`` as
            of `search_fields`."""
            ...


LINES = 15
"""Lines of each app that are shown first."""

MOST_LINES = 100_000
"""How many can be asked for."""


class LogQuery(NamedTuple):
    """Which lines are shown."""

    expression: "Expression | None" = None
    level: "LogLevel | None" = None
    before: int = 0
    after: int = 0
    since: float | None = None
    until: float | None = None

    @property
    def is_everything(self) -> bool:
        """Return whether lines are chosen by nothing but their time."""
        return self.expression is None and self.level is None


def search_fields(
    query: LogQuery, *, backward: bool, position: int | None, stop: int | None, limit: int
) -> dict[str, Any]:
    """Return the fields of a `LogSearch`, but for those that name the stream."""
    expression = query.expression
    return {
        "pattern": expression.pattern.pattern if expression else "",
        "ignore_case": bool(expression and expression.ignores_case),
        "level": query.level,
        "backward": backward,
        "position": position,
        "since": query.since,
        "until": query.until,
        "stop": stop,
        "limit": min(limit, SEARCH_LINES),
        "before": query.before,
        "after": query.after,
    }
