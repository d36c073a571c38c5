"""Replaces the keepers and agents of apps by the installed version."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from monit_agent import __version__
from monit_agent.client.keeper_request import (
    NoKeeperError,
    SilentKeeperError,
    request_keeper,
    requester_text,
)
from monit_agent.system.installation import own_installation
from monit_agent.wire.paths import app_paths

UPGRADE_S = 60.0
"""The rehearsal may take 20 s, the new agent 15 s, and the old one 2 s to exit."""

NOTHING, REPLACED, REHEARSED, FAILED = "current", "upgraded", "rehearsed", "failed"


class UpgradeResult(NamedTuple):
    """What became of one app."""

    app: str
    result: str
    before: str | None
    """The version of the keeper when the command began; None if it is unknown."""
    now: str | None
    text: str
    keeper_pid: int | None = None
    agent_pid: int | None = None


class UpgradeOptions(NamedTuple):
    """How the verb was called."""

    force: bool
    """Replace also what is of the installed version."""
    rehearse: bool
    """Show that it would succeed, and replace nothing."""


def upgrade_apps(folder: str, names: list[str], options: UpgradeOptions) -> Iterator[UpgradeResult]:
    """Upgrade one app after the other, and yield the result of each."""
    for name in names:
        try:
            yield _upgrade(folder, name, options)
        except NoKeeperError:
            text = "no keeper runs; when the app is started, the installed version runs it"
            yield UpgradeResult(name, NOTHING, None, None, text)
        except SilentKeeperError as error:
            yield UpgradeResult(name, FAILED, None, None, f"{error}; see monit describe {name}")


def _upgrade(folder: str, name: str, options: UpgradeOptions) -> UpgradeResult:
    paths = app_paths(folder, name)
    about = request_keeper(paths, "version")
    if about.get("ok") is not True:
        return UpgradeResult(name, FAILED, None, None, _too_old(about))
    before = str(about["version"])
    if _is_current(about) and not options.force:
        text = f"is of the installed version already ({before})"
        return _result(name, NOTHING, before, about, text)
    python, package = own_installation()
    answer = request_keeper(
        paths,
        "upgrade",
        UPGRADE_S,
        python=python,
        package=package,
        rehearse=options.rehearse,
        by=requester_text(),
    )
    if answer.get("ok") is not True:
        return UpgradeResult(name, FAILED, before, before, str(answer.get("message")))
    if options.rehearse:
        text = f"monit {__version__} can take over from {before}; nothing was replaced"
        return _result(name, REHEARSED, before, answer, text)
    text = f"monit {answer['version']} took over from {before}; its workers kept running"
    return _result(name, REPLACED, before, answer, text)


def _result(name: str, result: str, before: str, about: dict[str, Any], text: str) -> UpgradeResult:
    pids = about.get("pid"), about.get("agent_pid")
    return UpgradeResult(name, result, before, str(about["version"]), text, *pids)


def _is_current(about: dict[str, Any]) -> bool:
    """Return whether keeper and agent are of the installed version, from the same place."""
    versions = {about["version"], about["agent_version"]}
    place = about["python"], about["package"]
    return versions == {__version__} and place == tuple(own_installation())


def _too_old(answer: dict[str, Any]) -> str:
    return (
        f"its keeper is of a version without upgrades ({answer.get('message')}); to replace it, "
        "kill it with kill -9: its agent starts the installed version, which adopts the workers"
    )
