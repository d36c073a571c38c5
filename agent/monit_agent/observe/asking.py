"""One check of one worker, by URL or by command, from its beginning to its verdict."""

import contextlib
import os
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from monit_agent.observe.httpcheck import HttpCheck
from monit_agent.observe.lookup import Lookup
from monit_agent.observe.loop import Loop
from monit_agent.wire.checkurl import BadUrlError, Place, filled, read_url
from monit_agent.wire.messages import AppRecord

if TYPE_CHECKING:
    from monit_agent.observe.commandcheck import CommandCheck

Done = Callable[[bool, str], None]

AT_ONCE, COMMANDS_AT_ONCE = 128, 16
"""Checks that may be under way in one app, and those of them that are processes."""


class Subject(NamedTuple):
    """Who is asked, and by what: a URL, or without one a command."""

    instance: int
    pid: int
    url: str
    command: tuple[str, ...]

    @property
    def what(self) -> str:
        """How the check reads in a message."""
        return self.url or " ".join(self.command)


def subject_of(
    app: AppRecord, instance: int, pid: int, url: str, command: tuple[str, ...]
) -> Subject:
    """Give the subject, with the instance's own port in the URL."""
    with contextlib.suppress(BadUrlError):  # it is told when the URL is read
        url = filled(url, port_of(app, instance), instance)
    return Subject(instance, pid, url, command)


class Asking:
    """One check. ``done(ok, text)`` is called once, unless it is cancelled before."""

    def __init__(self, subject: Subject, begun: float, done: Done) -> None:
        self.subject = subject
        self.begun = begun
        self.over = False
        self._done = done
        self._check: HttpCheck | CommandCheck | None = None

    def take(self, check: "HttpCheck | CommandCheck") -> None:
        """Note what asks; it may have its answer already."""
        self._check = check

    def end(self, ok: bool, text: str) -> None:
        """Take the answer."""
        if not self.over:
            self.over = True
            self._done(ok, text)

    def cancel(self) -> None:
        """Give up without a verdict."""
        self.over = True
        if self._check is not None:
            self._check.cancel()

    def time_over(self, text: str) -> None:
        """Give up; that is the verdict."""
        if not self.over:
            self.cancel()
            self._done(False, text)


class Asker:
    """Begins checks, not too many at once."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lookup = Lookup(loop)
        self._processes: list[CommandCheck] = []
        self._under_way: list[Asking] = []
        # what the agent itself may open later must not reach a program that uses select()
        self._files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def has_room(self, subject: Subject) -> bool:
        """Say whether one more check may begin."""
        self._under_way = [each for each in self._under_way if not each.over]
        self._processes = [each for each in self._processes if not each.gone]
        if len(self._under_way) >= AT_ONCE:
            return False
        return bool(subject.url) or len(self._processes) < COMMANDS_AT_ONCE

    def ask(self, subject: Subject, app: AppRecord, begun: float, done: Done) -> Asking:
        """Begin a check; ``done`` may be called before this returns."""
        asking = Asking(subject, begun, done)
        self._under_way.append(asking)
        port = port_of(app, subject.instance)
        if not subject.url:
            self._run(asking, app, port)
            return asking
        try:
            place = read_url(filled(subject.url, port, subject.instance))
        except BadUrlError as error:
            asking.end(False, str(error))
            return asking
        if place.socket is not None:
            path = os.path.join(app.cwd, place.socket)
            self._send(asking, place._replace(socket=path), [path])
        else:
            self._lookup.find(
                place.host, lambda addresses, why: self._found(asking, place, addresses, why)
            )
        return asking

    def _found(self, asking: Asking, place: Place, addresses: list[str], why: str) -> None:
        if asking.over:
            return
        if addresses:
            self._send(asking, place, addresses)
        else:
            asking.end(False, why)

    def _send(self, asking: Asking, place: Place, addresses: list[str]) -> None:
        asking.take(HttpCheck(self._loop, place, addresses, asking.end))

    def _run(self, asking: Asking, app: AppRecord, port: int | None) -> None:
        from monit_agent.observe.commandcheck import (  # noqa: PLC0415 (few apps want it: 1 MB)
            CommandCheck,
            environment,
        )

        subject = asking.subject
        env = environment(subject.pid, subject.instance, port)
        check = CommandCheck(
            self._loop, subject.command, app.cwd, env, asking.end, files=self._files
        )
        self._processes.append(check)
        asking.take(check)


def port_of(app: AppRecord, instance: int) -> int | None:
    """Give the port at which an instance is asked."""
    if app.increment is not None and app.increment.name == "PORT":
        return app.increment.start + instance
    return app.port
