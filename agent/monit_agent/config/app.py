"""What a user wrote about an app, made into the spec and the environment that its keeper gets.

Settings are the values of options by their keys (``options.py``), parsed; an option that was not
used has no entry.
"""

import os
import pwd
import time
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from monit_agent.config.checks import refuse_contradictions
from monit_agent.config.envfile import read_env_file
from monit_agent.config.errors import BadInputError
from monit_agent.config.options import BY_KEY, HEALTH_CHECKS, OPTIONS, Option
from monit_agent.config.ports import (
    Sharing,
    absolute_sockets,
    check_increment,
    make_increment,
    sharing_mode,
)
from monit_agent.config.runtime import Places, find_runtime
from monit_agent.config.target import (
    Lookup,
    ResolvedTarget,
    can_start,
    command_words,
    resolve_command,
    resolve_module,
    resolve_script,
    shell_command,
    with_interpreter_args,
)
from monit_agent.config.version import nearest_version
from monit_agent.supervise.spec import AppSpec, Increment
from monit_agent.system.executable import explain_not_run
from monit_agent.system.files.envfile import split_optional
from monit_agent.wire.paths import BadNameError, check_name

OWN_PREFIX = "MONIT_"

SWITCHED_OFF = {"probe": "MONIT_PROBE", "probe-http": "MONIT_PROBE_HTTP"}
"""Options that set a variable of the workers to 0."""

DERIVED = frozenset({"name", "cwd", "interpreter", "increment-var", "listen", "watch"})
"""Options whose field in the spec depends on more than their value."""

Settings = Mapping[str, Any]


class Launch(NamedTuple):
    """All that a keeper is given to start an app."""

    spec: AppSpec
    env: dict[str, str]
    """What the workers inherit."""
    named: dict[str, str]
    """What was set by name; it wins over env files, and those over ``env``."""


class NamedVariables(NamedTuple):
    """The variables that settings set by name."""

    explicit: dict[str, str]
    files: tuple[str, ...]
    """Absolute paths."""
    from_files: dict[str, str]
    """What the files hold now."""

    def over(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a worker."""
        return {**inherited, **self.from_files, **self.explicit}


def make_launch(
    target: str | None,
    words: tuple[str, ...],
    settings: Settings,
    environ: Mapping[str, str],
    here: str,
    *,
    in_shell: bool = False,
    interpreter_args: tuple[str, ...] = (),
) -> Launch:
    """Return the spec and the environment of a new app, or raise `BadInputError`.

    Args:
        target: the script; None for a module or a command.
        words: what followed ``--``: the app's arguments, or the command when there is no target.
        settings: the options that were used.
        environ: the environment of the ``start`` command.
        here: the folder in which the command was typed.
        in_shell: whether ``target`` is a command that a shell runs.
        interpreter_args: arguments of the interpreter of a script or module.
    """
    named = _named_variables(settings, here)
    env = inherited_env(environ)
    cwd = _working_directory(settings.get("cwd"), here)
    lookup = Lookup(here=here, cwd=cwd, environ=named.over(env))
    if in_shell and target is not None:
        run = shell_command(target, lookup)
    else:
        run = with_interpreter_args(_resolve(target, words, settings, lookup), interpreter_args)
    why = explain_not_run(run.argv[0], lookup.environ.get("PATH", os.defpath))
    if why is not None:
        raise BadInputError(f"{run.argv[0]} cannot be run: {why}")
    spec = AppSpec(
        name=_app_name(settings.get("name"), run),
        script=run.script,
        argv=run.argv,
        cwd=cwd,
        user=user_name(),
        args=run.args,
        interpreter=run.interpreter,
        version=nearest_version(run.folder),
        umask=_umask(),
    )
    return _with_settings(spec, settings, env, named)


def change_launch(
    spec: AppSpec,
    settings: Settings,
    environ: Mapping[str, str],
    here: str,
    before: Mapping[str, str],
) -> Launch:
    """Return a known app with some settings changed, or raise `BadInputError`.

    What is inherited is that of this command; ``before`` are the variables that were named
    earlier, and stay.
    """
    named = _named_variables(settings, here)
    named = named._replace(explicit={**before, **named.explicit})
    lost = [f"--env {name}=..." for name in spec.env_named if name not in named.explicit]
    if lost:
        raise BadInputError(
            f"what {spec.name} was started with is lost, so name it again: {' '.join(lost)}"
        )
    if not named.files:
        from_files = [_read_again(path) for path in spec.env_files]
        named = named._replace(
            files=spec.env_files,
            from_files={name: value for each in from_files for name, value in each.items()},
        )
    return _with_settings(spec, settings, inherited_env(environ), named)


def _watch_paths(spec: AppSpec, settings: Settings) -> tuple[str, ...]:
    """Return the absolute paths that are watched."""
    paths: tuple[str, ...] = settings.get("watch", spec.watch_paths)
    found = (os.path.normpath(os.path.join(spec.cwd, os.path.expanduser(path))) for path in paths)
    return tuple(dict.fromkeys(found))


def _absolute_file(path: str, cwd: str) -> str:
    """Return an absolute path; one that was given without its beginning counts from the app's
    folder."""
    kept = path in ("", "none")
    return path if kept else os.path.normpath(os.path.join(cwd, os.path.expanduser(path)))


def _read_again(path: str) -> dict[str, str]:
    """Return what a file holds, nothing if it cannot be read: the keeper reports that."""
    try:
        return read_env_file(path)
    except BadInputError:
        return {}


def _with_settings(
    spec: AppSpec, settings: Settings, env: dict[str, str], named: NamedVariables
) -> Launch:
    spec = _assign_fields(spec, settings)
    if spec.timezone and named.explicit.get("TZ", spec.timezone) != spec.timezone:
        raise BadInputError("use either --timezone or --env TZ=..., not both")
    merged = {**named.over(env), **({"TZ": spec.timezone} if spec.timezone else {})}
    spec = spec._replace(
        runtime=find_runtime(spec.argv, Places(merged.get("PATH", os.defpath), spec.cwd))
    )
    increment = _increment(spec, settings, merged)
    listen = absolute_sockets(settings["listen"], spec.cwd) if "listen" in settings else spec.listen
    spec = spec._replace(
        increment=increment,
        listen=listen,
        watch_paths=_watch_paths(spec, settings),
        log=spec.log._replace(
            out=_absolute_file(spec.log.out, spec.cwd), err=_absolute_file(spec.log.err, spec.cwd)
        ),
        alerts=spec.alerts._replace(webhook_ca=_absolute_file(spec.alerts.webhook_ca, spec.cwd)),
        mode=sharing_mode(
            Sharing(
                runtime=spec.runtime,
                instances=spec.instances,
                port=spec.port,
                listen=listen,
                counts=increment is not None,
                chosen=spec.chosen_mode,
            )
        ),
        env_named=tuple(sorted(named.explicit)),
        env_files=named.files,
        created_at=time.time(),
    )
    return Launch(refuse_contradictions(spec, merged), env, named.explicit)


def _assign_fields(spec: AppSpec, settings: Settings) -> AppSpec:
    """Return ``spec`` with the value of each option in its field."""
    if settings.get("health.url") == "":  # the settings of a removed check go with it
        for option in OPTIONS:
            if option.shown_with == HEALTH_CHECKS or option.key in HEALTH_CHECKS:
                spec = _replace_field(spec, option.field, default_value(option))
    for key, value in settings.items():
        option = BY_KEY[key]
        if not option.field or key in DERIVED:
            continue
        if option.replaces and option.replaces not in settings:
            other = BY_KEY[option.replaces]
            spec = _replace_field(spec, other.field, default_value(other))
        spec = _replace_field(spec, option.field, value)
    return spec


def _replace_field(spec: AppSpec, path: str, value: Any) -> AppSpec:
    part, dot, name = path.rpartition(".")
    if not dot:
        return spec._replace(**{name: value})
    return spec._replace(**{part: getattr(spec, part)._replace(**{name: value})})


def default_value(option: Option) -> Any:
    """Return what an app has in the option's field when nobody uses the option."""
    return attrgetter(option.field)(AppSpec(name="", script="", argv=("",), cwd="", user=""))


def _increment(spec: AppSpec, settings: Settings, env: Mapping[str, str]) -> Increment | None:
    """Return what counts up; it starts again where its variable or its start was set."""
    name = settings.get("increment-var") or (spec.increment.name if spec.increment else None)
    if name is None:
        return None
    set_again = any(key in settings for key in ("increment-var", "port"))
    if set_again or any(variable == name for variable, _ in settings.get("env", ())):
        return make_increment(name, spec.port, env, spec.instances)
    return check_increment(spec.increment, spec.instances) if spec.increment else None


def _named_variables(settings: Settings, here: str) -> NamedVariables:
    """Return the variables that were set by name; later sources win over earlier ones.

    A file that is no regular one, such as ``<(decrypt secrets)``, can be read only once: its
    variables are kept like those of ``--env``.
    """
    explicit: dict[str, str] = {}
    from_files: dict[str, str] = {}
    files: list[str] = []
    for written in settings.get("env-file", ()):
        optional, path = split_optional(written)
        full = os.path.join(here, os.path.expanduser(path))
        values = read_env_file(optional + full)
        if os.path.isfile(full) or (optional and not os.path.lexists(full)):
            files.append(optional + os.path.normpath(full))
            from_files.update(values)
            explicit = {name: value for name, value in explicit.items() if name not in values}
        else:
            explicit.update(values)
    explicit.update(settings.get("env", ()))
    explicit.update({name: "0" for key, name in SWITCHED_OFF.items() if settings.get(key) is False})
    return NamedVariables(explicit, tuple(files), from_files)


def inherited_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the workers inherit: ``environ`` less monit's own variables."""
    return {key: value for key, value in environ.items() if not key.startswith(OWN_PREFIX)}


def user_name() -> str:
    """Return the name of the user who runs this, or the number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def is_program(target: str, settings: Settings, environ: Mapping[str, str], here: str) -> bool:
    """Return whether ``target`` can be started, or is only an argument for something else."""
    cwd = _working_directory(settings.get("cwd"), here)
    return can_start(target, Lookup(here=here, cwd=cwd, environ=inherited_env(environ)))


def _resolve(
    target: str | None, words: tuple[str, ...], settings: Settings, lookup: Lookup
) -> ResolvedTarget:
    interpreter = settings.get("interpreter")
    if "module" in settings:
        return resolve_module(settings["module"], words, lookup, interpreter)
    if target:
        command = command_words(target, words, lookup)
        if command is None:
            return resolve_script(target, words, lookup, interpreter)
        if interpreter:
            raise BadInputError(f"--interpreter is for scripts; {target!r} is a command")
        return command
    if not words:
        raise BadInputError(
            "nothing to start; give a script, -m MODULE, or a command after '--': "
            "monit start app.py; monit start -m http.server; monit start -- redis-server"
        )
    if interpreter:
        raise BadInputError("--interpreter is for scripts; a command after '--' runs as it is")
    return resolve_command(words, lookup)


def _app_name(chosen: str | None, run: ResolvedTarget) -> str:
    try:
        return check_name(run.name if chosen is None else chosen)
    except BadNameError as error:
        if chosen is not None:
            raise BadInputError(f"--name: {error}") from error
        raise BadInputError(
            f"no app name can be made from {run.script}; choose one with --name"
        ) from error


def _working_directory(chosen: str | None, here: str) -> str:
    cwd = os.path.normpath(os.path.join(here, os.path.expanduser(chosen or here)))
    if not os.path.isdir(cwd):
        what = "not a folder" if os.path.exists(cwd) else "no such folder"
        raise BadInputError(f"--cwd {chosen}: {what}")
    if not os.access(cwd, os.X_OK):
        raise BadInputError(f"--cwd {chosen or cwd}: you have no permission to enter this folder")
    return cwd


def _umask() -> int:
    umask = os.umask(0o077)  # the only way to read it
    os.umask(umask)
    return umask
