"""The ports that the workers of an app share: setup, drain, adoption."""

import os
from collections.abc import Callable

from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports import accepting, port_owner, socket_activation
from monit_agent.keeper.ports.drain import DrainWatch
from monit_agent.keeper.ports.held_socket import take_held_socket
from monit_agent.keeper.ports.listeners import BindAddress, HeldSocket, Listener, Listeners
from monit_agent.keeper.ports.node_cluster import NodeChannels
from monit_agent.keeper.ports.python_bind import BindServer
from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, HandedOn, Inherited
from monit_agent.keeper.workers.lookups import REQUEST_WAIT_S, START_WAIT_S, UnansweredError
from monit_agent.keeper.workers.spawn import FIRST_FD
from monit_agent.keeper.workers.worker_user import WorkerUser
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec, has_node_channel, is_node_primary, shares_on_bind
from monit_agent.supervise.state import RESTING, Status
from monit_agent.system import kernel_calls, procfs
from monit_agent.system.sockets import socket
from monit_agent.system.suppress import suppress
from monit_agent.system.users import BadUserError, RunAs, user_of_ids
from monit_agent.typed import Any, NamedTuple
from monit_agent.wire.paths import AppPaths

LISTENS, BOUND, READY, DRAINED = "listens", "bound", "ready", "finished"


class PortCallbacks(NamedTuple):
    """What `Ports` calls."""

    reported: Callable[[int, str], None]
    """A worker (pid) reports that it `LISTENS`, has `BOUND` a shared socket, is `READY`, or has
    `DRAINED`."""
    changed: Callable[[], None]
    """What the next keeper needs has changed."""
    record_event: Callable[[str, int | None, str], None]
    who: Callable[[int], tuple[int, int] | None]
    """Slot and worker that a process belongs to."""
    sockets_changed: Callable[[int], None]
    """There are so many shared sockets now, and they are not those that there were."""
    user: Callable[[], WorkerUser]
    """The user of new workers."""


class PortSetup(NamedTuple):
    """What a worker inherits for its ports."""

    env: dict[bytes, bytes]
    fds: tuple[int, ...] = ()
    ends: tuple[socket.socket, ...] = ()
    """Both ends of its channel, the worker's first."""
    inherits: tuple[Listener, ...] = ()
    user: RunAs | None = None
    """As whom it runs."""


class Ports:
    """The shared sockets and the workers that have them."""

    def __init__(
        self,
        loop: Loop,
        paths: AppPaths,
        calls: PortCallbacks,
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        self._calls = calls
        self._share_path = os.fsencode(paths.share)
        self._inherited: dict[int, int] = {}
        self._announced: set[int] = set()
        self._users: dict[int, RunAs | None] = {}
        """Of the workers that this keeper started: the user of new ones may be another."""
        self.listeners = Listeners(self._take_from_worker)
        self._nodes = NodeChannels(
            loop,
            self.listeners,
            listens=self._node_listens,
            reports_ready=lambda pid: self._calls.reported(pid, READY),
            finished=lambda pid: self._calls.reported(pid, DRAINED),
            changed=calls.changed,
            in_use=self._record_port_taken,
            binds_as=self._binds_as,
        )
        self.share = BindServer(
            loop,
            paths.share,
            self.listeners,
            who=calls.who,
            bound=lambda pid: self._calls.reported(pid, BOUND),
            accepts=lambda pid: self._calls.reported(pid, LISTENS),
            changed=calls.changed,
            in_use=self._record_port_taken,
            connect_node=self._nodes.connect,
            binds_as=self._binds_as,
            inherited=inherited,
        )
        self._drains = DrainWatch(
            loop, self.listeners, lambda pid: self._calls.reported(pid, DRAINED)
        )

    def prepare_worker(self, spec: AppSpec, instance: int, *, alone: bool) -> PortSetup:
        """Return what a new worker inherits; ``alone`` is whether it is the app's only instance.
        Raise OSError when it cannot listen where it must, or when no descriptors are left."""
        self._learn_spec(spec)
        user = self._calls.user().run_as
        inherits = tuple(socket_activation.open_sockets(spec, self.listeners, user))
        env, fds = (
            socket_activation.listen_variables(spec),
            tuple(each.sock.fileno() for each in inherits),
        )
        if shares_on_bind(spec):
            env[b"MONIT_SHARE"] = self._share_path
            if spec.port is not None:
                env[b"MONIT_SHARE_PORT"] = b"%d" % spec.port
        if not has_node_channel(spec):
            return PortSetup(env, fds, inherits=inherits, user=user)
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        env[b"NODE_CHANNEL_FD"] = b"%d" % (FIRST_FD + len(fds))
        env[b"NODE_CHANNEL_SERIALIZATION_MODE"] = b"json"
        env[b"MONIT_CHANNEL"] = b"1"
        if is_node_primary(spec) and alone and spec.chosen_mode != "cluster":
            env[b"MONIT_ALONE"] = b"1"
        elif is_node_primary(spec):
            env[b"NODE_UNIQUE_ID"] = b"%d" % (instance + 1)
        fds = (*fds, theirs.fileno(), ours.fileno())
        return PortSetup(env, fds, (theirs, ours), inherits, user)

    def _binds_as(self, pid: int, place: BindAddress) -> RunAs | None:
        """Return as whom a socket is bound that worker ``pid`` requests: as its user, so that the
        kernel decides, but for the ports that the app's settings name."""
        user = self._users.get(pid, self._calls.user().run_as) or _user_seen(pid)
        found, spec = self._calls.who(pid), self.share.spec
        if user is None or found is None or spec is None or place.family == socket.AF_UNIX:
            return user
        return None if socket_activation.names_port(spec, found[0], place.port) else user

    def _take_from_worker(self, paths: tuple[BindAddress, ...]) -> HeldSocket | None:
        """Return a socket that a worker bound itself, which accepts on a shared one from now on."""

        def worker_of(pid: int) -> int | None:
            found = self._calls.who(pid)
            return found[1] if found else None

        # a second socket at the place of a shared one is an error of the program
        known = {listener.inode for listener in self.listeners.all()}
        held = take_held_socket(paths, known, worker_of)
        if held is not None:
            self._calls.reported(held.worker, LISTENS)
        return held

    def _learn_spec(self, spec: AppSpec) -> None:
        self._nodes.cwd = spec.cwd
        self._nodes.closes_for_good = spec.policy.kill_mode != "process"
        self.share.spec = spec

    def worker_started(self, pid: int, setup: PortSetup) -> None:
        """Note that the worker with this setup was started."""
        self._users[pid] = setup.user
        if setup.ends:
            theirs, ours = setup.ends
            theirs.close()
            self._nodes.connect(pid, ours)
        for listener in setup.inherits:
            listener.users.add(pid)
        if setup.inherits:
            self._calls.changed()

    def start_failed(self, setup: PortSetup) -> None:
        """Release the setup of a worker that could not be started."""
        for end in setup.ends:
            end.close()

    def worker_exited(self, pid: int) -> None:
        """Remove a worker that has exited."""
        self._users.pop(pid, None)
        self._nodes.worker_exited(pid)
        self._drains.worker_exited(pid)
        self.listeners.worker_exited(pid)

    def listens_nowhere(self, pid: int) -> bool:
        """Return whether no process of a worker listens on a socket."""
        pids = [pid, *procfs.descendant_pids(pid)]
        return not self.is_used_by(pid) and not accepting.own_listeners(pids, set())

    def worker_replaced(self, old: int, new: int) -> None:
        """Note that the main process ``new`` took over from ``old`` and has its sockets."""
        if old in self._users:
            self._users[new] = self._users.pop(old)
        self._nodes.worker_exited(old)
        self._drains.worker_exited(old)
        for listener in self.listeners.all():
            if old in listener.users:
                listener.users.discard(old)
                listener.users.add(new)

    def is_used_by(self, pid: int) -> bool:
        """Return whether a worker has one of the shared sockets."""
        return any(pid in listener.users for listener in self.listeners.all())

    def _node_listens(self, pid: int, port: int | None) -> None:
        """Handle that a Node worker accepts on a shared socket; if the app has a port, on that."""
        self.listeners.listen_again()
        if self.share.spec is None or self.share.spec.port in (None, port):
            self._calls.reported(pid, LISTENS)

    def drain(self, pid: int, timeout_s: float) -> None:
        """Let a worker accept no new connections and report when it has `DRAINED`; a request
        that it got ``timeout_s`` ago is not waited for."""
        if not self._nodes.drain(pid):
            self.share.drain(pid)
            self._drains.begin(pid, timeout_s)

    def close_unused(self, app: App) -> None:
        """Close the sockets that no worker needs, unless one that is starting may need them."""
        if not self.listeners.idle():
            return
        settled = all(
            slot.status in RESTING and slot.status is not Status.BACKOFF
            if slot.worker is None
            else slot.status is Status.ONLINE and slot.replacement is None
            for slot in app.slots
        )
        if settled and self.listeners.close_unused():
            self._calls.changed()
            self.announce_sockets()

    def round_finished(self, app: App) -> None:
        """Close the sockets that no worker needs, and announce others that have come."""
        self.close_unused(app)
        self.announce_sockets()

    def announce_sockets(self) -> None:
        """Announce the sockets if others have come, or some were closed."""
        inodes = self.listeners.inodes()
        if inodes != self._announced:
            self._announced = inodes
            self._calls.sockets_changed(len(inodes))

    def close(self) -> None:
        """Remove the socket at which workers send requests."""
        self.share.close()

    # ------------------------------------------------------------ a port in use

    def conflict(self, spec: AppSpec) -> str | None:
        """Return which other process has a port of the app, or why the app cannot listen; None
        when it is free or unknown."""
        try:
            user = self._look_up_user(spec)
            socket_activation.open_sockets(spec, self.listeners, user)
        except BadUserError as error:
            return str(error)
        except OSError as error:
            self.listeners.close_unused()
            return error.strerror
        held = {listener.place.port for listener in self.listeners.all()}
        if spec.mode != "cluster" or spec.port is None or spec.port in held:
            return None
        owner = port_owner.port_owner(spec.port)
        return None if owner is None else f"port {spec.port} is in use by {owner}"

    def _look_up_user(self, spec: AppSpec) -> RunAs | None:
        """Return whose socket files those of the app are. Only these need an answer."""
        needs_answer = any(text.startswith(socket_activation.UNIX) for text in spec.listen)
        try:
            return self._calls.user().look_up(
                spec, REQUEST_WAIT_S if needs_answer else START_WAIT_S
            )
        except UnansweredError:
            if needs_answer:
                raise
            return None

    def _record_port_taken(self, place: BindAddress) -> None:
        owner = port_owner.port_owner(place.port) if place.port else None
        where = f"port {place.port}" if place.port else place.address
        self._calls.record_event(
            "port_taken", None, f"{where} is in use by {owner or 'another process'}"
        )

    # ------------------------------------------------------------ adoption

    def saved(self) -> list[dict[str, Any]]:
        """Return what the next keeper needs, as JSON-able values."""
        return [
            {"key": listener.key, "inode": listener.inode, "place": list(listener.place)}
            for listener in self.listeners.all()
        ]

    def inherit(self, sockets: dict[int, int]) -> None:
        """Note what this keeper was started with: inodes and descriptors of sockets."""
        self._inherited = sockets

    def close_inherited(self) -> None:
        """Close what was inherited and not adopted: it is no socket of this app."""
        for fd in self._inherited.values():
            os.close(fd)
        self._inherited = {}

    def hand_on(self, handed: HandedOn) -> None:
        """Hand on all sockets and what is known of who has them."""
        handed.parts["listeners"] = self.listeners.hand_on(handed.keep)
        handed.parts["node"] = self._nodes.hand_on(handed.keep)
        handed.parts["share"] = self.share.hand_on(handed.keep)
        handed.parts["drains"] = self._drains.hand_on()

    def resume(self, spec: AppSpec, inherited: Inherited) -> None:
        """Continue with the sockets of the program before this one."""
        self._learn_spec(spec)
        self.listeners.resume(inherited)
        self._nodes.resume(inherited)
        self._drains.resume(inherited.part("drains"))

    def adopt(self, spec: AppSpec, saved: list[dict[str, Any]], pids: list[int]) -> None:
        """Take back the sockets that the agent passed on, and those that the workers ``pids``
        still have."""
        self._learn_spec(spec)
        for one in saved:
            fd = self._inherited.pop(one["inode"], -1)
            if fd >= 0 and self.listeners.find(one["key"]) is None:
                self.listeners.adopt(one["key"], BindAddress(*one["place"]), fd)
        for pid in pids:
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                self._take_sockets_back(spec, saved, pid, pidfd)
            except OSError as error:
                note(f"cannot take back the sockets of worker {pid}: {error.strerror}")
            finally:
                os.close(pidfd)

    def _take_sockets_back(
        self, spec: AppSpec, saved: list[dict[str, Any]], pid: int, pidfd: int
    ) -> None:
        by_inode = {one["inode"]: one for one in saved}
        for number, inode in procfs.open_sockets(pid):
            if inode in by_inode:
                self._take_listener(by_inode[inode], pid, pidfd, number)
            if number == _keepers_end(spec) and has_node_channel(spec):
                sock = socket.socket(fileno=kernel_calls.copy_fd_of(pidfd, number))
                self._nodes.connect(pid, sock)

    def _take_listener(self, one: dict[str, Any], pid: int, pidfd: int, number: int) -> None:
        listener = self.listeners.find(one["key"])
        if listener is None:
            with suppress(KeyError, TypeError, ValueError):
                place = BindAddress(*one["place"])
                fd = kernel_calls.copy_fd_of(pidfd, number)
                listener = self.listeners.adopt(one["key"], place, fd)
        if listener is not None:
            listener.users.add(pid)


def _user_seen(pid: int) -> RunAs | None:
    """Return the user of a worker as the kernel shows it: one of an earlier keeper, whose user is
    not known by name now, or one that left root's rights itself."""
    ids = procfs.ids_of(pid) if os.geteuid() == 0 else None
    return None if ids is None else user_of_ids(*ids)


def _keepers_end(spec: AppSpec) -> int:
    """Return the descriptor number of the keeper's end of the channel in a worker."""
    return FIRST_FD + len(spec.listen) + 1
