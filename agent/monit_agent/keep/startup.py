"""From a command line to a running keeper: lock, handshake, detachment."""

import fcntl
import os
import signal
import sys

from monit_agent.keep import adopt, environment, jsonline, native, procfs, statefile
from monit_agent.keep.clock import now
from monit_agent.keep.journal import LOG_BYTES, note
from monit_agent.keep.keeper import Keeper
from monit_agent.keep.lenient import suppress
from monit_agent.keep.spawn import raise_descriptor_limit
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import spec as specs
from monit_agent.supervise.appstate import App
from monit_agent.supervise.typed import Any, NoReturn
from monit_agent.wire.places import AppPlaces, BadNameError, check_name

KEPT = ("logs",)
"""What `delete` leaves of an app's folder."""


class CannotStartError(Exception):
    """The keeper cannot begin; ``kind`` as on the wire, the text is for a person."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Given:
    """What came on standard input."""

    def __init__(self, spec: specs.AppSpec, env: environment.Env) -> None:
        self.spec = spec
        self.env = env


def main(folder: str) -> int:
    """Be the keeper of the app in ``folder``; gives the exit code."""
    os.umask(0o077)
    places = AppPlaces(os.path.abspath(folder))
    try:
        given = _read_given(places)
        _leave_the_terminal()
        _hold_lock(places)
        begun = _prepare(places, given)
    except CannotStartError as error:
        _say({"ok": False, "kind": error.kind, "message": str(error)})
        return 1
    raise_descriptor_limit()
    _say({"ok": True, "pid": os.getpid()})
    _detach(places)
    try:
        begun.begin()
        begun.keeper.run()
    except BaseException as error:
        note(f"the keeper ends by a fault of its own: {error!r}")
        raise
    if begun.keeper.forget:
        _forget(places)
    return 0


def _read_given(places: AppPlaces) -> _Given | None:
    raw = b"" if os.isatty(0) else _read_all(0)
    if not raw.strip():
        return None
    try:
        check_name(places.name)
        plain: Any = jsonline.load(raw)
        spec = specs.from_json(plain["spec"])
        env = environment.from_json(plain["env"])
    except (
        BadNameError,
        specs.BadSpecError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise CannotStartError("bad_request", f"cannot use what came on stdin: {error}") from error
    if spec.name != places.name:
        text = f"the spec is of {spec.name!r}, the folder of {places.name!r}"
        raise CannotStartError("bad_request", text)
    return _Given(spec, env)


def _read_all(fd: int) -> bytes:
    parts: list[bytes] = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts)


def _leave_the_terminal() -> None:
    """Lead a session of our own, so that no hang-up of a terminal reaches us."""
    if os.getsid(0) == os.getpid():
        return
    if os.getpgrp() == os.getpid() and os.fork():
        os._exit(0)  # a group's leader cannot make a session; its child can, and speaks for it
    os.setsid()


def _hold_lock(places: AppPlaces) -> None:
    """Take the app's lock and never give it back."""
    try:
        os.makedirs(places.folder, mode=0o700, exist_ok=True)
        fd = _lock(places.lock)
        while not _is_file(fd, places.lock):  # a keeper that was deleting the app removed it
            os.close(fd)
            fd = _lock(places.lock)
        # as long as the pid of the keeper before, so that whoever reads always finds one
        os.pwrite(fd, b"%-10d\n" % os.getpid(), 0)
    except BlockingIOError as error:
        holder = (procfs.read(places.lock) or b"").decode("ascii", "replace").strip() or "unknown"
        text = f"{places.name} has a keeper already: pid {holder}"
        raise CannotStartError("refused", text) from error
    except OSError as error:
        text = f"cannot write in {places.folder}: {error.strerror}"
        raise CannotStartError("failed", text) from error


def _lock(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _is_file(fd: int, path: str) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


class _Begun:
    """A keeper that could start, and what it starts with."""

    def __init__(self, keeper: Keeper, saved: statefile.Saved, given: _Given | None) -> None:
        self.keeper = keeper
        self._saved = saved
        self._given = given
        size = given.spec.instances if given else 0
        have = {slot.instance for slot in saved.app.slots}
        self._ids = keeper.take_ids(sum(n not in have for n in range(size)))

    def begin(self) -> None:
        """Adopt what runs and start what shall run."""
        keeper, given = self.keeper, self._given
        keeper.tell("keeper_started", None, f"pid {os.getpid()}")
        known = bool(self._saved.app.slots)
        adopt.restore(keeper, self._saved, env_given=given is not None)
        if given is not None:
            keeper.feed(e.Each(apps.startable(keeper.app), e.StartAsked(now())))
            if apps.size(keeper.app) != given.spec.instances:
                keeper.feed(e.ScaleAsked(now(), given.spec.instances, self._ids))
        keeper.agent.start(wait=known)


def _prepare(places: AppPlaces, given: _Given | None) -> _Begun:
    too_long = places.too_long()
    if too_long is not None:
        text = f"{too_long} is too long for a socket; choose a shorter MONIT_HOME"
        raise CannotStartError("failed", text)
    boot = procfs.boot_id()
    saved = _load(places, given, boot)
    spec = given.spec if given else saved.spec
    env = given.env if given else environment.without_ours(dict(os.environb))
    try:
        for folder in (places.logs, places.fifos):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        keeper = Keeper(places, spec, env, boot=boot, subreaper=native.become_subreaper())
        taken = keeper.ports.taken_by(spec) if given and not saved.app.slots else None
        if taken is not None:
            raise CannotStartError("refused", taken)
        statefile.write(places.state, saved._replace(spec=spec))
        return _Begun(keeper, saved, given)
    except OSError as error:
        text = f"cannot write in {places.folder}: {error.strerror}"
        raise CannotStartError("failed", text) from error


def _load(places: AppPlaces, given: _Given | None, boot: str) -> statefile.Saved:
    """Give what the last keeper knew; with a spec given, a new app knows nothing."""
    try:
        return statefile.load(places.state)
    except FileNotFoundError as error:
        if given is None:
            text = f"no app in {places.folder}: there is no state.json"
            raise CannotStartError("bad_request", text) from error
    except (statefile.BadStateError, OSError) as error:
        if given is None:
            raise CannotStartError("failed", f"cannot go on with {places.name}: {error}") from error
        note(f"begins anew: {error}")
    return statefile.Saved(given.spec, App(), boot, left=False)


def _detach(places: AppPlaces) -> None:
    """Close the caller's pipes: it must not have to wait for us."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(places.keeper_log, flags, 0o600)
    except OSError:
        os.dup2(0, 2)  # it runs all the same; the disk may be full for a while
        return
    if os.fstat(log).st_size > LOG_BYTES:
        os.ftruncate(log, 0)
    os.dup2(log, 2)
    os.close(log)


def _forget(places: AppPlaces) -> None:
    """Remove the app's files; `state.json` first, for with it the app exists."""
    with suppress(OSError):
        os.unlink(places.state)
    for name in os.listdir(places.folder):
        if name not in KEPT:
            _remove(os.path.join(places.folder, name))
    with suppress(OSError):
        os.rmdir(places.folder)  # without logs nothing is left of it


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


def _say(answer: dict[str, Any]) -> None:
    """Answer the caller, who may be gone."""
    with suppress(OSError):
        os.write(1, jsonline.dump(answer) + b"\n")


def run() -> NoReturn:
    """Be a keeper as the command line says, then exit."""
    if len(sys.argv) != 2:
        _say({"ok": False, "kind": "bad_request", "message": "usage: keeper FOLDER"})
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
