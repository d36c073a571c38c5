"""Whatever arrives at the keeper's sockets, it is answered or refused as what it is.

`make test` runs a few examples, `make fuzz` many (``MONIT_FUZZ`` is their number).
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.keeper.commands import REQUEST_FIELDS
from monit_agent.keeper.ports.listeners import Listeners
from monit_agent.keeper.ports.python_bind import BindServer
from support.fuzz import json_values, short
from support.keeper_loop import run_until
from support.kept_here import SPEC, KeptHere


@pytest.fixture(name="kept")
def _kept(short_folder: Path, own_signals: None) -> Iterator[KeptHere]:
    kept = KeptHere(short_folder, SPEC._replace(mode="cluster"))
    yield kept
    kept.close()


@st.composite
def _request(draw: st.DrawFn) -> dict[str, Any]:
    """Return a known request whose fields have any values, and sometimes good ones."""
    do = draw(st.sampled_from(sorted({*REQUEST_FIELDS, "hello"} - {"upgrade"})))
    good = st.sampled_from([[0], [], 0, 1, "", "out", "requested", {"A": "1"}, {"PATH": "/bin"}])
    names = st.sampled_from([*REQUEST_FIELDS.get(do, ("role", "version")), "id", "other"])
    return {**draw(st.dictionaries(names, good | json_values, max_size=5)), "do": do}


@short
@given(_request())
def test_each_request_gets_one_answer(kept: KeptHere, request_map: dict[str, Any]) -> None:
    """Never an internal error, whatever its fields hold."""
    answer = kept.commands.answer(kept.client, request_map)
    assert answer is not None
    assert answer["ok"] or answer["kind"] in {
        "bad_request",
        "refused",
        "failed",
        "no_such_instance",
    }


class Requester:
    """A process of the app, which sends lines to ``share.sock``."""

    def __init__(self, kept: KeptHere, path: str) -> None:
        self.loop = kept.keeper.loop
        self.path = path
        self.faults: list[str] = []
        self.loop._log = self.faults.append
        self.listeners = Listeners(lambda _paths: None)
        self.server = BindServer(
            self.loop, path, self.listeners,
            who=lambda _pid: (0, 1), bound=lambda _pid: None, accepts=lambda _pid: None,
            changed=lambda: None, in_use=lambda _place: None,
            connect_node=lambda _pid, sock, _sent: sock.close(), binds_as=lambda _pid, _place: None,
        )  # fmt: skip
        self.server.spec = kept.keeper.spec

    def send(self, raw: bytes) -> bytes:
        """Send a line; return what was answered, b"" when the connection was closed only."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.path)
            sock.send(raw)
            sock.setblocking(False)
            answer: list[bytes] = []

            def answered() -> bool:
                try:
                    answer.append(sock.recv(4096))
                except BlockingIOError:
                    return False
                return True

            run_until(self.loop, answered, what="an answer, or the connection is closed")
            return answer[0]


@pytest.fixture(name="requester")
def _requester(kept: KeptHere, short_folder: Path) -> Iterator[Requester]:
    requester = Requester(kept, str(short_folder / "s"))
    yield requester
    requester.server.close()
    for listener in requester.listeners.all():
        listener.sock.close()


_words = st.lists(
    st.sampled_from(["0", "1", "2", "10", "16", "-1", "99999999999", "127.0.0.1", "", "\0", "/"])
    | st.text(max_size=9),
    max_size=5,
)


@short
@given(
    st.sampled_from(
        ["bind", "holds", "listen", "accept", "shared", "hold", "group", "channel", "other"]
    ),
    _words,
    st.sampled_from([b"\n", b""]),
)
def test_a_line_of_a_worker_is_answered_or_its_connection_closed(
    requester: Requester, verb: str, words: list[str], end: bytes
) -> None:
    """The worker then binds by itself; the keeper goes on without an error in its log."""
    requester.send(" ".join([verb, *words]).encode("utf-8", "surrogatepass") + end)
    assert requester.faults == []
