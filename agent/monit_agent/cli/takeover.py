"""Waiting for an agent that has just been started, and apps that nobody keeps any more."""

from monit_agent.cli import output
from monit_agent.cli.fleet import gather
from monit_agent.cli.launch import adopt_app
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.client.ask import wait
from monit_agent.client.live import LiveSource
from monit_agent.client.view import AppView
from monit_agent.wire.places import app_places

AGENT_WITHIN_S = 15.0
"""A new agent answers within half a second; a busy machine gets more."""


def await_agent(source: LiveSource, folder: str, name: str) -> AppView:
    """Wait until the app's agent speaks, and give the app.

    Raises `CommandError` with `Exit.NO_ANSWER` when it does not.
    """

    def answers() -> bool:
        app = source.fleet.apps.get(name)
        return app is not None and app.epoch is not None and app.link == "live"

    if not wait(source, lambda: answers() or None, AGENT_WITHIN_S):
        gather(source, folder, lambda each: each == name, 0.0)
        log = app_places(folder, name).agent_log
        raise CommandError(
            Exit.NO_ANSWER,
            f"{name}: its keeper runs, but its agent does not answer; {log} may say why",
        )
    return source.fleet.apps[name]


def take_over(source: LiveSource, folder: str, name: str) -> None:
    """Start a keeper for an app that has none; it goes on with the workers that still run."""
    adopt_app(folder, name)
    await_agent(source, folder, name)
    output.say(f"{name}: its keeper was gone, a new one took it over")
