"""What a key asks of which agents."""

import pytest

from monit_agent.client import scenes
from monit_agent.wire.messages import Reload, Restart, Scale, SendSignal, Start, Stop
from monit_tui.asking import NAMES_SHOWN, Asking, Explained, Verb, ask, replaced_since, scale
from monit_tui.rows import RowKey


def _ask(verb: Verb, *keys: RowKey, scene=scenes.healthy) -> Asking | Explained:
    return ask(verb, keys, scene().fleet)


def test_an_apps_row_means_all_its_instances() -> None:
    """Instances are named, not "all": the list may be another when the request arrives."""
    asking = _ask("restart", RowKey("web"))
    assert isinstance(asking, Asking)
    assert asking.requests == (("web", Restart(instances=(0, 1, 2))),)
    assert asking.title == "Restart 3 instances?"
    assert asking.confirm


def test_a_reload_is_of_the_whole_app() -> None:
    """From an instance's row, too."""
    asking = _ask("reload", RowKey("web", 2))
    assert isinstance(asking, Asking)
    assert asking.requests == (("web", Reload(instances=(0, 1, 2))),)


def test_rows_of_several_apps_make_one_request_for_each() -> None:
    """An instance chosen twice, by its row and its app's, is asked for once."""
    asking = _ask("stop", RowKey("api"), RowKey("api", 1), RowKey("worker", 0))
    assert isinstance(asking, Asking)
    assert asking.requests == (
        ("api", Stop(instances=(0, 1))), ("worker", Stop(instances=(0,))),
    )  # fmt: skip


def test_start_takes_only_what_does_not_run() -> None:
    """Errored and waiting ones are started at once, running ones explain."""
    asking = _ask("start", RowKey("newsletter", 0), RowKey("web", 0), scene=scenes.trouble)
    assert isinstance(asking, Asking)
    assert asking.requests == (("newsletter", Start(instances=(0,))),)
    assert not asking.confirm
    explained = _ask("start", RowKey("web", 0))
    assert isinstance(explained, Explained)
    assert "r restarts" in explained.text


def test_kill_means_certain_workers() -> None:
    """SIGKILL goes to the group, and only to the workers that the question named."""
    source = scenes.healthy()
    asking = ask("kill", (RowKey("web", 1),), source.fleet)
    assert isinstance(asking, Asking)
    assert asking.requests == (
        ("web", SendSignal(signal="SIGKILL", instances=(1,), group=True)),
    )  # fmt: skip
    assert asking.typed is None
    assert replaced_since(asking, source.fleet) == ()
    source.stage["web"].change(1, pid=4242)
    assert replaced_since(asking, source.fleet) == ("web/1 (pid 4004)",)
    whole = ask("kill", (RowKey("web"),), source.fleet)
    assert isinstance(whole, Asking)
    assert whole.typed == "web"


@pytest.mark.parametrize("verb", ["restart", "reload", "stop", "start", "kill"])
def test_a_row_that_went_meanwhile_is_explained(verb: Verb) -> None:
    """Nothing is asked of nobody."""
    assert isinstance(_ask(verb, RowKey("gone", 3)), Explained)
    assert isinstance(_ask(verb), Explained)


def test_long_lists_are_counted() -> None:
    """A dialog names a few and counts the rest."""
    source = scenes.many(100)
    keys = tuple(RowKey(app) for app in source.fleet.apps)
    asking = ask("stop", keys, source.fleet)
    assert isinstance(asking, Asking)
    assert len(asking.targets) == NAMES_SHOWN
    assert asking.targets[-1].startswith("and ")


def test_scaling() -> None:
    """Only down asks, and names those that go; to the same number it explains."""
    app = scenes.healthy().fleet.apps["web"]
    down = scale(app, 1)
    assert isinstance(down, Asking)
    assert down.requests == (("web", Scale(count=1)),)
    assert down.targets == ("web/1", "web/2")
    assert down.confirm
    up = scale(app, 5)
    assert isinstance(up, Asking)
    assert not up.confirm
    assert isinstance(scale(app, 3), Explained)
