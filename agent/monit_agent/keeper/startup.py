"""Start a keeper: lock, handshake, detach from the caller."""

import os
import signal
import sys
from collections.abc import Callable

from monit_agent.keeper import adopt
from monit_agent.keeper.clock import now
from monit_agent.keeper.commands import Commands
from monit_agent.keeper.fork_server import serve
from monit_agent.keeper.journal import LOG_BYTES, note
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.logs.dropped import forget_dropped
from monit_agent.keeper.ports.held_socket import inherited_sockets
from monit_agent.keeper.runner import Runner, runner_from_json
from monit_agent.keeper.runner_end import end_with_runner
from monit_agent.keeper.state import statefile
from monit_agent.keeper.state.claim import Claim, TakenError
from monit_agent.keeper.upgrade.takeover import rehearse, take_over
from monit_agent.keeper.workers import environment, probe_files
from monit_agent.keeper.workers.room import missing_room
from monit_agent.keeper.workers.shared_leftovers import remove_leftovers
from monit_agent.keeper.workers.spawn import raise_descriptor_limit
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import spec as specs
from monit_agent.supervise.appstate import App
from monit_agent.system import jsonline, kernel_calls, procfs
from monit_agent.system.files.named_env import read_named, write_named
from monit_agent.system.files.ownership import NotOursError, check_ours
from monit_agent.system.memory.oom import protect_keeper
from monit_agent.system.memory.shortage import hold_spare
from monit_agent.system.suppress import suppress
from monit_agent.typed import Any, NoReturn
from monit_agent.wire.paths import AppPaths, BadNameError, apps_folder, check_name, home_of

KEPT = ("logs",)
"""What `delete` keeps of an app's folder."""


class CannotStartError(Exception):
    """The keeper cannot start; ``kind`` as on the wire, the text is for a person."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Input:
    """What was sent on standard input."""

    def __init__(
        self,
        spec: specs.AppSpec,
        env: environment.Env,
        named: environment.Env,
        runner: Runner | None,
    ) -> None:
        self.spec = spec
        self.env = env
        """What is inherited."""
        self.named = named
        self.runner = runner


def main(folder: str) -> int:
    """Run the keeper of the app in ``folder`` and return the exit code."""
    os.umask(0o077)
    paths = AppPaths(os.path.abspath(folder))
    inherited = inherited_sockets()
    try:
        given = _read_input(paths)
        _leave_the_terminal()
        hold_spare()
        protect_keeper()
        _check_owner(paths)
        claim = _hold_claim(paths, given)
        prepared = _prepare(claim, paths, given)
    except CannotStartError as error:
        _reply({"ok": False, "kind": error.kind, "message": str(error)})
        return 1
    prepared.keeper.ports.inherit(inherited)
    raise_descriptor_limit()
    _reply({"ok": True, "pid": os.getpid()})
    _detach(paths)
    return _run(prepared.keeper, prepared.start)


def _run(keeper: Keeper, start: Callable[[], None]) -> int:
    try:
        start()
        keeper.run()
    except BaseException as error:
        note(f"the keeper exits because of an internal error: {error!r}")
        raise
    if keeper.delete_files:
        keeper.kept_environment.remove()
        forget_dropped(keeper.paths.folder)
        statefile.forget(keeper.paths.state)
        _delete_files(keeper.paths)
        keeper.worker_user.remove()  # last: the agent makes it again as long as the app exists
    return 0


def _read_input(paths: AppPaths) -> _Input | None:
    raw = b"" if os.isatty(0) else _read_all(0)
    if not raw.strip():
        return None
    try:
        check_name(paths.name)
        plain: Any = jsonline.load(raw)
        spec = specs.spec_from_json(plain["spec"])
        env = environment.env_from_json(plain["env"])
        named = environment.env_from_json(plain.get("named", {}))
        runner = runner_from_json(plain.get("runner"))
    except (
        BadNameError,
        specs.BadSpecError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise CannotStartError("bad_request", f"cannot read stdin: {error}") from error
    if spec.name != paths.name:
        text = f"the spec is for {spec.name!r}, the folder for {paths.name!r}"
        raise CannotStartError("bad_request", text)
    return _Input(spec, env, named, runner)


def _read_all(fd: int) -> bytes:
    parts: list[bytes] = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts)


def _leave_the_terminal() -> None:
    """Start a session of our own, so that no SIGHUP of a terminal reaches us."""
    if os.getsid(0) == os.getpid():
        return
    if os.getpgrp() == os.getpid() and os.fork():
        os._exit(0)  # a group leader cannot start a session; its child can
    os.setsid()


def _check_owner(paths: AppPaths) -> None:
    """Refuse what another user can have planted: `state.json` says what to execute."""
    home = home_of(paths.folder)
    files = (paths.lock, paths.state, paths.env, paths.logs, paths.fifos)
    try:
        check_ours((home, apps_folder(home), paths.folder, *files))
    except NotOursError as error:
        raise CannotStartError("refused", str(error)) from error


def _hold_claim(paths: AppPaths, given: _Input | None) -> Claim:
    """Take the app's claim and keep it. A new app needs its folder; one that may be running needs
    only a keeper."""
    try:
        claim = Claim(paths)
        if given is not None and claim.problem is not None:
            raise claim.problem
    except TakenError as error:
        who = f"pid {error.pid}" if error.pid else "its pid is unknown"
        text = (
            f"{paths.name} already has a keeper ({who}); see monit list {paths.name}. "
            "If its folder was removed, the keeper makes it again within seconds"
        )
        raise CannotStartError("refused", text) from error
    except OSError as error:
        text = f"cannot write in {paths.folder}: {error.strerror}"
        raise CannotStartError("failed", text) from error
    else:
        return claim


class _PreparedKeeper:
    """A keeper that can start, and what it starts with."""

    def __init__(self, keeper: Keeper, saved: statefile.Saved, given: _Input | None) -> None:
        self.keeper = keeper
        self._saved = saved
        self._given = given
        size = given.spec.instances if given else 0
        have = {slot.instance for slot in saved.app.slots}
        self._ids = keeper.allocate_ids(sum(n not in have for n in range(size)))

    def start(self) -> None:
        """Adopt what is running and start what is desired."""
        keeper, given = self.keeper, self._given
        keeper.record_event("keeper_started", None, f"pid {os.getpid()}")
        known = bool(self._saved.app.slots)
        probe_files.install(home_of(keeper.paths.folder))
        keeper.worker_user.resume(keeper.spec)
        keeper.folder.start()  # the pipes of adopted workers need their folder
        adopt.restore_app(keeper, self._saved, env_given=given is not None)
        keeper.ports.close_inherited()
        if given is not None:
            keeper.feed(e.EachSlot(apps.startable_instances(keeper.app), e.StartRequested(now())))
            if apps.instance_count(keeper.app) != given.spec.instances:
                keeper.feed(e.ScaleRequested(now(), given.spec.instances, self._ids))
        keeper.agent.start(wait=known)
        end_with_runner(keeper)
        remove_leftovers()


def _prepare(claim: Claim, paths: AppPaths, given: _Input | None) -> _PreparedKeeper:
    too_long = paths.too_long()
    if too_long is not None:
        text = f"{too_long} is too long for a socket; choose a shorter MONIT_HOME"
        raise CannotStartError("failed", text)
    boot = procfs.boot_id()
    saved = _load(paths, given, boot)
    spec = given.spec if given else saved.spec
    env = given.env if given else environment.without_worker_variables(dict(os.environb))
    try:
        named = given.named if given else _named(paths)
        keeper = Keeper(
            claim, paths, spec, (env, named), boot=boot, subreaper=kernel_calls.become_subreaper()
        )
        keeper.runner = given.runner if given else saved.runner
        if keeper.runner is not None:
            keeper.logs.reading.begin()
        commands = Commands(keeper)
        keeper.control.serve(commands.answer, commands.begin_accepted)
        if given is not None:
            known = bool(saved.app.slots)
            _check_new_app(keeper, given, known=known)
            if not known:
                forget_dropped(paths.folder)
            keeper.folder.repair()
            write_named(paths.env, named)
            statefile.write(paths.state, saved._replace(spec=spec, runner=keeper.runner))
        keeper.other_state = saved.other
        return _PreparedKeeper(keeper, saved, given)
    except OSError as error:
        text = f"cannot write in {paths.folder}: {error.strerror}"
        raise CannotStartError("failed", text) from error


def _named(paths: AppPaths) -> environment.Env:
    """Return the named variables; none where they cannot be read, which `AppEnvironment.missing`
    reports if nothing else knows them."""
    try:
        return read_named(paths.env)
    except OSError as error:
        note(f"cannot read {paths.env}: {error.strerror}")
        return {}


def _check_new_app(keeper: Keeper, given: _Input, *, known: bool) -> None:
    """Refuse what cannot run here."""
    if given.spec.log.to == "stdout" and given.runner is None:
        raise CannotStartError("refused", specs.NO_STDOUT)
    taken = keeper.ports.conflict(given.spec) if not known else None
    refusal = taken or missing_room(given.spec, given.spec.instances)
    if refusal is not None:
        raise CannotStartError("refused", refusal)


def _load(paths: AppPaths, given: _Input | None, boot: str) -> statefile.Saved:
    """Return what the last keeper saved; nothing for a new app."""
    try:
        return statefile.load(paths.state)
    except FileNotFoundError as error:
        if given is None:
            text = f"no app in {paths.folder}: there is no state.json"
            raise CannotStartError("bad_request", text) from error
    except statefile.NewerStateError as error:
        text = f"{error}, or move this file away and run monit start with the app's script again"
        raise CannotStartError("refused", text) from error
    except (statefile.BadStateError, OSError) as error:
        if given is None:
            text = (
                f"{error}. Put back a good copy of this file, or move this file away and run "
                "monit start with the app's script again"
            )
            raise CannotStartError("failed", text) from error
        note(f"starting with an empty state: {error}")
    return statefile.Saved(given.spec, App(), boot, left=False)


def _detach(paths: AppPaths) -> None:
    """Close the caller's pipes, so that it need not wait for us."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(paths.keeper_log, flags, 0o600)
    except OSError:
        os.dup2(0, 2)  # run without a log; the disk may be full
        return
    if os.fstat(log).st_size > LOG_BYTES:
        os.ftruncate(log, 0)
    os.dup2(log, 2)
    os.close(log)


def _delete_files(paths: AppPaths) -> None:
    """Remove the app's files; `state.json` first, because it makes the app exist."""
    with suppress(OSError):
        os.unlink(paths.state)
    for name in os.listdir(paths.folder):
        if name not in KEPT:
            _remove(os.path.join(paths.folder, name))
    with suppress(OSError):
        os.rmdir(paths.folder)  # only when no logs are left in it


def _remove(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            for name in os.listdir(path):
                _remove(os.path.join(path, name))
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError as error:
        note(f"cannot remove {path}: {error.strerror}")


def _reply(answer: dict[str, Any]) -> None:
    """Send the answer to the caller, if it still reads."""
    with suppress(OSError):
        os.write(1, jsonline.dump(answer) + b"\n")


def run() -> NoReturn:
    """Run the keeper of the folder in ``sys.argv``, then exit."""
    match sys.argv[1:]:
        case [folder]:
            sys.exit(main(folder))
        case ["--fork", _home, _room]:
            sys.exit(main(serve()))
        case [folder, "--resume", fd] if fd.isdigit():
            sys.exit(_run(*take_over(folder, int(fd))))
        case [_folder, "--rehearse", fd] if fd.isdigit():
            answer = rehearse(int(fd))
            _reply(answer)
            sys.exit(0 if answer["ok"] else 1)
        case _:
            _reply({"ok": False, "kind": "bad_request", "message": "usage: keeper FOLDER"})
            sys.exit(2)
