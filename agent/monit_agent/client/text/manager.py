"""The condition of an app's keeper and agent, as texts: the same on the screen and in the command
line."""

from monit_agent import __version__
from monit_agent.client.view import AppView


def manager_problems(app: AppView) -> tuple[str, ...]:
    """Return what is wrong with the app's keeper and agent, each with the reason and, where a
    person must act, what to do."""
    if app.link in ("stale", "gone"):
        return (app.problem,) if app.problem else ()
    found = app.record.problems if app.record else ()
    found += tuple(
        f"{hook.problem}; run monit alerts test {app.name}" for hook in app.hooks if hook.problem
    )
    if app.problem:
        return (app.problem, *found)
    if not found and not app.keeper_alive:
        return ("its keeper is gone, and a new one is being started",)
    return found


def manager_warning(app: AppView) -> str:
    """Return ``no keeper``, ``keeper problem`` or ``monit 0.1.0``, its version if that is not the
    installed one, where a live app has one of these; else ""."""
    if app.link != "live":
        return ""
    if not app.keeper_alive:
        return "no keeper"
    if app.record and app.record.problems:
        return "keeper problem"
    version = other_version(app)
    return f"monit {version}" if version else ""


def other_version(app: AppView) -> str | None:
    """Return the version of the app's keeper, or else of its agent, if it is not the installed one;
    None if both are, or nothing is known."""
    keeper = app.record.keeper_version if app.record else None
    others = [each for each in (keeper, app.agent_version) if each not in (None, __version__)]
    return others[0] if keeper is not None and others else None


def with_name(text: str, app: str) -> str:
    """Return a text about an app with the app's name in front, once."""
    return text if text.startswith(f"{app}:") else f"{app}: {text}"
