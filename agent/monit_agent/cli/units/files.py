"""The files of a unit: written, replaced and removed."""

import contextlib
import os

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.render import output
from monit_agent.cli.units.service import Service
from monit_agent.cli.units.systemd import HARDENING, hardening_path, home_setting


def write_unit(path: str, text: str, service: Service) -> None:
    """Write the unit, and beside it the settings that are off, unless they are there already.

    Raise `CommandError` for a unit of another home: nothing is changed then.
    """
    try:
        with open(path, encoding="utf-8") as file:
            old = file.read()
    except FileNotFoundError:
        old = None
    except (OSError, ValueError) as error:
        raise CommandError(ExitCode.FAILED, f"cannot read {path}: {error}") from error
    if old is not None and home_setting(service) not in old:
        raise CommandError(
            ExitCode.FAILED,
            f"{path} is for another home, and nothing was changed; this one is {service.home}. "
            "Set MONIT_HOME, or run monit unstartup first",
        )
    try:
        os.makedirs(os.path.dirname(hardening_path(path)), exist_ok=True)
        _replace(path, text)
        if not os.path.exists(hardening_path(path)):
            _replace(hardening_path(path), HARDENING)
    except OSError as error:
        raise CommandError(ExitCode.FAILED, f"cannot write {path}: {error.strerror}") from error


def _replace(path: str, text: str) -> None:
    new = f"{path}.new"
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    os.replace(new, path)


def remove_unit(path: str) -> None:
    """Remove the unit, and its file of settings unless somebody changed that."""
    extra = hardening_path(path)
    try:
        os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            with open(extra, encoding="utf-8") as file:
                changed = file.read() != HARDENING
            if changed:
                output.write_message(f"{extra} was changed and is kept")
            else:
                os.unlink(extra)
        with contextlib.suppress(OSError):  # something else is in it
            os.rmdir(os.path.dirname(extra))
    except (OSError, ValueError) as error:
        raise CommandError(ExitCode.FAILED, f"cannot remove {path}: {error}") from error
