"""A profile from its request to the file, whether or not somebody still looks at it."""

import os
import time
from collections.abc import Callable

from monit_agent.client.profiles import cpu
from monit_agent.client.profiles.files import speedscope
from monit_agent.client.profiles.reading import BadProfileError
from monit_agent.client.profiles.words import MARGIN_S, note_text
from monit_agent.client.source import Source
from monit_agent.wire.messages import Answer, MakeProfile, ProfilePart, Refused
from monit_tui.model.profile_target import ProfileTarget
from monit_tui.text.new_file import new_file

ENDING = ".speedscope.json"


class ProfileRun:
    """Requests a profile, and saves it when it has come."""

    def __init__(
        self, source: Source, target: ProfileTarget, seconds: float,
        changed: Callable[["ProfileRun"], None],
    ) -> None:  # fmt: skip
        self.target, self.seconds = target, seconds
        self.changed = changed
        """Called once, when there is a profile or a problem."""
        self.began_at = time.monotonic()
        """In real time also in a replayed scene: it is drawn as a bar that fills."""
        self.profile: cpu.CpuProfileData | None = None
        self.pid = target.pid
        self.note = ""
        """What the agent remarks about it."""
        self.problem = ""
        """Why there is no profile."""
        self.saved = ""
        """The path of the file, or why there is none."""
        self._source = source

    def start(self) -> None:
        """Send the request."""
        request = MakeProfile(
            instance=self.target.identity.instance, seconds=self.seconds, pid=self.target.pid
        )
        app = self.target.identity.app_id
        self._source.send_request(app, request, self._answered, self.seconds + MARGIN_S)

    @property
    def is_running(self) -> bool:
        """Return whether its answer is still awaited."""
        return self.profile is None and not self.problem

    @property
    def name(self) -> str:
        """Return the worker with its process, as far as that is known."""
        pid = f" (pid {self.pid})" if self.pid is not None else ""
        return f"{self.target.identity}{pid}"

    def elapsed_s(self) -> float:
        """Return for how long it has been running, at most as long as it is to take."""
        return min(self.seconds, time.monotonic() - self.began_at)

    def _answered(self, answer: Answer) -> None:
        if isinstance(answer, ProfilePart):
            self.pid, self.note = answer.pid, note_text(answer)
            try:
                self.profile = cpu.of_part(answer)
            except BadProfileError as error:
                self.problem = str(error)
            else:
                self.saved = self._save(speedscope(self.profile, self.name))
        else:
            self.problem = (
                answer.message if isinstance(answer, Refused) else "its agent answers otherwise"
            )
        self.changed(self)

    def _save(self, content: str) -> str:
        """Write the file into this folder, or if that is not possible into the home folder."""
        identity = self.target.identity
        name = "-".join([*filter(None, identity.app_id), str(identity.instance)])
        problem: OSError | None = None
        for folder in (os.getcwd(), os.path.expanduser("~")):
            try:
                path, descriptor = new_file(folder, name, ENDING, self._source.wall())
                with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(content)
            except OSError as error:
                problem = problem or error
                continue
            return f"saved for speedscope.app as {path}"
        return f"not saved: {problem}"
