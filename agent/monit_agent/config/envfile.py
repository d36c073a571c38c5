"""Env files that a user names on the command line."""

from monit_agent.config.errors import BadInputError
from monit_agent.system.files import envfile


def read_env_file(path: str) -> dict[str, str]:
    """Return the variables in the file at ``path``, none if ``?`` is before it and it is missing;
    raise `BadInputError`."""
    try:
        return envfile.read_env_file(path)
    except envfile.BadEnvFileError as error:
        raise BadInputError(f"--env-file {path}: {error}") from error
