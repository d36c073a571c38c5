"""What is reported on stderr about keepers and agents."""

from collections.abc import Iterable

from monit_agent import __version__
from monit_agent.cli.render import output
from monit_agent.client.text.manager import manager_problems, other_version, with_name
from monit_agent.client.view import AppView


def report_problems(apps: Iterable[AppView]) -> None:
    """Report on stderr what is wrong with keepers and agents, and what to do."""
    for app in apps:
        for text in manager_problems(app):
            output.write_error(with_name(text, app.name))


def report_other_versions(apps: Iterable[AppView]) -> None:
    """Report on stderr which apps run under another version of monit than this one."""
    names: dict[str, list[str]] = {}
    for app in apps:
        version = other_version(app) if app.link == "live" else None
        if version is not None:
            names.setdefault(version, []).append(app.name)
    for version, of_version in sorted(names.items()):
        shown = ", ".join(sorted(of_version))
        output.write_message(
            f"monit {version} runs {shown}, and {__version__} is installed; run monit upgrade"
        )
