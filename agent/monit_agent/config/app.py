"""The options of ``monit start``, made into the spec that the keeper obeys."""

import os
import pwd
import time
from collections.abc import Mapping
from typing import NamedTuple

from monit_agent.config.checks import check_checks
from monit_agent.config.errors import BadInputError
from monit_agent.config.increment import increment_of
from monit_agent.config.sharing import absolute, mode_of
from monit_agent.config.target import Run, Where, resolve_command, resolve_module, resolve_script
from monit_agent.config.version import nearest_version
from monit_agent.supervise.spec import AppSpec, Checks, Policy
from monit_agent.wire.places import BadNameError, check_name

OWN_PREFIX = "MONIT_"


class StartOptions(NamedTuple):
    """What the user said, each value already parsed; None means not said."""

    target: str | None = None
    module: str | None = None
    words: tuple[str, ...] = ()
    """What followed ``--``: the app's arguments, or the command when there is no target."""
    name: str | None = None
    namespace: str = "default"
    instances: int = 1
    port: int | None = None
    increment_var: str | None = None
    cwd: str | None = None
    interpreter: str | None = None
    env_file: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    watching: bool = False
    wait_ready: bool = False
    policy: Policy = Policy()
    checks: Checks = Checks()
    listen: tuple[str, ...] = ()


class Launch(NamedTuple):
    """All that a keeper is given to start an app."""

    spec: AppSpec
    env: dict[str, str]


def make_launch(options: StartOptions, environ: Mapping[str, str], here: str) -> Launch:
    """Build the app's spec and environment, or raise `BadInputError` saying what to mend.

    Args:
        options: what the user said.
        environ: the environment of the ``start`` command.
        here: the folder in which the command was typed.
    """
    env = worker_env(environ, {**options.env_file, **options.env})
    cwd = _folder(options.cwd, here)
    run = _resolve(options, Where(here=here, cwd=cwd, environ=env))
    named = tuple(sorted({*options.env_file, *options.env}))
    spec = AppSpec(
        name=_name(options.name, run),
        script=run.script,
        argv=run.argv,
        cwd=cwd,
        user=user_name(),
        args=run.args,
        interpreter=run.interpreter,
        namespace=options.namespace,
        version=nearest_version(run.folder),
        mode=mode_of(
            run.argv,
            options.instances,
            options.port,
            options.listen,
            counts=options.increment_var is not None,
        ),
        instances=options.instances,
        port=options.port,
        watching=options.watching,
        wait_ready=options.wait_ready,
        env_named=named,
        umask=_umask(),
        created_at=time.time(),
        policy=options.policy,
        checks=options.checks,
        increment=increment_of(options.increment_var, options.port, env, options.instances),
        listen=absolute(options.listen, cwd),
    )
    return Launch(check_checks(spec), env)


def worker_env(environ: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """Give what the workers get: ``environ`` less monit's own variables, and ``named`` on top."""
    env = {key: value for key, value in environ.items() if not key.startswith(OWN_PREFIX)}
    return {**env, **named}


def user_name() -> str:
    """Give the name of the user who runs this, or the number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _resolve(options: StartOptions, where: Where) -> Run:
    if options.module:
        return resolve_module(options.module, options.words, where, options.interpreter)
    if options.target:
        return resolve_script(options.target, options.words, where, options.interpreter)
    if not options.words:
        raise BadInputError(
            "say what to start: a script, -m MODULE, or a command after '--': "
            "monit start app.py; monit start -m http.server; monit start -- redis-server"
        )
    if options.interpreter:
        raise BadInputError("--interpreter is for scripts; what follows '--' is run as it is")
    return resolve_command(options.words, where)


def _name(chosen: str | None, run: Run) -> str:
    try:
        return check_name(run.name if chosen is None else chosen)
    except BadNameError as error:
        if chosen is not None:
            raise BadInputError(f"--name: {error}") from error
        raise BadInputError(
            f"{run.script} gives no name for the app; choose one with --name"
        ) from (error)


def _folder(chosen: str | None, here: str) -> str:
    cwd = os.path.normpath(os.path.join(here, os.path.expanduser(chosen or here)))
    if not os.path.isdir(cwd):
        what = "that is not a folder" if os.path.exists(cwd) else "there is no such folder"
        raise BadInputError(f"--cwd {chosen}: {what}")
    if not os.access(cwd, os.X_OK):
        raise BadInputError(f"--cwd {chosen or cwd}: you may not enter that folder")
    return cwd


def _umask() -> int:
    umask = os.umask(0o077)  # the only way to read it
    os.umask(umask)
    return umask
