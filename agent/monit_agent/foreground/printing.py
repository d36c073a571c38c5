"""Everything that `monit run` prints: what the apps print, and a line of its own now and then."""

import time

from monit_agent.foreground.keeper_link import FollowedApp
from monit_agent.foreground.log_streams import LogStreams, StreamId
from monit_agent.foreground.messages import event_text
from monit_agent.foreground.outcome import Record
from monit_agent.foreground.output import LineOutput, is_same_file
from monit_agent.keeper.loop import Loop

PAUSE_S = 0.005
"""Between two rounds of passing on, so that signals and keepers get their turn."""


class Printing:
    """Standard output and standard error, and the streams that lead to them."""

    def __init__(self) -> None:
        self.is_ending = False
        """Whether everything is being stopped."""
        self._loop: Loop | None = None
        self._err = LineOutput(2, self._pass_on, self._stderr_closed)
        same = is_same_file(1, 2)
        self._out = self._err if same else LineOutput(1, self._pass_on, self._stdout_closed)
        self.streams = LogStreams(self._out, self._err, self._lines_lost)

    def start(self, loop: Loop) -> None:
        """Start to write."""
        self._loop = loop
        for output in {self._out, self._err}:
            loop.watch(output.wakeup, output.was_woken)
            output.start()

    def message(self, text: str) -> None:
        """Write a line of monit's own to standard error."""
        self._err.put("monit", f"monit: {text}\n".encode("utf-8", "backslashreplace"))

    def log_changed(self, link: FollowedApp, end: Record) -> None:
        """Pass on what a stream has more."""
        self.streams.begin(link, end)
        self._pass_on()

    def link_restored(self, link: FollowedApp) -> None:
        """Let a keeper that answers know how far its streams were read."""
        self.streams.report_again(link)

    def event_added(self, link: FollowedApp, event: Record) -> None:
        """Print what the operator of a container must see."""
        text = event_text(link.name, event, ending=self.is_ending)
        if text is not None:
            self.message(text)

    def request_refused(self, link: FollowedApp, text: str) -> None:
        """Print why nothing came of a request."""
        self.message(f"{link.name}: {text}")

    def is_done(self) -> bool:
        """Return whether the apps' last lines were written, when nothing more can come."""
        if not self.streams.is_done():
            return False
        self.streams.finish()
        return self._out.is_empty() and self._err.is_empty()

    def _pass_on(self) -> None:
        if self.streams.pass_on() and self._loop is not None:
            self._loop.set_alarm("pass on", time.monotonic() + PAUSE_S, self._pass_on)

    def _lines_lost(self, stream: StreamId, size: int) -> None:
        self.message(
            f"{stream.app}/{stream.instance}: {size:,} bytes of std{stream.stream} are lost: "
            "nothing read the output of monit run"
        )

    def _stdout_closed(self) -> None:
        self.message(
            f"standard output: {self._out.problem()}; the apps keep running, and what they print "
            "there is dropped"
        )

    def _stderr_closed(self) -> None:
        """Do nothing: there is nowhere to report it."""
