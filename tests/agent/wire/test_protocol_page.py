"""PROTOCOL.md names every message and every request."""

from pathlib import Path
from typing import get_args

import pytest

from monit_agent.keeper.commands import REQUEST_FIELDS
from monit_agent.wire import bridge, messages
from monit_agent.wire.limits import PROTOCOL_VERSION
from support.protocol_page import (
    API_PAGE,
    BRIDGE_MESSAGES,
    KEEPER_MESSAGES,
    MARK,
    MESSAGES,
    Source,
    api_page,
    protocol_page,
)

PAGE = (Path(__file__).parents[3] / "agent" / "PROTOCOL.md").read_text(encoding="utf-8")

TAGS = sorted(
    kind.__struct_config__.tag
    for union in (
        messages.Update,
        messages.Request,
        messages.Answer,
        bridge.FromBridge,
        bridge.FromClient,
    )
    for kind in get_args(union)
)


@pytest.mark.parametrize("tag", TAGS)
def test_every_kind_of_message_is_described(tag: str) -> None:
    """A message that a client may meet stands in the page."""
    assert f"`{tag}`" in PAGE


def test_every_request_to_the_keeper_is_described() -> None:
    """So does a request on keeper.sock."""
    keeper = PAGE.partition("## Agent to keeper")[2]
    requests = ("hello", "version", "upgrade", *REQUEST_FIELDS)
    missing = [do for do in requests if f"`{do}`" not in keeper]
    assert missing == []


def test_the_tables_are_those_of_the_types() -> None:
    """It has every field with its type and unit (tests/support/protocol_page.py writes them)."""
    assert protocol_page() == PAGE
    assert api_page() == API_PAGE.read_text(encoding="utf-8")


def test_the_version_is_that_of_the_code() -> None:
    """The page is of the protocol that the code implements."""
    assert f"| `v` | protocol version, {PROTOCOL_VERSION} |" in PAGE


@pytest.mark.parametrize(
    "path",
    [MESSAGES, KEEPER_MESSAGES, BRIDGE_MESSAGES],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_every_field_has_words(path: Path) -> None:
    """Who writes a client learns what each field means: a docstring follows it in the source."""
    kinds = Source(path).kinds.values()
    fields = [(kind.name, field) for kind in kinds for field in kind.fields]
    silent = [f"{kind}.{field.name}" for kind, field in fields if not field.text]
    assert silent == []


def test_every_key_for_programs_has_a_meaning() -> None:
    """docs/api.md leaves none to guess."""
    tables = API_PAGE.read_text(encoding="utf-8").partition(MARK)[2]
    assert [line for line in tables.splitlines() if line.endswith("|  |")] == []
