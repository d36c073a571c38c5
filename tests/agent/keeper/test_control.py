"""``keeper.sock`` without a keeper: who is answered, who is dropped, and what a line may be."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monit_agent.keeper.control import BEHIND_BYTES, CLIENTS, Client, Control, refusal
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.state.claim import Claim
from monit_agent.system.claim import claim_address
from monit_agent.wire.limits import KEEPER_LINE_BYTES
from monit_agent.wire.paths import app_paths
from support.keeper_loop import close_claim, run_until

LONGER_THAN_A_SOCKET_TAKES = 300_000
"""A socket takes `net.core.wmem_default`, 212,992 bytes, counted with the kernel's overhead."""

FOLLOW, FAIL = {"do": "follow", "id": 1}, {"do": "fail", "id": 2}


class Peer:
    """A client as a program on the other side: it reads only when `read` is called."""

    def __init__(self, path: str | bytes) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.sock.setblocking(False)
        self.is_closed = False
        self._partial = b""

    def send(self, *requests: Any) -> None:
        self.sock.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in requests))

    def read(self) -> list[dict[str, Any]]:
        """Return what has arrived."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while data := self.sock.recv(1 << 20):
                self._partial += data
            self.is_closed = True
        *lines, self._partial = self._partial.split(b"\n")
        return [json.loads(line) for line in lines]


class Server:
    """A `Control` that answers with the request's number, and the clients of one test."""

    def __init__(self, loop: Loop, path: str, claim: Any = None) -> None:
        self.loop = loop
        self.path: str | bytes = path
        self.answered = 0
        self.peers: list[Peer] = []
        self.knocks = 0
        self.control = Control(loop, path, claim, self._note_knock)
        self.control.serve(self._answer, self._note_answered)

    def _answer(self, client: Client, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "fail":
            raise RuntimeError("for the test")
        client.follows = client.follows or request["do"] == "follow"
        return {"ok": True, "size": "x" * request.get("size", 0)}

    def _note_knock(self) -> None:
        self.knocks += 1

    def _note_answered(self) -> None:
        self.answered += 1

    def connect(self) -> Peer:
        self.peers.append(Peer(self.path))
        return self.peers[-1]

    def connect_and_follow(self) -> Peer:
        peer = self.connect()
        peer.send(FOLLOW)
        assert self.read(peer)[0]["ok"]
        return peer

    def read(self, peer: Peer, count: int = 1) -> list[dict[str, Any]]:
        """Run the loop until the peer got so many messages."""
        got: list[dict[str, Any]] = []

        def enough() -> bool:
            got.extend(peer.read())
            return len(got) >= count

        run_until(self.loop, enough, what=f"{count} messages")
        return got

    def wait_until_closed(self, peer: Peer) -> list[dict[str, Any]]:
        """Run the loop until the peer's connection is closed; return what it got before."""
        got: list[dict[str, Any]] = []
        run_until(self.loop, lambda: got.extend(peer.read()) or peer.is_closed, what="it is closed")
        return got

    def close(self) -> None:
        self.control.close()
        for peer in self.peers:
            peer.sock.close()


@pytest.fixture(name="server")
def _server(loop: Loop, short_folder: Path) -> Iterator[Server]:
    server = Server(loop, str(short_folder / "keeper.sock"))
    yield server
    server.close()


def test_requests_in_one_packet_are_answered_in_order(server: Server) -> None:
    """Every answer has the id of its request, and each one is announced after it was sent."""
    peer = server.connect()
    peer.send(*({"do": "x", "id": number} for number in (7, "a", None)))
    assert [each["id"] for each in server.read(peer, 3)] == [7, "a", None]
    assert server.answered == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"no json", "not a line of JSON"),
        (b"[" * 100_000, "not a line of JSON"),
        (b"\xff\xfe", "not a line of JSON"),
        (b"[1]", "a request is a JSON object"),
        (b"null", "a request is a JSON object"),
    ],
    ids=["words", "deep", "not UTF-8", "list", "null"],
)
def test_a_line_that_is_no_request_is_refused(server: Server, line: bytes, message: str) -> None:
    """The refusal says what a request is, and the connection stays usable."""
    peer = server.connect()
    peer.sock.sendall(line + b"\n\n")
    peer.send({"do": "x", "id": 1})
    refused, answered = server.read(peer, 2)
    assert refused["message"].startswith(message)
    assert (refused["ok"], refused["kind"], refused["id"]) == (False, "bad_request", None)
    assert answered == {"id": 1, "ok": True, "size": ""}


def test_a_line_without_end_is_refused_and_closed(server: Server) -> None:
    """Nothing more than the bound is kept for a client."""
    peer = server.connect()
    left = memoryview(b"x" * (KEEPER_LINE_BYTES + 1))

    def all_sent() -> bool:
        nonlocal left
        with contextlib.suppress(BlockingIOError):
            left = left[peer.sock.send(left) :]
        return not left

    run_until(server.loop, all_sent)
    (refused,) = server.wait_until_closed(peer)
    assert refused["message"] == f"a request is a line of at most {KEEPER_LINE_BYTES} bytes"


def test_an_error_of_one_request_is_its_answer(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is logged as well, and the next request is answered as always."""
    peer = server.connect()
    peer.send(FAIL, FOLLOW)
    failed, followed = server.read(peer, 2)
    assert failed == {"id": 2, **refusal("failed", "internal error: RuntimeError('for the test')")}
    assert followed["ok"]
    assert "an error while answering 'fail'" in capfd.readouterr().err


def test_only_clients_that_follow_get_updates(server: Server) -> None:
    """Another client reads nothing but its answers."""
    follower, other = server.connect_and_follow(), server.connect()
    server.control.broadcast({"type": "event"})
    assert server.read(follower) == [{"type": "event"}]
    other.send({"do": "x", "id": 3})
    assert [each["id"] for each in server.read(other)] == [3]


def test_a_follower_that_does_not_read_is_dropped(server: Server) -> None:
    """The updates that wait for one client are bounded, and other followers get every one."""
    slow, quick = server.connect_and_follow(), server.connect_and_follow()
    update = {"text": "x" * (BEHIND_BYTES // 4)}
    for _ in range(8):
        server.control.broadcast(update)
        assert server.read(quick) == [update]
    assert len(server.wait_until_closed(slow)) < 8


def test_a_long_answer_does_not_count_as_being_slow(server: Server) -> None:
    """The snapshot of a large app is longer than what a slow client may leave unread."""
    peer = server.connect()
    peer.send({"do": "x", "id": 1, "size": 2 * BEHIND_BYTES})
    (answer,) = server.read(peer)
    assert len(answer["size"]) == 2 * BEHIND_BYTES


def test_connections_over_the_bound_are_closed(server: Server) -> None:
    """One more than the bound is closed at once; when one leaves, the next one is served."""
    peers = [server.connect_and_follow() for _ in range(CLIENTS)]
    server.wait_until_closed(server.connect())
    peers[0].sock.close()
    run_until(server.loop, lambda: True)
    server.connect_and_follow()


def test_updates_that_still_wait_are_written_at_the_end(server: Server) -> None:
    """A follower that reads late is notified that the app was deleted."""
    peer = server.connect_and_follow()
    server.control.broadcast({"text": "x" * LONGER_THAN_A_SOCKET_TAKES})
    server.control.broadcast({"type": "app_deleted"})
    assert peer.read() == []  # a part of the first line; the socket has room again
    server.control.close()
    assert peer.read()[1:] == [{"type": "app_deleted"}]


def test_a_socket_that_an_earlier_keeper_left_is_replaced(loop: Loop, short_folder: Path) -> None:
    """Whatever is at the path, clients reach the new keeper."""
    path = short_folder / "keeper.sock"
    path.write_text("left over")
    server = Server(loop, str(path))
    server.connect_and_follow()
    server.close()


def test_a_socket_file_that_was_removed_is_made_again(server: Server) -> None:
    """New clients find it, and those that are connected stay so."""
    follower = server.connect_and_follow()
    assert not server.control.file.repair()
    os.unlink(server.path)
    assert server.control.file.repair()
    server.connect_and_follow()
    server.control.broadcast({"type": "event"})
    assert server.read(follower) == [{"type": "event"}]


def test_a_client_that_finds_no_file_uses_the_claim(loop: Loop, short_folder: Path) -> None:
    """It is served there, and its connection announces that the file is missing."""
    paths = app_paths(str(short_folder), "web")
    claim = Claim(paths)
    server = Server(loop, paths.keeper, claim.socket)
    server.connect_and_follow()
    assert server.knocks == 0
    server.path = claim_address(paths.folder)
    server.connect_and_follow()
    assert server.knocks == 1
    server.close()
    close_claim(claim)
