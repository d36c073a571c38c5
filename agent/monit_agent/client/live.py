"""A `Source` that speaks to real agents, over ZeroMQ, without threads.

One SUB socket hears all agents of a home, one DEALER asks each. Everything happens within
`LiveSource.poll`: looking for apps, sending, receiving, giving up.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable

import zmq

from monit_agent.client.applink import AppLink
from monit_agent.client.discovery import AppsFolder, listens
from monit_agent.client.dispatch import speaker, take
from monit_agent.client.gather import Gathering
from monit_agent.client.news import News
from monit_agent.client.source import Changes
from monit_agent.client.view import Fleet, Identity
from monit_agent.wire.messages import Answer, Refused, Request

LOOK_S = 1.0
"""Seconds between two looks at the folder of apps."""

LINGERS_S = 3.0
"""How long a deleted app's files may take to go."""

ZMQ_NEEDED = (4, 3, 5)
"""The first libzmq without the holes of 2020 and with the options that are used here."""


class OldLibraryError(RuntimeError):
    """The libzmq that Python found is older than `ZMQ_NEEDED`."""


class LiveSource:
    """All agents of ``home``; see `monit_agent.client.source.Source` for what it promises."""

    def __init__(self, home: str) -> None:
        if zmq.zmq_version_info() < ZMQ_NEEDED:
            raise OldLibraryError(
                f"libzmq {zmq.zmq_version()} is too old, at least "
                f"{'.'.join(map(str, ZMQ_NEEDED))} is needed: pip install --upgrade pyzmq"
            )
        self.fleet = Fleet()
        self.unreadable = 0
        """Messages of no app that is known."""
        self._folder = AppsFolder(home)
        self._links: dict[str, AppLink] = {}
        self._deleted: dict[str, tuple[int, float]] = {}
        """Apps that said good-bye: their ``state.json`` then, and until when to pass it over."""
        self._refused: list[tuple[Callable[[Answer], None], Refused]] = []
        self._look_at = 0.0
        self._answered = False
        self._gathered = Gathering()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._news = News(self._context)
        self._poller = zmq.Poller()
        self._poller.register(self._news.socket, zmq.POLLIN)

    def wall(self) -> float:
        """Give the time of day."""
        return time.time()

    def monotonic(self) -> float:
        """Give the clock that ages are counted on."""
        return time.monotonic()

    # ------------------------------------------------------------ Source

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Take in what has arrived; wait at most ``wait_s`` for the first of it."""
        until = time.monotonic() + wait_s
        self._answered = False
        while True:
            self._look()
            self._receive(until)
            self._give_up()
            self._collect()
            if self._gathered or self._answered or time.monotonic() >= until:
                return self._gathered.take()

    def ask(
        self, app: str, request: Request, then: Callable[[Answer], None], timeout_s: float = 5.0
    ) -> None:
        """Send ``request`` to the app's agent; the answer comes from within `poll`."""
        if app not in self._links:
            self._look_at = 0.0
            self._look()
        if app in self._links:
            refusal = self._links[app].ask(request, then, timeout_s)
        else:
            refusal = Refused(kind="failed", message=f"no app is called {app}; see `monit list`")
        if refusal is not None:
            self._refused.append((then, refusal))

    def follow_logs(self, who: Collection[Identity]) -> None:
        """From now on bring the log bytes of exactly these instances."""
        self._news.follow(who)

    def close(self) -> None:
        """Let go of the sockets; what is asked and not answered stays so."""
        for link in self._links.values():
            link.asker.close()
        self._links.clear()
        self._news.close()
        self._context.term()

    # ------------------------------------------------------------ apps come and go

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        found = self._folder.look()
        for name, (state, until) in list(self._deleted.items()):
            anew = found.get(name) != state and listens(self._folder.places(name).ctl)
            if name not in found or anew or now > until:
                del self._deleted[name]
        for name in self._links.keys() - found.keys():
            self._drop(name)
        for name in sorted(found.keys() - self._links.keys() - self._deleted.keys()):
            self._add(name, now)
        for link in self._links.values():
            link.look_after()

    def _add(self, name: str, now: float) -> None:
        link = AppLink(self._context, self._folder.places(name), now)
        self._links[name] = link
        self.fleet.apps[name] = link.view
        self._news.connect(link.places.pub)
        self._poller.register(link.asker.socket, zmq.POLLIN)

    def _drop(self, name: str) -> None:
        link = self._links.pop(name)
        self.fleet.apps.pop(name, None)
        self._news.disconnect(link.places.pub)
        self._poller.unregister(link.asker.socket)
        link.leave()
        self._answered = True
        self._gathered.happened += [(name, happening) for happening in link.happened]
        self._gathered.apps.add(name)

    def _collect(self) -> None:
        """Gather what the links have noted; let those go that said good-bye."""
        for name, link in list(self._links.items()):
            link.mark_silence()
            if link.touched:
                self._gathered.apps.add(name)
                link.touched = False
            if link.happened:
                self._gathered.happened += [(name, happening) for happening in link.happened]
                link.happened = []
            if link.bye:
                # its state.json may lie there for a moment more: that is not a new app
                state = self._folder.look().get(name, 0)
                self._deleted[name] = (state, time.monotonic() + LINGERS_S)
                self._drop(name)

    # ------------------------------------------------------------ sending and receiving

    def _receive(self, until: float) -> None:
        deadlines = [until, self._look_at]
        for link in self._links.values():
            flags = zmq.POLLIN | (zmq.POLLOUT if link.asker.unsent else 0)
            self._poller.modify(link.asker.socket, flags)
            deadlines.append(link.asker.next_deadline() or until)
        wait_s = 0.0 if self._refused else min(deadlines) - time.monotonic()
        ready = dict(self._poller.poll(math.ceil(max(0.0, wait_s) * 1000)))
        for link in list(self._links.values()):
            flags = ready.get(link.asker.socket, 0)
            if flags & zmq.POLLOUT:
                link.asker.send()
            if flags & zmq.POLLIN:
                self._call(link.asker.answers())
        if self._news.socket in ready:
            self._news.receive(self._take)

    def _give_up(self) -> None:
        now = time.monotonic()
        for link in list(self._links.values()):
            self._call(link.asker.overdue(now))
        refused, self._refused = self._refused, []
        self._call(refused)

    def _call(self, answers: Iterable[tuple[Callable[[Answer], None], Answer]]) -> None:
        # all are taken out first: who is called may ask the next question
        for then, answer in list(answers):
            self._answered = True
            then(answer)

    def _take(self, frames: list[bytes]) -> None:
        link = self._links.get(speaker(frames[0]))
        if link is None:
            self.unreadable += 1
            return
        take(link, frames, self._news.followed, self._gathered)
