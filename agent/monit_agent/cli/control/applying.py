"""``monit apply``: what is known of the apps of a file, and the work that makes them follow it."""

import contextlib
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_exists
from monit_agent.cli.keepers.keepers import take_over
from monit_agent.cli.keepers.launching import Launches
from monit_agent.cli.keepers.saved_apps import read_spec, read_variables
from monit_agent.cli.render import output
from monit_agent.client.commands.blocking import poll_until
from monit_agent.client.commands.works import ChangeWork, RequestWork, Work
from monit_agent.client.keeper_request import (
    SilentKeeperError,
    request_keeper,
    requester_text,
)
from monit_agent.client.source import Source
from monit_agent.client.text.manager import with_name
from monit_agent.client.view import AppView
from monit_agent.config.app import Launch
from monit_agent.config.changes import AppPlan, EnvDifference, KnownApp, RunState
from monit_agent.supervise.spec import AppSpec, BadSpecError, spec_from_json, spec_to_json
from monit_agent.system.files.file_lock import lock_file
from monit_agent.wire.ids import AppId, local_app
from monit_agent.wire.messages import Delete, Reload, RestartPolicy, Scale, Start
from monit_agent.wire.paths import AppPaths, app_paths

BUSY_S = 120.0
"""How long a reload that is in progress is waited for before apps are compared."""

_RESTING = ("stopped", "errored", "backoff")


@contextlib.contextmanager
def apply_lock(folder: str) -> Generator[None]:
    """Hold the lock of the home's `monit apply`; raise `CommandError` when another one does."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, "apply.lock")
    try:
        fd = lock_file(path)
    except BlockingIOError:
        raise CommandError(
            ExitCode.FAILED,
            f"another monit apply is running (pid {_holder(path)}); wait for it, then try again",
        ) from None
    except OSError as error:
        raise CommandError(ExitCode.FAILED, f"cannot lock {path}: {error.strerror}") from error
    try:
        with contextlib.suppress(OSError):  # the disk may be full
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


def _holder(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(20).strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


# ---------------------------------------------------------------- what is known


def known_apps(
    source: Source,
    folder: str,
    launches: Sequence[Launch],
    *,
    touch: bool,
    update_env: bool = False,
) -> dict[str, KnownApp]:
    """Return those of the apps that exist, as they are now; with ``update_env``, compared with what
    they would inherit of this command.

    With ``touch``, apps without a keeper get one first. Raise `CommandError` when an app cannot be
    compared.
    """
    known: dict[str, KnownApp] = {}
    there = [launch for launch in launches if app_exists(folder, launch.spec.name)]
    gone = [
        local_app(launch.spec.name)
        for launch in there
        if source.fleet.apps[local_app(launch.spec.name)].link == "gone"
    ]
    codes = take_over(source, folder, gone) if touch else dict.fromkeys(gone, ExitCode.DONE)
    failed = [code for code in codes.values() if code]
    if failed:
        raise CommandError(failed[0], "nothing was changed")
    for launch in there:
        name = local_app(launch.spec.name)
        if name in gone and not touch:
            known[name.app] = _saved_app(folder, launch, source.fleet.apps[name])
        else:
            known[name.app] = _running_app(source, folder, launch, name, update_env=update_env)
    return known


def _saved_app(folder: str, launch: Launch, app: AppView) -> KnownApp:
    """Return an app without a keeper from its files."""
    paths = app_paths(folder, launch.spec.name)
    spec = read_spec(paths.state, launch.spec.name)
    have, want = read_variables(paths.env, launch.spec.name), launch.named
    env = EnvDifference(
        tuple(sorted(name for name in want if name not in have)),
        tuple(sorted(name for name in have if name not in want)),
        tuple(sorted(name for name in want if have.get(name, want[name]) != want[name])),
    )
    state: RunState = "stopped" if _state(app) == "stopped" else "down"
    return KnownApp(spec, len(app.instances), state, env)


def _running_app(
    source: Source, folder: str, launch: Launch, name: AppId, *, update_env: bool
) -> KnownApp:
    paths = app_paths(folder, name.app)
    inherits = {"env": launch.env} if update_env else {}

    def settled() -> dict[str, Any] | None:
        answer = ask_keeper(paths, "compare", named=launch.named, **inherits)
        return None if answer.get("busy") else answer

    answer = settled()
    if answer is None:
        output.write_message(f"{name}: a reload is in progress; waiting for its end")
        answer = poll_until(source, settled, BUSY_S)
    if answer is None:
        raise CommandError(
            ExitCode.FAILED,
            f"{name}: its reload has not ended within {BUSY_S:.0f} s; run monit reload {name} "
            "--cancel, or try again later. Nothing was changed",
        )
    env = EnvDifference(
        tuple(answer["added"]),
        tuple(answer["removed"]),
        tuple(answer["changed"]),
        {path: tuple(names) for path, names in answer["files"].items()},
        tuple(answer.get("inherited", ())),
    )
    try:
        spec = spec_from_json(answer["spec"])
    except BadSpecError as error:
        raise CommandError(ExitCode.FAILED, f"{name}: {error}") from error
    app = source.fleet.apps[name]
    some = any(view.record.desired == "stopped" for view in app.instances.values())
    return KnownApp(spec, answer["instances"], _state(app), env, some)


def ask_keeper(paths: AppPaths, do: str, **fields: Any) -> dict[str, Any]:
    """Return the answer of an app's keeper, or raise `CommandError`."""
    try:
        answer = request_keeper(paths, do, **fields)
    except SilentKeeperError as error:
        raise CommandError(ExitCode.NO_ANSWER, f"{paths.name}: {error}") from error
    if answer.get("ok") is True:
        return answer
    if answer.get("kind") == "unsupported":
        raise CommandError(
            ExitCode.FAILED,
            f"{paths.name}: its keeper is of another version of monit; run monit upgrade first",
        )
    raise CommandError(ExitCode.FAILED, with_name(str(answer.get("message")), paths.name))


def _state(app: AppView) -> RunState:
    records = [view.record for view in app.instances.values()]
    if records and all(each.desired == "stopped" for each in records):
        return "stopped"
    active = [each for each in records if each.desired == "running"]
    if any(each.status == "online" and each.ready for each in active):
        return "running"
    if any(each.status not in _RESTING and each.replacement is not None for each in active):
        return "running"
    return "done" if active and all(each.status == "stopped" for each in active) else "down"


# ---------------------------------------------------------------- what is done


def works_of(
    folder: str, plans: Iterable[AppPlan], by_name: Mapping[str, Launch], launches: Launches
) -> dict[AppId, list[Work]]:
    """Return the steps for each app to which something happens."""
    works = {
        local_app(plan.app): _steps(folder, plan, by_name.get(plan.app), launches) for plan in plans
    }
    return {app: steps for app, steps in works.items() if steps}


def _steps(folder: str, plan: AppPlan, launch: Launch | None, launches: Launches) -> list[Work]:
    name = local_app(plan.app)
    if plan.action == "delete":
        return [RequestWork(name, Delete())]
    if launch is None:
        return []
    if plan.action == "start" and plan.state != "down" and not plan.starts_stopped:
        return [launches.work(launch)]
    steps: list[Work] = [] if plan.spec is None else [_change(folder, name, plan, launch)]
    if plan.in_place:
        steps.append(RequestWork(name, Reload()))
    if plan.starts_stopped or plan.action == "start":
        steps.append(RequestWork(name, Start()))
    if plan.scale is not None:
        scale = RequestWork(name, Scale(count=plan.scale[1]))
        fewer = plan.scale[1] < plan.scale[0]
        steps = [scale, *steps] if fewer and plan.action == "restart" else [*steps, scale]
    return steps


def _change(folder: str, name: AppId, plan: AppPlan, launch: Launch) -> ChangeWork:
    assert plan.spec is not None  # noqa: S101 (for the type checker)
    paths, spec = app_paths(folder, name.app), plan.spec
    touches = plan.action in ("reload", "restart") and not plan.in_place
    how = plan.action if touches else "live"

    def request() -> tuple[int, ...] | str:
        fields = {"spec": spec_to_json(spec), "named": launch.named}
        if any(change.key == "inherited" for change in plan.changes):
            fields["env"] = launch.env
        why = f"monit apply {os.path.basename(spec.origin_file or '')}".strip()
        try:
            answer = ask_keeper(paths, "apply", **fields, how=how, by=requester_text(), why=why)
        except CommandError as error:
            return str(error)
        return tuple(answer["instances"])

    return ChangeWork(name, how, _policy(spec), request)


def _policy(spec: AppSpec) -> RestartPolicy:
    policy = spec.policy
    return RestartPolicy(
        min_uptime_s=policy.min_uptime_s,
        kill_timeout_s=policy.kill_timeout_s,
        listen_timeout_s=policy.listen_timeout_s,
        stop_exit_codes=policy.stop_exit_codes,
    )
