"""What a hook is, and what came of one attempt. Pure."""

from typing import NamedTuple

from monit_agent.wire.webhook import redacted

COMMAND, WEBHOOK = HOOKS = ("command", "webhook")

COMMAND_S = 10.0
"""How long a command may take; then it is killed with all that it started."""

WEBHOOK_S = 5.0
"""How long a webhook may take to answer."""


class Delivery(NamedTuple):
    """What came of one attempt."""

    ok: bool
    text: str
    again: bool = False
    """Whether another attempt may be better."""
    took_s: float = 0.0


class Hook(NamedTuple):
    """Where notices go."""

    name: str
    command: tuple[str, ...]
    url: str
    cwd: str
    ca: str = ""
    """Path of a file with certificates that are trusted too."""

    @property
    def target(self) -> str:
        """Return what may be shown of it."""
        return redacted(self.url) if self.name == WEBHOOK else self.command[0]
