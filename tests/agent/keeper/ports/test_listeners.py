"""The sockets that workers share: bound once, replaced when left over, closed when unused."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from monit_agent.keeper.ports.held_socket import take_held_socket, uses_reuseport
from monit_agent.keeper.ports.listeners import BindAddress, HeldSocket, Listeners, key_of
from monit_agent.system.kernel_calls import is_dumpable
from monit_agent.system.users import run_as
from support.ports import free_port


def tcp(port: int, address: str = "127.0.0.1") -> BindAddress:
    return BindAddress(socket.AF_INET, socket.SOCK_STREAM, address, port)


def unix(path: Path) -> BindAddress:
    return BindAddress(socket.AF_UNIX, socket.SOCK_STREAM, str(path), 0)


@pytest.fixture(name="listeners")
def _listeners() -> Iterator[Listeners]:
    listeners = Listeners(lambda _paths: None)
    yield listeners
    for listener in listeners.all():
        listener.users.clear()
    listeners.close_unused()


def test_a_socket_is_bound_once(listeners: Listeners) -> None:
    """Whoever requests it next gets the same one, ready to queue connections."""
    place = tcp(0)
    first = listeners.get("web", (place,))
    assert listeners.get("web", (place,)) is first is listeners.find("web")
    with socket.create_connection(first.sock.getsockname()):
        pass
    assert first.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not first.sock.getblocking()
    assert first.inode == os.fstat(first.sock.fileno()).st_ino


def test_the_first_place_that_can_be_bound_is_used(listeners: Listeners) -> None:
    """As for a name with several addresses."""
    other, place = tcp(0, "203.0.113.1"), tcp(0)
    assert listeners.get("web", (other, place)).place == place


def test_a_taken_port_is_the_error_of_the_last_place(listeners: Listeners) -> None:
    """Nothing is kept of it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="Address already in use"),
    ):
        listeners.get("web", (tcp(taken.getsockname()[1]),))
    assert listeners.all() == []


def test_a_port_that_a_worker_has_is_shared() -> None:
    """That worker is among its users."""
    with socket.create_server(("127.0.0.1", 0)) as own:
        place = tcp(own.getsockname()[1])
        listeners = Listeners(lambda paths: HeldSocket(paths[0], own, 42))
        found = listeners.get("web", (place,))
        assert (found.sock, found.users, found.place) == (own, {42}, place)


def test_a_socket_file_without_a_listener_is_replaced(listeners: Listeners, tmp_path: Path) -> None:
    """A program that was killed leaves one."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    found = listeners.get("web", (unix(path),))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert found.place == unix(path)


@pytest.mark.parametrize("kind", ["a listener", "a file"])
def test_what_is_in_use_is_not_replaced(listeners: Listeners, tmp_path: Path, kind: str) -> None:
    """A socket on which another program listens, and a file that is no socket."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        if kind == "a listener":
            other.bind(str(path))
            other.listen()
        else:
            path.write_text("precious")
        before = path.lstat().st_ino
        with pytest.raises(OSError, match="Address already in use"):
            listeners.get("web", (unix(path),))
        assert path.lstat().st_ino == before


def test_a_socket_is_closed_when_its_last_worker_has_exited(
    listeners: Listeners, tmp_path: Path
) -> None:
    """Its port is free then, and the file of a Unix socket is gone."""
    path = tmp_path / "s"
    for key, place in (("tcp", tcp(0)), ("unix", unix(path))):
        listeners.get(key, (place,)).users |= {1, 2}
    listeners.worker_exited(1)
    assert not listeners.idle()
    assert not listeners.close_unused()
    listeners.worker_exited(2)
    assert listeners.idle()
    assert listeners.close_unused()
    assert listeners.all() == []
    assert not path.exists()


@pytest.mark.parametrize("is_closed", [True, False])
def test_only_a_socket_that_was_closed_by_its_worker_stops_listening(
    listeners: Listeners, is_closed: bool
) -> None:
    """The agent's copy does not keep the port then. What a worker left running may have the
    socket of one that exited."""
    found = listeners.get("web", (tcp(free_port()),))
    found.users.add(1)
    address = found.sock.getsockname()
    with socket.socket(fileno=os.dup(found.sock.fileno())) as copy:
        found.leave(1, is_closed=is_closed)
        assert listeners.close_unused()
        assert bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) is not is_closed
        if is_closed:
            with socket.create_server(address):
                pass


def test_the_queue_is_long_again_after_a_worker_shortened_it(listeners: Listeners) -> None:
    """All workers share it; a client that finds it full retries only a second later."""
    shared = listeners.get("web", (tcp(0),)).sock
    shared.listen(0)
    listeners.listen_again()
    clients = [socket.socket() for _ in range(8)]
    try:
        for client in clients:
            client.settimeout(10)
            client.connect(shared.getsockname())
    finally:
        for client in clients:
            client.close()


def test_keys_distinguish_places(tmp_path: Path) -> None:
    """Same port, other address, family, kind or IPv6 setting: another socket."""
    places = [
        tcp(80),
        tcp(80, "0.0.0.0"),
        tcp(81),
        unix(tmp_path / "s"),
        tcp(80)._replace(kind=socket.SOCK_DGRAM),
        BindAddress(socket.AF_INET6, socket.SOCK_STREAM, "::", 80),
        BindAddress(socket.AF_INET6, socket.SOCK_STREAM, "::", 80, v6only=True),
    ]
    assert len({key_of(place) for place in places}) == len(places)


# ---------------------------------------------------------------- sockets that workers bound


class Owner:
    """A program that listens on a port of its own."""

    def __init__(self, port: int, *, reuseport: bool = False) -> None:
        code = (
            "import socket, sys\n"
            "place = ('127.0.0.1', int(sys.argv[1]))\n"
            "s = socket.create_server(place, reuse_port=bool(sys.argv[2]))\n"
            "print(flush=True); input()"
        )
        words = [str(port), "1" if reuseport else ""]
        self.program = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.program.stdout is not None
        self.program.stdout.readline()
        self.pid = self.program.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.kill()
        self.program.communicate()


def test_the_socket_of_a_worker_is_copied_from_it() -> None:
    """The copy accepts at the same port; the worker notices nothing."""
    port = free_port()
    with Owner(port) as owner:
        found = take_held_socket((tcp(port),), set(), lambda pid: 7 if pid == owner.pid else None)
        assert found is not None
        with contextlib.closing(found.sock):
            assert (found.place, found.worker) == (tcp(port), 7)
            assert found.sock.getsockname() == ("127.0.0.1", port)
            assert owner.program.poll() is None


def test_only_workers_have_their_sockets_copied() -> None:
    """Nor is a socket that is shared already, at another address, or without a port."""
    port = free_port()
    with Owner(port) as owner:
        mine = {owner.pid}

        def taken(place: BindAddress, known: set[int], pids: set[int]) -> object:
            return take_held_socket((place,), known, lambda pid: pid if pid in pids else None)

        assert taken(tcp(port), set(), set()) is None
        assert taken(tcp(port, "127.0.0.2"), set(), mine) is None
        assert taken(tcp(0), set(), mine) is None
        assert taken(tcp(port)._replace(kind=socket.SOCK_DGRAM), set(), mine) is None
        found = take_held_socket((tcp(port),), set(), lambda pid: pid if pid in mine else None)
        assert found is not None
        with contextlib.closing(found.sock):
            assert taken(tcp(port), {os.fstat(found.sock.fileno()).st_ino}, mine) is None


@pytest.mark.parametrize("reuseport", [True, False])
def test_a_port_opened_with_reuseport_is_recognised(reuseport: bool) -> None:
    """Then several workers may open it beside each other."""
    port = free_port()
    with Owner(port, reuseport=reuseport) as owner:
        assert uses_reuseport(owner.pid, port) is reuseport
        assert not uses_reuseport(owner.pid, None)
        assert not uses_reuseport(owner.pid, port + 1)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
class TestOfAnotherUser:
    """What a worker of another user requests, root does with the rights of that user."""

    nobody = run_as("65534", "65534") if os.getuid() == 0 else None

    @pytest.fixture(name="place")
    def _place(self) -> Iterator[Path]:
        """A folder that every user may enter, which pytest's are not."""
        with tempfile.TemporaryDirectory() as place:
            os.chmod(place, 0o755)
            yield Path(place)

    @pytest.fixture(name="theirs")
    def _theirs(self, place: Path) -> Path:
        theirs = place / "theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
        return theirs

    def test_a_socket_belongs_to_the_user(self, listeners: Listeners, theirs: Path) -> None:
        """It is made, and removed, where the user may do that, and root is itself again."""
        before = os.geteuid(), os.getegid(), os.getgroups(), is_dumpable()
        listeners.get("web", (unix(theirs / "s"),), lambda _place: self.nobody)
        found = (theirs / "s").stat()
        assert (found.st_uid, found.st_gid) == (65534, 65534)
        assert listeners.close_unused()
        assert not (theirs / "s").exists()
        assert (os.geteuid(), os.getegid(), os.getgroups(), is_dumpable()) == before

    def test_a_socket_that_was_left_over_is_replaced(
        self, listeners: Listeners, place: Path, theirs: Path
    ) -> None:
        """That of the user, and not that of a service of root."""
        for folder in (place, theirs):
            with socket.socket(socket.AF_UNIX) as left:
                left.bind(str(folder / "s"))
        os.chown(theirs / "s", 65534, 65534)
        listeners.get("web", (unix(theirs / "s"),), lambda _place: self.nobody)
        before = (place / "s").stat().st_ino
        with pytest.raises(OSError, match="Address already in use"):
            listeners.get("other", (unix(place / "s"),), lambda _place: self.nobody)
        assert (place / "s").stat().st_ino == before

    def test_nothing_is_made_in_a_folder_of_root(self, listeners: Listeners, place: Path) -> None:
        """The error is the one that the user would get."""
        with pytest.raises(PermissionError):
            listeners.get("web", (unix(place / "s"),), lambda _place: self.nobody)
        assert not (place / "s").exists()

    @pytest.mark.parametrize("is_adopted", [False, True])
    def test_a_file_of_root_is_not_removed(
        self, listeners: Listeners, place: Path, theirs: Path, is_adopted: bool
    ) -> None:
        """Also when a link to its folder takes the place of the socket's, and also by the keeper
        that took the socket over."""
        (place / "s").write_text("root's")
        (theirs / "run").mkdir()
        os.chown(theirs / "run", 65534, 65534)
        found = listeners.get("web", (unix(theirs / "run" / "s"),), lambda _place: self.nobody)
        (theirs / "run").rename(theirs / "other")
        (theirs / "run").symlink_to(place)
        if is_adopted:
            fd = os.dup(found.sock.fileno())
            found.users.add(1)
            listeners = Listeners(lambda _paths: None)
            listeners.adopt("web", found.place, fd)
        assert listeners.close_unused()
        assert (place / "s").read_text() == "root's"

    def test_a_privileged_port_is_refused(self, listeners: Listeners) -> None:
        """As the kernel refuses it to the user; an open one is not."""
        if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 81:
            pytest.skip("every user may listen on every port")
        with pytest.raises(PermissionError):
            listeners.get("web", (tcp(81),), lambda _place: self.nobody)
        assert listeners.get("web", (tcp(0),), lambda _place: self.nobody)
