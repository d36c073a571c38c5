"""What a changed file needs: the least for each key, and nothing twice."""

import pytest

from monit_agent.config.changes import (
    Action,
    AppPlan,
    EnvDifference,
    KnownApp,
    PlanOptions,
    RunState,
    changed_keys,
    plan_app,
)
from monit_agent.config.files.keys import PROGRAM_KEYS
from monit_agent.config.options import BY_KEY, OPTIONS, Apply
from monit_agent.config.values import parse_option
from monit_agent.supervise.spec import AppSpec, Increment, RestartPolicy

BASE = AppSpec(
    name="web",
    script="app.py",
    argv=("/bin/python3", "app.py"),
    cwd="/srv",
    user="deploy",
    interpreter="/bin/python3",
    runtime="python",
)

CHANGED: dict[str, AppSpec] = {
    "run": BASE._replace(interpreter=None, argv=("uvicorn", "main:app"), script="uvicorn"),
    "shell": BASE._replace(interpreter=None, argv=("sh", "-c", "a && b"), script="a && b"),
    "script": BASE._replace(argv=("/bin/python3", "b.py"), script="b.py"),
    "args": BASE._replace(argv=("/bin/python3", "app.py", "-v"), args=("-v",)),
    "interpreter-args": BASE._replace(argv=("/bin/python3", "-u", "app.py")),
    "module": BASE._replace(argv=("/bin/python3", "-m", "shop"), script="-m shop"),
    "interpreter": BASE._replace(argv=("pypy", "app.py"), interpreter="pypy"),
    "env-file": BASE._replace(env_files=("/srv/.env",)),
    "increment-var": BASE._replace(increment=Increment("PORT", 5000)),
}
"""A changed spec for each key that does not set one field by its value."""

ENV = {
    "env": EnvDifference(changed=("LEVEL",)),
    "probe": EnvDifference(added=("MONIT_PROBE",)),
    "probe-http": EnvDifference(removed=("MONIT_PROBE_HTTP",)),
}

EXPECTED: dict[Apply, Action] = {"live": "live", "reload": "reload", "restart": "restart"}

KEYS = [*(row.key for row in PROGRAM_KEYS), *(each.key for each in OPTIONS if each.key != "name")]


def _changed(key: str) -> AppSpec:
    """Return the base with another value of one key, as a file would make it."""
    if key in CHANGED or key in ENV:
        return CHANGED.get(key, BASE)
    option = BY_KEY[key]
    value = parse_option(option, option.example)
    value = (value,) if option.several else value
    field, _, part = option.field.partition(".")
    new = getattr(BASE, field)._replace(**{part: value}) if part else value
    return BASE._replace(**{field: new})


def _plan(key: str, new: AppSpec, state: RunState = "running") -> AppPlan:
    """Return the plan for an app of which one key has changed."""
    return plan_app(KnownApp(BASE, 1, state, ENV.get(key, EnvDifference())), new)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_needs_what_the_table_says(key: str) -> None:
    """A change of one key is named in the plan, does what the class of the key says, and is no
    change any more when it was applied."""
    new, option = _changed(key), BY_KEY.get(key)
    plan = _plan(key, new)
    expected = "scale" if key == "instances" else EXPECTED[option.apply if option else "reload"]
    assert plan.action == expected
    assert {"shell": "run"}.get(key, key) in {change.key for change in plan.changes}
    assert plan.spec is not None
    assert plan_app(KnownApp(plan.spec, new.instances), new).action == "nothing"


@pytest.mark.parametrize("key", [key for key in KEYS if key != "instances"])
def test_what_is_stopped_stays_stopped(key: str) -> None:
    """No change starts an app that a person stopped; its next start has the new settings."""
    new = _changed(key)
    plan = _plan(key, new, "stopped")
    assert plan.action == "live"
    assert plan.spec is not None
    assert not list(changed_keys(plan.spec, new, EnvDifference()))


@pytest.mark.parametrize("key", [key for key in KEYS if key != "instances"])
def test_what_does_not_run_is_started_with_the_new_settings(key: str) -> None:
    """An app that keeps failing gets any change with a restart: no worker of it is online."""
    assert _plan(key, _changed(key), "down").action == "restart"


def test_the_strongest_class_counts() -> None:
    """Live and reload and restart together are one restart, and every key is named."""
    new = BASE._replace(port=80, script="b.py", argv=("/bin/python3", "b.py"), namespace="shop")
    plan = plan_app(KnownApp(BASE, 1), new)
    assert plan.action == "restart"
    assert {change.key for change in plan.changes} == {"port", "script", "namespace"}


def test_instances_beside_another_change() -> None:
    """A reload with another number of instances does both."""
    new = BASE._replace(instances=3, cwd="/other")
    plan = plan_app(KnownApp(BASE, 1), new)
    assert (plan.action, plan.scale) == ("reload", (1, 3))


def test_scaling_by_hand_is_named() -> None:
    """Instances that nobody wrote into a file are scaled back, and the plan says whose they are."""
    plan = plan_app(KnownApp(BASE._replace(instances=2), 5), BASE._replace(instances=2))
    assert (plan.action, plan.scale, plan.by_hand) == ("scale", (5, 2), True)
    written = plan_app(KnownApp(BASE, 1), BASE._replace(instances=2))
    assert (written.action, written.scale, written.by_hand) == ("scale", (1, 2), False)


def test_new_instances_of_a_stopped_app_wait() -> None:
    """A scale would start them; the apply after the app's start scales it."""
    plan = plan_app(KnownApp(BASE, 1, "stopped"), BASE._replace(instances=3))
    assert (plan.action, plan.scale) == ("nothing", None)
    started = plan_app(KnownApp(BASE, 1), BASE._replace(instances=3))
    assert started.scale == (1, 3)


def test_a_failed_app_is_tried_again() -> None:
    """An app that runs nothing and has not changed is started; one that is done is not."""
    assert plan_app(KnownApp(BASE, 1, "down"), BASE).action == "start"
    assert plan_app(KnownApp(BASE, 1, "done"), BASE).action == "nothing"
    assert plan_app(KnownApp(BASE, 1, "done"), CHANGED["args"]).action == "restart"
    assert plan_app(None, BASE).action == "start"


def test_a_removed_socket_needs_a_stop() -> None:
    """A new socket needs a reload; where one goes, the program may open the same port itself."""
    one, two = BASE._replace(listen=(":80",)), BASE._replace(listen=(":80", ":81"))
    assert plan_app(KnownApp(one, 1), two).action == "reload"
    assert plan_app(KnownApp(two, 1), one).action == "restart"


def test_an_env_file_with_other_values() -> None:
    """What changed in an env file is named, and needs a reload."""
    spec = BASE._replace(env_files=("/srv/.env",))
    env = EnvDifference(files={"/srv/.env": ("TOKEN",)})
    plan = plan_app(KnownApp(spec, 1, "running", env), spec)
    assert plan.action == "reload"
    assert [change.names for change in plan.changes] == [("TOKEN changed",)]


def test_another_program_shares_ports_in_another_way() -> None:
    """Old and new workers cannot be there together when only one kind shares its port."""
    old = BASE._replace(mode="cluster", port=80, instances=2)
    other = {"argv": ("./server",), "script": "./server", "interpreter": None, "runtime": ""}
    new = old._replace(mode="fork", **other)
    assert plan_app(KnownApp(old, 2), new).action == "restart"
    scaled_down = old._replace(mode="fork", instances=1, env_files=("/srv/.env",))
    plan = plan_app(KnownApp(old, 2), scaled_down)
    assert plan.action == "reload"
    assert plan.spec is not None
    assert plan.spec.mode == "cluster"


def test_the_origin_is_a_change_that_touches_nothing() -> None:
    """An app of the command line that stands in a file now belongs to the file."""
    plan = plan_app(KnownApp(BASE, 1), BASE._replace(origin_file="/srv/monit.toml"))
    assert plan.action == "live"
    assert [change.key for change in plan.changes] == ["origin"]


def test_every_field_of_the_spec_is_compared() -> None:
    """A field that no key covers would never be applied."""
    derived = {
        "name",
        "user",
        "version",
        "mode",
        "runtime",
        "umask",
        "created_at",
        "other",
        "env_named",
    }
    covered = {"argv", "script", "args", "env_files", "origin_file"}
    covered |= {option.field.partition(".")[0] for option in OPTIONS if option.field}
    assert set(AppSpec._fields) - covered - derived == set()


def test_start_starts_what_a_person_stopped() -> None:
    """With the new settings, and the number of instances that the file has; also the rest of an app
    of which some instances run."""
    start = PlanOptions(start=True)
    plan = plan_app(KnownApp(BASE, 1, "stopped"), BASE._replace(instances=3, cwd="/x"), start)
    assert (plan.action, plan.scale, plan.is_stopped) == ("start", (1, 3), False)
    assert plan.spec is not None
    assert plan_app(KnownApp(BASE, 1, "stopped"), BASE, start).action == "start"
    some = KnownApp(BASE, 1, "running", some_stopped=True)
    assert plan_app(some, BASE, start).action == "start"
    reloaded = plan_app(some, CHANGED["args"], start)
    assert (reloaded.action, reloaded.starts_stopped) == ("reload", True)
    assert plan_app(KnownApp(BASE, 1), BASE, start).action == "nothing"
    assert plan_app(KnownApp(BASE, 1, "done"), BASE, start).action == "nothing"


def test_what_was_scaled_by_hand_may_stay() -> None:
    """The number of the file is kept for later; the mode is for the instances that there are."""
    keep = PlanOptions(keep_scale=True)
    new = BASE._replace(instances=2, cwd="/x")
    plan = plan_app(KnownApp(BASE._replace(instances=2, mode="cluster"), 5), new, keep)
    assert (plan.action, plan.scale, plan.by_hand) == ("reload", None, True)
    assert plan.spec is not None
    assert (plan.spec.instances, plan.spec.mode) == (2, "cluster")
    written = plan_app(KnownApp(BASE, 1), BASE._replace(instances=2), keep)
    assert written.scale == (1, 2)


def test_what_the_shell_has_otherwise_needs_a_reload() -> None:
    """Its names are in the plan."""
    env = EnvDifference(inherited=("TOKEN",))
    plan = plan_app(KnownApp(BASE, 1, "running", env), BASE)
    assert plan.action == "reload"
    assert [(each.key, each.names) for each in plan.changes] == [("inherited", ("TOKEN changed",))]


def test_a_program_that_reloads_itself_does_so_where_no_worker_must_change() -> None:
    """Without a change, and with one that touches no worker; else the worker is replaced."""
    itself = BASE._replace(policy=RestartPolicy(reload_command=("web", "reload")))
    reload = PlanOptions(reload=True)
    patient = itself._replace(policy=itself.policy._replace(kill_timeout_s=3.0))
    moved = itself._replace(cwd="/other")
    for new, in_place in ((itself, True), (patient, True), (moved, False)):
        plan = plan_app(KnownApp(itself, 1), new, reload)
        assert (plan.action, plan.in_place) == ("reload", in_place)
    assert plan_app(KnownApp(itself, 1), itself, reload).spec is None
    assert not plan_app(KnownApp(itself, 1, env=ENV["env"]), itself, reload).in_place
    assert not plan_app(KnownApp(BASE, 1), BASE, reload).in_place
