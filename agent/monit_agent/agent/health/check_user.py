"""As whom check commands run."""

from monit_agent.agent.user_database import USERS
from monit_agent.system.users import RunAs, run_as


class CheckUser:
    """User and group of an app's workers, looked up once."""

    def __init__(self, names: tuple[str, str] = ("", "")) -> None:
        self.names = names
        self._found: RunAs | None = None
        self._is_known = False

    def run_as(self) -> RunAs | None:
        """Return as whom checks run; raise `BadUserError` or `NoAnswerError`, and look again the
        next time."""
        if not self._is_known:
            self._found = USERS.ask(self.names, lambda: run_as(*self.names))
            self._is_known = True
        return self._found
