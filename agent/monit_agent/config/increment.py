"""``--increment-var``: each instance finds another number in a variable, as pm2's increment_var."""

from collections.abc import Mapping

from monit_agent.config.errors import BadInputError
from monit_agent.supervise.spec import Increment

PORT_MAX = 65535
NUMBER_MAX = 10**15


def increment_of(
    name: str | None, port: int | None, env: Mapping[str, str], instances: int
) -> Increment | None:
    """Give the variable that counts and where it begins: at ``--port`` for ``PORT``, else at what
    ``env`` says. `BadInputError` when that is no number, or the last instance's is no port."""
    if name is None:
        return None
    text = str(port) if name == "PORT" and port is not None else env.get(name)
    if text is None:
        where = f"--port N or --env {name}=N" if name == "PORT" else f"--env {name}=N"
        raise BadInputError(f"--increment-var {name}: say where to begin, with {where}")
    if not (text.isascii() and text.isdigit() and int(text) <= NUMBER_MAX):
        raise BadInputError(f"--increment-var {name}: {text!r} is not a whole number to begin at")
    return check_increment(Increment(name, int(text)), instances)


def check_increment(increment: Increment, instances: int) -> Increment:
    """Give ``increment`` back if ``instances`` can count by it. Raises `BadInputError`."""
    last = increment.start + instances - 1
    if increment.name == "PORT" and not 1 <= increment.start <= last <= PORT_MAX:
        raise BadInputError(
            f"--increment-var PORT: {instances} instances from {increment.start} on would end at "
            f"{last}, and ports are 1 to {PORT_MAX}"
        )
    return increment
