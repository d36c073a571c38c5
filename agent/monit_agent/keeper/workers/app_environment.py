"""The environment of an app, by source: inherited, from env files, and named.

What was named wins over env files, and those win over what was inherited. Env files are read again
before each start of a worker, if they changed. One that cannot be read keeps the values that were
read last: a file that is being edited must not keep an app from coming back.
"""

import os
from collections.abc import Callable

from monit_agent.keeper.upgrade.inherited import Values, bytes_of, text_of
from monit_agent.keeper.workers.environment import Env, encoded, without_worker_variables
from monit_agent.supervise.spec import AppSpec
from monit_agent.system.files.envfile import BadEnvFileError, read_env_file, split_optional
from monit_agent.system.mounts import waiting_mount
from monit_agent.system.suppress import suppress
from monit_agent.system.users import RunAs, login_variables
from monit_agent.typed import Any, cast

OF_SHELL = {"_", "SHLVL", "PWD", "OLDPWD"}
"""Variables that a shell sets itself; no program depends on them."""

_BASE = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR",
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH",
)  # fmt: skip
"""What workers get of what is inherited without ``inherit_env``."""

_OF_LOGIN = (
    "XDG_*", "DBUS_SESSION_BUS_ADDRESS", "MAIL", "SUDO_*", "SSH_*", "XAUTHORITY",
)  # fmt: skip
"""What belongs to the login of the user who started the app, and not to that of its workers."""

_NAMES_SHOWN = 6

_Identity = tuple[int, int, int] | None

Ask = Callable[[str, object, Callable[[], Any]], Any]
"""`Lookups.look_up`: asks in another process what may never be answered, and raises OSError while
there is no answer."""


class _EnvFile:
    """One file and what was read from it last."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.values: Env = {}
        self.problem: str | None = None
        self.was_read = False
        self.is_in_inherited = False
        """Whether what adopted workers have of it is taken for inherited until it is read."""
        self._identity: _Identity = None

    def read(self, ask: Ask | None) -> str | None:
        """Read the file if it changed; return the text of an event, or None."""
        try:
            identity, values = self._look(ask)
        except BadEnvFileError as error:
            return self._failed(str(error))
        if values is None:
            return None
        changed = _different_names(values, self.values)
        had_problem, was_read = self.problem is not None, self.was_read
        self.values, self.problem, self.was_read = values, None, True
        self._identity = identity
        if not was_read or not (changed or had_problem):
            return None
        names = ", ".join(changed) or "nothing"
        return f"{self.path} was read again; changed: {names}"

    def changed_names(self, ask: Ask | None) -> list[str]:
        """Return the names of what changed in the file since it was read; none if it cannot be
        read now, or never was."""
        if not self.was_read:
            return []
        try:
            _, values = self._look(ask)
        except BadEnvFileError:
            return []
        return [] if values is None else _different_names(values, self.values)

    def require_answer(self, ask: Ask) -> None:
        """Raise OSError if `read` would."""
        with suppress(BadEnvFileError):
            self._look(ask)

    def _look(self, ask: Ask | None) -> tuple[_Identity, Env | None]:
        """Return what identifies the file, and its variables, None if it is the one that was read;
        raise `BadEnvFileError`."""
        known = self._identity
        if ask is None:
            found = _read(self.path, known)
        else:
            mount = waiting_mount(split_optional(self.path)[1])
            if mount is None and known is not None and known == _identity(self.path):
                return known, None
            if mount is None and os.geteuid() != 0:
                found = _read(self.path, known)
            else:  # root looks up who can change the file
                who = self.path if mount is None else f"the file system at {mount}"
                found = ask(who, self.path, lambda: _read(self.path, None))
        if isinstance(found, str):
            raise BadEnvFileError(found)
        identity, values = found
        env = None if values is None else without_worker_variables(encoded(values))
        return cast("_Identity", identity and tuple(identity)), env

    def _failed(self, why: str) -> str | None:
        self._identity = None
        if why == self.problem:
            return None
        self.problem = why
        kept = "the values read before are used" if self.was_read else "its variables are missing"
        return f"{self.path}: {why}; {kept}"


class AppEnvironment:
    """The variables of all workers of an app. ``record_event`` gets the kind and the text."""

    def __init__(
        self, inherited: Env, named: Env, record_event: Callable[[str, str], None]
    ) -> None:
        self.inherited = inherited
        self.named = named
        self.user: RunAs | None = None
        """As whom the workers run, where that is not the keeper's user."""
        self.lost: tuple[str, ...] = ()
        """Names of inherited variables that are lost, until others are inherited."""
        self._record_event = record_event
        self._files: list[_EnvFile] = []

    def read_files(self, spec: AppSpec, ask: Ask | None = None) -> bool:
        """Read the app's env files again; return whether that changed `record`. Without ``ask``
        this waits for file systems of other machines."""
        if tuple(file.path for file in self._files) != spec.env_files:
            known = {file.path: file for file in self._files}
            self._files = [known.get(path) or _EnvFile(path) for path in spec.env_files]
        before = self.record(spec) if self._files else None
        for file in self._files:
            had_problem = file.problem
            text = file.read(ask)
            if file.is_in_inherited and file.was_read:
                file.is_in_inherited = False
                self.inherited = {
                    name: value
                    for name, value in self.inherited.items()
                    if file.values.get(name) != value
                }
            if text is not None:
                failed = file.problem is not None and file.problem != had_problem
                self._record_event("env_problem" if failed else "env_read", text)
        return before is not None and self.record(spec) != before

    def changed_files(self, ask: Ask | None = None) -> dict[str, list[str]]:
        """Return the names of the variables that env files have with another value than the workers
        got, by path; nothing is read for the workers."""
        changed = {file.path: file.changed_names(ask) for file in self._files}
        return {path: names for path, names in changed.items() if names}

    def file_values(self) -> dict[str, Env]:
        """Return what was read from each file last."""
        return {file.path: file.values for file in self._files if file.was_read}

    def restore(self, inherited: Env, named: Env, files: dict[str, Env], spec: AppSpec) -> None:
        """Use what an earlier keeper kept. What lies in the app's folder wins: it may be newer."""
        self.inherited = inherited
        self.named = {**named, **self.named}
        self._files = [_EnvFile(path) for path in spec.env_files]
        for file in self._files:
            if file.path in files:
                file.values, file.was_read = files[file.path], True

    def hand_on(self) -> Values:
        """Return all variables, for the next program."""
        return {
            "inherited": _plain(self.inherited),
            "named": _plain(self.named),
            "files": {path: _plain(values) for path, values in self.file_values().items()},
            "lost": list(self.lost),
        }

    def resume(self, given: Values, spec: AppSpec) -> None:
        """Use what the program before this one handed on."""
        files = {path: _env(values) for path, values in given["files"].items()}
        self.restore(_env(given["inherited"]), _env(given["named"]), files, spec)
        self.lost = tuple(given["lost"])

    def inherit(self, env: Env) -> None:
        """Let the workers inherit ``env`` from now on."""
        self.inherited, self.lost = env, ()

    def inherited_names(self) -> list[str]:
        """Return the names of what is inherited, and of what is lost of it."""
        return sorted({*_names(self.inherited), *self.lost})

    def note_lost(self, saved: list[str], spec: AppSpec) -> None:
        """Note which of the names that an earlier keeper saved have no value any more."""
        needed = {name for name in saved if is_passed_on(name, spec)}
        self.lost = tuple(sorted(needed - {*_names(self.merged(spec))} - OF_SHELL))
        text = self.lost_text(spec.name)
        if text is not None:
            self._record_event("env_problem", text)

    def lost_text(self, app: str) -> str | None:
        """Return which inherited variables are lost, and what to do; None when none are."""
        if not self.lost:
            return None
        shown = ", ".join(self.lost[:_NAMES_SHOWN])
        more = len(self.lost) - _NAMES_SHOWN
        return (
            f"variables that the workers had inherited are lost: {shown}"
            f"{f' and {more} more' if more > 0 else ''}; run monit restart {app} --update-env in a "
            "shell that has them"
        )

    def missing(self, spec: AppSpec) -> str | None:
        """Return which named variables are lost and what to do; None when all are there. Without
        them the app must not start."""
        lost = [name for name in spec.env_named if name.encode() not in self.named]
        if not lost:
            return None
        again = " ".join(f"--env {name}=..." for name in lost)
        plural = "their values are" if len(lost) > 1 else "its value is"
        return (
            f"{', '.join(lost)} was set with --env, and {plural} lost; "
            f"run monit stop {spec.name}, then monit start {spec.name} {again}"
        )

    def adopt(self, worker: Env, spec: AppSpec, ask: Ask | None = None) -> None:
        """Use what a running worker was started with, after a keeper that was killed. Until a file
        system answers, the variables of an env file in it count as inherited."""
        saved = {name.encode(): worker.get(name.encode()) for name in spec.env_named}
        found = {name: value for name, value in saved.items() if value is not None}
        self.named = {**found, **self.named}
        try:
            self.read_files(spec, ask)
        except OSError as error:
            self._record_event("env_problem", str(error.strerror))
        for file in self._files:
            file.is_in_inherited = not file.was_read
        others = self.named.keys() | {name for file in self._files for name in file.values}
        self.inherited = {name: value for name, value in worker.items() if name not in others}

    def merged(self, spec: AppSpec, inherited: Env | None = None) -> Env:
        """Return the variables of a worker, without those that differ from one to the next."""
        env = passed_on(self.inherited if inherited is None else inherited, spec)
        if self.user is not None:
            env.update(encoded(login_variables(self.user)))
        for file in self._files:
            env.update(file.values)
        return {**env, **self.named, **_zone(spec)}

    def record(self, spec: AppSpec) -> dict[str, Any]:
        """Return the wire's `EnvironmentRecord`: names and sources, no values but the zone."""
        zone = self.merged(spec).get(b"TZ")
        return {
            "named": _names(self.named),
            "files": [
                {
                    "path": split_optional(file.path)[1],
                    "names": _names(file.values),
                    "problem": file.problem,
                }
                for file in self._files
            ],
            "inherited": _names(passed_on(self.inherited, spec)),
            "timezone": None if zone is None else os.fsdecode(zone),
        }


def require_answers(spec: AppSpec, ask: Ask) -> None:
    """Raise OSError while `AppEnvironment.read_files` would, because a file system does not answer;
    nothing is read for the workers."""
    for path in spec.env_files:
        if waiting_mount(split_optional(path)[1]) is not None:
            _EnvFile(path).require_answer(ask)


def _zone(spec: AppSpec) -> Env:
    return {b"TZ": os.fsencode(spec.timezone)} if spec.timezone else {}


def different_inherited(variables: AppEnvironment, env: Env, spec: AppSpec) -> list[str]:
    """Return the names of what workers would inherit of ``env`` with another value than now, those
    that no other source sets."""
    others = variables.named.keys() | {
        n for values in variables.file_values().values() for n in values
    }
    different = _different_names(passed_on(env, spec), passed_on(variables.inherited, spec))
    return [n for n in different if n not in OF_SHELL and os.fsencode(n) not in others]


def passed_on(inherited: Env, spec: AppSpec) -> Env:
    """Return what the workers get of what is inherited."""
    if spec.inherit_env and not spec.drop_env and not spec.worker_user:
        return dict(inherited)
    return {
        name: value for name, value in inherited.items() if is_passed_on(os.fsdecode(name), spec)
    }


def is_passed_on(name: str, spec: AppSpec) -> bool:
    """Return whether the workers get a variable of this name, if it is inherited."""
    if not spec.inherit_env and not any(_matches(name, each) for each in _BASE):
        return False
    dropped = (*spec.drop_env, *_OF_LOGIN) if spec.worker_user else spec.drop_env
    return not any(_matches(name, each) for each in dropped)


def _matches(name: str, pattern: str) -> bool:
    """Return whether a name is meant; `fnmatch` would bring `re`, which costs memory."""
    before, after = pattern.startswith("*"), pattern.endswith("*")
    middle = pattern.removeprefix("*").removesuffix("*")
    if before and after:
        return middle in name
    if before:
        return name.endswith(middle)
    return name.startswith(middle) if after else name == middle


def _plain(env: Env) -> dict[str, str]:
    return {text_of(name): text_of(value) for name, value in env.items()}


def _env(plain: dict[str, str]) -> Env:
    return {bytes_of(name): bytes_of(value) for name, value in plain.items()}


def _different_names(one: Env, other: Env) -> list[str]:
    return sorted(
        os.fsdecode(name) for name in one.keys() | other.keys() if one.get(name) != other.get(name)
    )


def _names(env: Env) -> list[str]:
    return sorted(map(os.fsdecode, env))


def _read(path: str, known: _Identity) -> "tuple[_Identity, dict[str, str] | None] | str":
    """Return what identifies a file, and its variables, None if it is the ``known`` one; the text
    of the `BadEnvFileError` if it cannot be read."""
    identity = _identity(path)
    if identity is not None and identity == known:
        return identity, None
    try:
        return identity, read_env_file(path, only_regular=True)
    except BadEnvFileError as error:
        return str(error)


def _identity(path: str) -> _Identity:
    try:
        found = os.stat(split_optional(path)[1])
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
