"""A `Source` that is connected to real agents, over ZeroMQ, without threads.

One SUB socket receives from all agents of a home; one DEALER socket for each agent carries the
requests. All work is done within `LiveSource.poll`: finding apps, sending, receiving, expiring
requests.
"""

import math
import time
from collections.abc import Collection, Iterable

import zmq

from monit_agent.client.discovery import AppsFolder, is_listening
from monit_agent.client.live.app_link import AppLink, app_of_topic, handle_message
from monit_agent.client.live.requests import OnAnswer
from monit_agent.client.live.subscription import Subscriptions
from monit_agent.client.source import Changes, PendingChanges, RealClock
from monit_agent.client.view import Fleet
from monit_agent.wire.ids import AppId, InstanceId, local_app
from monit_agent.wire.messages import Answer, Refused, Request

SEARCH_S = 1.0
"""Seconds between two searches for apps."""

DELETED_FILES_S = 3.0
"""How long the files of a deleted app may remain."""

ZMQ_NEEDED = (4, 3, 5)
"""The first libzmq without the vulnerabilities of 2020 and with the options used here."""


class OldLibraryError(RuntimeError):
    """The libzmq that Python found is older than `ZMQ_NEEDED`."""


class LiveSource(RealClock):
    """All agents of ``home``; see `monit_agent.client.source.Source` for what it promises."""

    def __init__(self, home: str) -> None:
        if zmq.zmq_version_info() < ZMQ_NEEDED:
            raise OldLibraryError(
                f"libzmq {zmq.zmq_version()} is too old, at least "
                f"{'.'.join(map(str, ZMQ_NEEDED))} is needed: pip install --upgrade pyzmq"
            )
        self.fleet = Fleet()
        self.unreadable = 0
        """Messages that belong to no known app."""
        self._folder = AppsFolder(home)
        self._links: dict[AppId, AppLink] = {}
        self._deleted: dict[str, tuple[int, float]] = {}
        """Deleted apps: the time of their ``state.json``, and until when to ignore that file."""
        self._refused: list[tuple[OnAnswer, Refused]] = []
        self._next_search_at = 0.0
        self._answered = False
        self._changes = PendingChanges()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._subscriptions = Subscriptions(self._context)
        self._poller = zmq.Poller()
        self._poller.register(self._subscriptions.socket, zmq.POLLIN)
        self._others: set[int] = set()

    def wake_on(self, fds: set[int]) -> None:
        """Let `poll` also return when one of these descriptors, and no others, can be read; the
        caller reads them."""
        for fd in self._others - fds:
            self._poller.unregister(fd)
        for fd in fds - self._others:
            self._poller.register(fd, zmq.POLLIN)
        self._others = fds

    def search_now(self) -> None:
        """Look for apps at the next poll."""
        self._next_search_at = 0.0

    # ------------------------------------------------------------ Source

    def poll(self, wait_s: float = 0.0) -> Changes:
        """Handle what has arrived; wait at most ``wait_s`` for the first message."""
        until = time.monotonic() + wait_s
        self._answered = False
        while True:
            self._find_apps()
            self._receive(until)
            self._expire_requests()
            self._collect_changes()
            if self._changes or self._answered or time.monotonic() >= until:
                return self._changes.take_all()

    def send_request(
        self, app: AppId, request: Request, then: OnAnswer, timeout_s: float = 5.0
    ) -> None:
        """Send ``request`` to the app's agent; the answer comes from within `poll`."""
        if app not in self._links:
            self._next_search_at = 0.0
            self._find_apps()
        if app in self._links:
            refusal = self._links[app].send_request(request, then, timeout_s)
        else:
            refusal = Refused(kind="failed", message=f"no app is called {app}; see `monit list`")
        if refusal is not None:
            self._refused.append((then, refusal))

    def follow_logs(self, who: Collection[InstanceId]) -> None:
        """From now on return the log bytes of exactly these instances from `poll`."""
        self._subscriptions.follow_logs(who)

    def close(self) -> None:
        """Close the sockets; pending requests are never answered."""
        for link in self._links.values():
            link.requests.close()
        self._links.clear()
        self._subscriptions.close()
        self._context.term()

    # ------------------------------------------------------------ apps that appear and disappear

    def _find_apps(self) -> None:
        now = time.monotonic()
        if now < self._next_search_at:
            return
        self._next_search_at = now + SEARCH_S
        found = self._folder.find_apps()
        for name, (state, until) in list(self._deleted.items()):
            started_again = found.get(name) != state and is_listening(self._folder.paths(name).ctl)
            if name not in found or started_again or now > until:
                del self._deleted[name]
        for app in self._links.keys() - set(map(local_app, found)):
            self._drop_app(app)
        for app in sorted(map(local_app, found.keys() - self._deleted.keys())):
            if app not in self._links:
                self._add_app(app, now)
        for link in self._links.values():
            link.check_agent()

    def _add_app(self, app: AppId, now: float) -> None:
        link = AppLink(self._context, self._folder.paths(app.app), now)
        self._links[app] = link
        self.fleet.apps[app] = link.view
        self._subscriptions.connect(link.paths.pub)
        self._poller.register(link.requests.socket, zmq.POLLIN)

    def _drop_app(self, app: AppId) -> None:
        link = self._links.pop(app)
        self.fleet.apps.pop(app, None)
        self._subscriptions.disconnect(link.paths.pub)
        self._poller.unregister(link.requests.socket)
        link.close()
        self._answered = True
        self._changes.events += [(app, event) for event in link.events]
        self._changes.apps.add(app)

    def _collect_changes(self) -> None:
        """Collect the changes of all links; drop the apps that were deleted."""
        for app, link in list(self._links.items()):
            link.mark_silence()
            if link.changed:
                self._changes.apps.add(app)
                link.changed = False
            if link.events:
                self._changes.events += [(app, event) for event in link.events]
                link.events = []
            if link.deleted:
                # its state.json may exist for another moment; that does not make it a new app
                state = self._folder.find_apps().get(app.app, 0)
                self._deleted[app.app] = (state, time.monotonic() + DELETED_FILES_S)
                self._drop_app(app)

    # ------------------------------------------------------------ sending and receiving

    def _receive(self, until: float) -> None:
        deadlines = [until, self._next_search_at]
        for link in self._links.values():
            flags = zmq.POLLIN | (zmq.POLLOUT if link.requests.has_unsent else 0)
            self._poller.modify(link.requests.socket, flags)
            deadlines.append(link.requests.next_deadline() or until)
        wait_s = 0.0 if self._refused else min(deadlines) - time.monotonic()
        ready = dict(self._poller.poll(math.ceil(max(0.0, wait_s) * 1000)))
        self._answered = self._answered or not self._others.isdisjoint(ready)
        for link in list(self._links.values()):
            flags = ready.get(link.requests.socket, 0)
            if flags & zmq.POLLOUT:
                link.requests.send_unsent()
            if flags & zmq.POLLIN:
                self._call_back(link.requests.receive_answers())
        if self._subscriptions.socket in ready:
            self._subscriptions.receive(self._handle_message)

    def _expire_requests(self) -> None:
        now = time.monotonic()
        for link in list(self._links.values()):
            self._call_back(link.requests.expire_overdue(now))
        refused, self._refused = self._refused, []
        self._call_back(refused)

    def _call_back(self, answers: Iterable[tuple[OnAnswer, Answer]]) -> None:
        # a list, because a callback may send the next request
        for then, answer in list(answers):
            self._answered = True
            then(answer)

    def _handle_message(self, frames: list[bytes]) -> None:
        link = self._links.get(app_of_topic(frames[0]))
        if link is None:
            self.unreadable += 1
            return
        handle_message(link, frames, self._subscriptions.followed, self._changes)
