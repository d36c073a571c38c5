"""What must exist before a worker can start, checked before the present one is stopped."""

import os

from monit_agent.supervise.spec import AppSpec
from monit_agent.system.executable import explain_not_run

_DEFAULT_PATH = b"/usr/local/bin:/usr/bin:/bin"


def places_of(spec: AppSpec) -> tuple[str, ...]:
    """Return the absolute paths of the app's folder, script and program, as far as they are
    known without a search."""
    named = (spec.argv[0], spec.argv[len(spec.argv) - len(spec.args) - 1])
    return (spec.cwd, *(os.path.join(spec.cwd, each) for each in named if "/" in each))


def missing_for_start(spec: AppSpec, search_path: bytes | None) -> str | None:
    """Return what is missing for a start of the app, for a person, or None.

    Args:
        spec: the app.
        search_path: the workers' PATH.
    """
    if not os.path.isdir(spec.cwd):
        return f"the working directory {spec.cwd} does not exist"
    if not os.access(spec.cwd, os.X_OK):
        return f"the working directory {spec.cwd} cannot be entered: permission denied"
    script = spec.argv[len(spec.argv) - len(spec.args) - 1]
    if spec.interpreter is not None and script.startswith("/") and not os.path.exists(script):
        return f"the script {script} does not exist"
    return _missing_program(spec, search_path)


def _missing_program(spec: AppSpec, search_path: bytes | None) -> str | None:
    program = find_program(spec.argv[0], spec.cwd, search_path)
    if program is None:
        return f"the program {spec.argv[0]} does not exist"
    if not os.access(program, os.X_OK):
        return f"the program {program} cannot be executed: permission denied"
    why = explain_not_run(program, os.fsdecode(search_path or _DEFAULT_PATH))
    return f"{program} cannot be run: {why}" if why else None


def find_program(name: str, cwd: str, search_path: bytes | None) -> str | None:
    """Return the path of a program, which counts from ``cwd``; None if there is none."""
    if "/" in name:
        path = os.path.join(cwd, name)
        return path if os.path.isfile(path) else None
    for folder in os.fsdecode(search_path or _DEFAULT_PATH).split(":"):
        path = os.path.join(cwd, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
