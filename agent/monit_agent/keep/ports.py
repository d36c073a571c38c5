"""What the keeper does about ports that the workers of an app share."""

import _socket as socket
import os
from collections.abc import Callable

from monit_agent.keep import inherit, native, procfs, taken
from monit_agent.keep.drain import Drains
from monit_agent.keep.journal import note
from monit_agent.keep.lenient import suppress
from monit_agent.keep.listeners import Listener, Listeners, Place
from monit_agent.keep.loop import Loop
from monit_agent.keep.nodes import Nodes
from monit_agent.keep.share import Share
from monit_agent.keep.spawn import FIRST_FD
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, has_channel, is_primary, shares_by_bind
from monit_agent.supervise.state import RESTING, Status
from monit_agent.supervise.typed import Any, NamedTuple
from monit_agent.wire.places import AppPlaces

LISTENS, READY, FINISHED = "listens", "ready", "finished"


class Calls(NamedTuple):
    """Whom `Ports` asks and tells."""

    said: Callable[[int, str], None]
    """A worker (pid) `LISTENS`, is `READY`, has `FINISHED`."""
    changed: Callable[[], None]
    """What the next keeper must know is not what it was."""
    tell: Callable[[str, int | None, str], None]
    who: Callable[[int], tuple[int, int] | None]
    """Slot and worker that a process belongs to."""


class Outfit(NamedTuple):
    """What a worker is started with because of its ports."""

    env: dict[bytes, bytes]
    fds: tuple[int, ...] = ()
    ends: tuple[socket.socket, ...] = ()
    """Both ends of its channel, the worker's first."""
    inherits: tuple[Listener, ...] = ()


class Ports:
    """Shared sockets and who has them."""

    def __init__(self, loop: Loop, places: AppPlaces, calls: Calls) -> None:
        self._calls = calls
        self._share_path = os.fsencode(places.share)
        self.listeners = Listeners()
        self._nodes = Nodes(
            loop,
            self.listeners,
            listens=lambda pid: self._calls.said(pid, LISTENS),
            says_ready=lambda pid: self._calls.said(pid, READY),
            finished=lambda pid: self._calls.said(pid, FINISHED),
            changed=calls.changed,
            in_use=self._in_use,
        )
        self._share = Share(
            loop,
            places.share,
            self.listeners,
            who=calls.who,
            listens=lambda pid: self._calls.said(pid, LISTENS),
            changed=calls.changed,
            in_use=self._in_use,
        )
        self._drains = Drains(loop, self.listeners, lambda pid: self._calls.said(pid, FINISHED))

    def fit_out(self, spec: AppSpec, instance: int) -> Outfit:
        """Give what a new worker needs. OSError when it cannot listen where it shall, or when
        there are no descriptors left."""
        self._follow(spec)
        inherits = tuple(inherit.opened(spec, self.listeners))
        env, fds = inherit.variables(spec), tuple(each.sock.fileno() for each in inherits)
        if shares_by_bind(spec):
            env[b"MONIT_SHARE"] = self._share_path
        if not has_channel(spec):
            return Outfit(env, fds, inherits=inherits)
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        env[b"NODE_CHANNEL_FD"] = b"%d" % (FIRST_FD + len(fds))
        env[b"NODE_CHANNEL_SERIALIZATION_MODE"] = b"json"
        if is_primary(spec):
            env[b"NODE_UNIQUE_ID"] = b"%d" % (instance + 1)
        return Outfit(env, (*fds, theirs.fileno(), ours.fileno()), (theirs, ours), inherits)

    def _follow(self, spec: AppSpec) -> None:
        self._nodes.cwd = spec.cwd
        self._share.spec = spec

    def born(self, pid: int, outfit: Outfit) -> None:
        """The worker with this outfit was started."""
        if outfit.ends:
            theirs, ours = outfit.ends
            theirs.close()
            self._nodes.connect(pid, ours)
        for listener in outfit.inherits:
            listener.users.add(pid)
        if outfit.inherits:
            self._calls.changed()

    def unborn(self, outfit: Outfit) -> None:
        """It could not be started."""
        for end in outfit.ends:
            end.close()

    def died(self, pid: int) -> None:
        """A worker is gone."""
        self._nodes.drop(pid)
        self._drains.drop(pid)
        self.listeners.drop_user(pid)

    def is_used_by(self, pid: int) -> bool:
        """Tell whether a worker has one of the shared sockets."""
        return any(pid in listener.users for listener in self.listeners.all())

    def quiesce(self, pid: int, patience_s: float) -> None:
        """Let a worker take no new connections and say when it has `FINISHED` what it had; a
        request that it got ``patience_s`` ago is waited for no longer."""
        if not self._nodes.quiesce(pid):
            self._share.quiesce(pid)
            self._drains.begin(pid, patience_s)

    def sweep(self, app: App) -> None:
        """Close what nobody needs any more: unless a worker may be on its way to it."""
        if not self.listeners.idle():
            return
        settled = all(
            slot.status in RESTING and slot.status is not Status.BACKOFF
            if slot.worker is None
            else slot.status is Status.ONLINE and slot.beside is None
            for slot in app.slots
        )
        if settled and self.listeners.close_unused():
            self._calls.changed()

    def close(self) -> None:
        """Remove the socket that workers ask at."""
        self._share.close()

    # ------------------------------------------------------------ a port in use

    def taken_by(self, spec: AppSpec) -> str | None:
        """Say who else has what the app was told to listen on, or why it cannot; None when it is
        free or unknown."""
        try:
            inherit.opened(spec, self.listeners)
        except OSError as error:
            self.listeners.close_unused()
            return error.strerror
        held = {listener.place.port for listener in self.listeners.all()}
        if spec.mode != "cluster" or spec.port is None or spec.port in held:
            return None
        owner = taken.owner_of(spec.port)
        return None if owner is None else f"port {spec.port} is taken by {owner}"

    def _in_use(self, place: Place) -> None:
        owner = taken.owner_of(place.port) if place.port else None
        where = f"port {place.port}" if place.port else place.address
        self._calls.tell("port_taken", None, f"{where} is taken by {owner or 'somebody else'}")

    # ------------------------------------------------------------ the keeper before

    def saved(self) -> list[dict[str, Any]]:
        """Give what the next keeper must know, as JSON-able values."""
        return [
            {"key": listener.key, "inode": listener.inode, "place": list(listener.place)}
            for listener in self.listeners.all()
        ]

    def adopt(self, spec: AppSpec, saved: list[dict[str, Any]], pids: list[int]) -> None:
        """Take the sockets back that the workers ``pids`` still have."""
        self._follow(spec)
        for pid in pids:
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                self._take_back(spec, saved, pid, pidfd)
            except OSError as error:
                note(f"cannot take the sockets of worker {pid} back: {error.strerror}")
            finally:
                os.close(pidfd)

    def _take_back(self, spec: AppSpec, saved: list[dict[str, Any]], pid: int, pidfd: int) -> None:
        by_inode = {one["inode"]: one for one in saved}
        for number, inode in procfs.sockets(pid):
            if inode in by_inode:
                self._take_listener(by_inode[inode], pid, pidfd, number)
            if number == _keepers_end(spec) and has_channel(spec):
                sock = socket.socket(fileno=native.take_fd(pidfd, number))
                self._nodes.connect(pid, sock)

    def _take_listener(self, one: dict[str, Any], pid: int, pidfd: int, number: int) -> None:
        listener = self.listeners.find(one["key"])
        if listener is None:
            with suppress(KeyError, TypeError, ValueError):
                place = Place(*one["place"])
                listener = self.listeners.take(one["key"], place, native.take_fd(pidfd, number))
        if listener is not None:
            listener.users.add(pid)


def _keepers_end(spec: AppSpec) -> int:
    """Give the number under which a worker holds the keeper's end of its channel."""
    return FIRST_FD + len(spec.listen) + 1
