"""The requests and confirmations of keys."""

import pytest
from msgspec import structs

from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app, local_instance
from monit_agent.wire.messages import Reload, Restart, Scale, SendSignal, Start, Stop
from monit_tui.model.confirmation import (
    NAMES_SHOWN,
    NotPossible,
    PlannedAction,
    Verb,
    changes_since,
    plan_action,
    plan_scale,
)
from monit_tui.model.processes.rows import RowKey


def _plan(verb: Verb, *keys: RowKey, scene=scenes.healthy) -> PlannedAction | NotPossible:
    return plan_action(verb, keys, scene().fleet)


def test_an_apps_row_means_all_its_instances() -> None:
    """A request on an app's row names its instances."""
    planned = _plan("restart", RowKey(local_app("web")))
    assert isinstance(planned, PlannedAction)
    assert planned.requests == ((local_app("web"), Restart(instances=(0, 1, 2))),)
    assert planned.title == "Restart 3 instances?"
    assert planned.confirm


def test_a_reload_is_of_the_whole_app() -> None:
    """Reload on an instance's row reloads the whole app."""
    planned = _plan("reload", RowKey(local_app("web"), 2))
    assert isinstance(planned, PlannedAction)
    assert planned.requests == ((local_app("web"), Reload(instances=(0, 1, 2))),)


def test_rows_of_several_apps_make_one_request_for_each() -> None:
    """An instance that is selected twice, by its row and its app's, is in one request once."""
    planned = _plan(
        "stop",
        RowKey(local_app("api")),
        RowKey(local_app("api"), 1),
        RowKey(local_app("worker"), 0),
    )
    assert isinstance(planned, PlannedAction)
    assert planned.requests == (
        (local_app("api"), Stop(instances=(0, 1))), (local_app("worker"), Stop(instances=(0,))),
    )  # fmt: skip


def test_start_starts_only_what_does_not_run() -> None:
    """Errored instances are started without confirmation; running ones get an explanation."""
    planned = _plan(
        "start",
        RowKey(local_app("newsletter"), 0),
        RowKey(local_app("web"), 0),
        scene=scenes.trouble,
    )
    assert isinstance(planned, PlannedAction)
    assert planned.requests == ((local_app("newsletter"), Start(instances=(0,))),)
    assert not planned.confirm
    explained = _plan("start", RowKey(local_app("web"), 0))
    assert isinstance(explained, NotPossible)
    assert "{list.restart} restarts" in explained.text


def test_kill_is_for_the_named_workers() -> None:
    """SIGKILL goes to the process group, and only to the workers that the dialog named."""
    source = scenes.healthy()
    planned = plan_action("kill", (RowKey(local_app("web"), 1),), source.fleet)
    assert isinstance(planned, PlannedAction)
    assert planned.requests == (
        (local_app("web"), SendSignal(signal="SIGKILL", instances=(1,), group=True)),
    )  # fmt: skip
    assert planned.typed is None
    assert planned.before == ((local_instance("web", 1), "pid 4004"),)
    assert changes_since(planned, planned) == ""
    source.stage["web"].crash(1)
    again = plan_action("kill", (RowKey(local_app("web"), 1),), source.fleet)
    assert isinstance(again, PlannedAction)
    assert changes_since(planned, again).startswith("Changed meanwhile: web/1 is pid")
    whole = plan_action("kill", (RowKey(local_app("web")),), source.fleet)
    assert isinstance(whole, PlannedAction)
    assert whole.typed == "web"


@pytest.mark.parametrize("verb", ["restart", "reload", "stop", "start", "kill"])
def test_a_row_that_no_longer_exists_is_explained(verb: Verb) -> None:
    """A key on a row that no longer exists sends nothing."""
    assert isinstance(_plan(verb, RowKey(local_app("gone"), 3)), NotPossible)
    assert isinstance(_plan(verb), NotPossible)


def test_long_lists_are_counted() -> None:
    """A dialog names a few targets and counts the others."""
    source = scenes.many(100)
    keys = tuple(RowKey(app) for app in source.fleet.apps)
    planned = plan_action("stop", keys, source.fleet)
    assert isinstance(planned, PlannedAction)
    assert len(planned.targets) == NAMES_SHOWN
    assert planned.targets[-1].startswith("and ")


def test_scaling_down_names_the_removed_instances() -> None:
    """Only scaling down is confirmed, with names; the same number gets an explanation."""
    app = scenes.healthy().fleet.apps[local_app("web")]
    down = plan_scale(app, 1)
    assert isinstance(down, PlannedAction)
    assert down.requests == ((local_app("web"), Scale(count=1)),)
    assert down.targets == ("web/1", "web/2")
    assert down.confirm
    up = plan_scale(app, 5)
    assert isinstance(up, PlannedAction)
    assert not up.confirm
    assert isinstance(plan_scale(app, 3), NotPossible)


def test_a_kill_says_whether_monit_restarts() -> None:
    """It depends on the policy of each app."""
    source = scenes.healthy()
    rows = (RowKey(local_app("web"), 1), RowKey(local_app("worker"), 0))

    def effect(*keys: RowKey) -> str:
        planned = plan_action("kill", keys, source.fleet)
        assert isinstance(planned, PlannedAction)
        return planned.effect

    assert effect(*rows).endswith("monit restarts them.")
    app = source.fleet.apps[local_app("worker")]
    assert app.record is not None
    policy = structs.replace(app.record.policy, restart="never")
    app.record = structs.replace(app.record, policy=policy)
    assert effect(rows[1]).endswith("They are not restarted (restart = never).")
    assert effect(*rows).endswith("them, but not those of worker (restart = never).")


def test_a_key_without_a_row_says_why() -> None:
    """There are no apps, or a filter hides them."""
    assert plan_action("restart", (), scenes.empty().fleet) == NotPossible("There are no apps.")
    assert plan_action("restart", (), scenes.healthy().fleet) == NotPossible(
        "The filter hides all rows."
    )


def test_a_reload_says_when_a_program_reloads_itself() -> None:
    """Then no worker is replaced."""
    source = scenes.healthy()
    app = source.fleet.apps[local_app("web")]
    assert app.record is not None

    def effect() -> str:
        planned = plan_action("reload", (RowKey(local_app("web"), None),), source.fleet)
        assert isinstance(planned, PlannedAction)
        return planned.effect

    assert "replaced one by one" in effect()
    policy = structs.replace(app.record.policy, reload_command=("nginx", "-s", "reload"))
    app.record = structs.replace(app.record, policy=policy)
    assert "The program reloads itself: no worker is replaced" in effect()
