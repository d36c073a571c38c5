"""An agent takes copies of the app's listening sockets, and works while it waits for them."""

import os
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from monit_agent.agent.agent_loop import AgentLoop
from monit_agent.agent.event_loop import make_event_loop
from monit_agent.agent.keeper.held_sockets import HeldSockets
from support.agent_loop import turn_until


class _Place:
    """An agent's loop, and the socket at which a keeper would answer."""

    def __init__(self, folder: Path) -> None:
        self.loop = make_event_loop()
        path = str(folder / "share.sock")
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.held = HeldSockets(AgentLoop(self.loop), path)
        self.app = socket.create_server(("127.0.0.1", 0))

    def question(self) -> socket.socket:
        """Return the connection of the agent, which has asked."""
        self.server.settimeout(20)
        asked, _ = self.server.accept()
        assert asked.recv(16) == b"hold\n"
        return asked

    def answer(self, asked: socket.socket) -> None:
        """Answer as a keeper does, with the app's socket."""
        socket.send_fds(asked, [b"+"], [self.app.fileno()])

    def holds_the_socket(self) -> bool:
        """Whether a process that is started now would have the app's socket."""
        inode = os.fstat(self.app.fileno()).st_ino
        with self.held.inherited():
            return any(
                os.get_inheritable(fd) and os.fstat(fd).st_ino == inode
                for fd in map(int, os.listdir("/proc/self/fd"))
                if fd != self.app.fileno() and os.path.exists(f"/proc/self/fd/{fd}")
            )


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Generator[_Place]:
    place = _Place(tmp_path)
    yield place
    place.held.close()
    place.loop.close()
    place.server.close()
    place.app.close()


def test_the_agent_works_while_a_keeper_is_stopped(place: _Place) -> None:
    """The keeper answers when it continues, however late, and what it sends is held then."""
    place.held.changed(1)
    asked = place.question()
    turned: list[int] = []
    place.loop.call_soon(turned.append, 1)
    place.held.renew_if_outdated()  # asks no second time
    turn_until(place.loop, lambda: turned == [1])
    assert not place.holds_the_socket()

    place.answer(asked)
    turn_until(place.loop, place.holds_the_socket)
    asked.close()


def test_a_keeper_that_exits_before_it_answers_is_followed_by_another_question(
    place: _Place,
) -> None:
    """The next look asks again."""
    place.held.changed(1)
    place.question().close()

    def asked_again() -> bool:
        place.held.renew_if_outdated()
        place.server.setblocking(False)
        try:
            connection, _ = place.server.accept()
        except BlockingIOError:
            return False
        connection.setblocking(True)
        assert connection.recv(16) == b"hold\n"
        place.answer(connection)
        connection.close()
        return True

    turn_until(place.loop, asked_again)
    turn_until(place.loop, place.holds_the_socket)


def test_an_answer_of_before_the_last_socket_was_closed_is_not_held(place: _Place) -> None:
    """Another program can have the port at once."""
    place.held.changed(1)
    asked = place.question()
    place.answer(asked)
    place.held.changed(0)
    turned: list[int] = []
    place.loop.call_soon(turned.append, 1)
    turn_until(place.loop, lambda: turned == [1])
    assert not place.holds_the_socket()
    asked.close()


def test_no_keeper_is_no_fault(place: _Place, capfd: pytest.CaptureFixture[str]) -> None:
    """It is said in the agent's log, and asked again a second later."""
    place.server.close()
    place.held.changed(1)
    assert "cannot hold the app's sockets yet" in capfd.readouterr().err
    assert not place.holds_the_socket()
