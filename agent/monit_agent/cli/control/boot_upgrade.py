"""Lets the installed version take over from the ``monit boot`` of a home."""

import time
from typing import Any, NamedTuple

from monit_agent import __version__
from monit_agent.cli.keepers.boot_link import ask_boot
from monit_agent.system.installation import own_installation

TAKES_OVER_WITHIN_S = 30.0
_AGAIN_S = 0.05


class BootUpgrade(NamedTuple):
    """What became of it."""

    failed: bool
    before: str | None
    text: str
    pid: int | None = None


def upgrade_boot(folder: str, *, force: bool, rehearse: bool) -> BootUpgrade | None:
    """Let the ``monit boot`` of a home execute the installed version; None where none runs."""
    about = ask_boot(folder, {"do": "hello"})
    if about is None:
        return None
    before, place = about.get("version"), (about.get("python"), about.get("package"))
    pid = about.get("pid")
    if before is None:
        text = (
            f"it is of a version without upgrades (pid {pid}); restart its unit, or end it with "
            f"kill -9 {pid}, which leaves the apps running"
        )
        return BootUpgrade(True, None, text, pid)
    if before == __version__ and place == tuple(own_installation()) and not force:
        return BootUpgrade(False, before, f"is of the installed version already ({before})", pid)
    if rehearse:
        text = f"monit {__version__} can take over from {before}; nothing was replaced"
        return BootUpgrade(False, before, text, pid)
    python, package = own_installation()
    answer = ask_boot(folder, {"do": "upgrade", "python": python, "package": package})
    if answer is None or answer.get("ok") is not True:
        reason = answer.get("message") if answer else "it did not answer"
        return BootUpgrade(True, before, f"{reason}; it keeps running", pid)
    return _await_begin(folder, about)


def _await_begin(folder: str, old: dict[str, Any]) -> BootUpgrade:
    before, pid = old["version"], old["pid"]
    end = time.monotonic() + TAKES_OVER_WITHIN_S
    while time.monotonic() < end:
        about = ask_boot(folder, {"do": "hello"})
        if about is not None and about.get("began") != old["began"]:
            text = f"monit {about['version']} took over from {before}; the apps kept running"
            return BootUpgrade(False, before, text, pid)
        time.sleep(_AGAIN_S)
    return BootUpgrade(
        True, before, f"monit {__version__} does not answer; see the log of its unit", pid
    )
