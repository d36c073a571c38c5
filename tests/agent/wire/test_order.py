"""What an app comes after: read, and put into an order."""

import pytest

from monit_agent.wire.order import (
    Dependency,
    dependency_text,
    find_cycle,
    read_dependencies,
    read_dependency,
    start_layers,
    with_dependencies,
)

AFTER = {
    "web": [Dependency("migrate", "done"), Dependency("cache")],
    "migrate": [Dependency("db")],
    "front": [Dependency("web", "started")],
}


@pytest.mark.parametrize("text", ["db=ready", "my.app=done", "a-b=started"])
def test_a_dependency_reads_as_it_was_written(text: str) -> None:
    """Its text is that of the spec and of messages."""
    assert dependency_text(read_dependency(text)) == text
    assert read_dependency("db") == Dependency("db", "ready")


@pytest.mark.parametrize("text", ["", "=ready", "db=online", "db="])
def test_another_text_is_no_dependency(text: str) -> None:
    """It is refused, or left out where it may be of a newer version."""
    with pytest.raises(ValueError, match="APP=STATE"):
        read_dependency(text)
    assert read_dependencies([text, "db=done"]) == (Dependency("db", "done"),)


def test_layers() -> None:
    """Each app comes after those of earlier layers, as early as it can."""
    names = ["front", "web", "cache", "db", "migrate", "other"]
    assert start_layers(names, AFTER) == [["cache", "db", "other"], ["migrate"], ["web"], ["front"]]
    assert start_layers(["front", "db"], AFTER) == [["db", "front"]]


def test_a_cycle_is_told_with_its_path() -> None:
    """From an app over the others back to it; a diamond is no cycle."""
    cycle = {"a": [Dependency("b")], "b": [Dependency("c")], "c": [Dependency("b")]}
    assert find_cycle(cycle) == ("b", "c", "b")
    assert find_cycle({"a": [Dependency("a")]}) == ("a", "a")
    diamond = {"a": [Dependency("b"), Dependency("c")], "b": [Dependency("d")]}
    assert find_cycle({**diamond, "c": [Dependency("d")]}) == ()
    assert [sorted(each) for each in start_layers(["a", "b", "c"], cycle)] == [["a", "b", "c"]]


def test_what_an_app_needs() -> None:
    """All that it comes after, also by way of others."""
    assert with_dependencies(["web"], AFTER) == ["web", "migrate", "cache", "db"]
