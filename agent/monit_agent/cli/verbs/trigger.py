"""``monit trigger``: run an action in the processes that offer it.

``--json`` prints an array, one object per process that ran the action::

    [{"host": "", "app": "web", "instance": 0, "pid": 4711, "ok": true, "value": {"cleared": 12},
      "error": null}]

``value`` is what the action returned, ``error`` the text of what it raised or of another error; one
of them is ``null``.
"""

from typing import Any, NamedTuple

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import report_silent_agents
from monit_agent.cli.control.selection import TargetSelection
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.render import output
from monit_agent.cli.render.visible import visible
from monit_agent.client.commands.action_results import parse_value, result_lines, why_no_action
from monit_agent.client.commands.blocking import poll_until
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.limits import ACTION_BYTES, ACTION_S
from monit_agent.wire.messages import (
    ActionResult,
    Answer,
    Offer,
    Refused,
    Trigger,
    TriggerPart,
)

MARGIN_S = 3.0
"""Extra time for the answer of an agent that itself stops waiting at the timeout."""

HELP = """\b
Examples:
  monit trigger web gc                   collect garbage in every process of web
  monit trigger web/0 stacks             print the stack of every thread of web/0
  monit trigger web clear sessions       run the app's own action with an argument
  monit trigger all level -- -v          pass an argument that starts with a dash
"""


class TriggerAnswers(NamedTuple):
    """What the apps answered."""

    results: list[tuple[AppId, ActionResult]]
    """(app, result)."""
    offers: dict[str, Offer]
    """Actions of the processes that do not offer this one."""
    refused: list[str]


@click.command("trigger", epilog=HELP)
@click.argument("target", shell_complete=complete_target)
@click.argument("action")
@click.argument("args", nargs=-1)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=ACTION_S),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time to wait for answers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per process.")
@host_option
def trigger(target: str, action: str, args: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Run an action in every process that offers it, and print the results.

    Every Python program offers gc and stacks. An app defines its own actions with
    monit_probe.action (Python) or @pm2/io (Node). Use monit describe to list them.
    """
    if sum(len(word) + 8 for word in args) > ACTION_BYTES:
        raise click.UsageError(f"the arguments are longer than {ACTION_BYTES} characters")
    with open_fleet(monit_home(), [target]) as (source, chosen):
        silent = report_silent_agents(source, chosen.apps)
        apps = [name for name in chosen.apps if name not in silent]
        requests = [
            (name, Trigger(instance=number, action=action, args=args, timeout_s=timeout))
            for name in apps
            for number in _numbers(source, chosen, name)
        ]
        answers = _ask(source, requests, timeout)
    for message in answers.refused:
        output.write_error(visible(message))
    if as_json:
        output.write_json([_fields(app, result) for app, result in answers.results])
    else:
        _write(answers.results, action)
    if not answers.results and not answers.refused and not silent:
        raise CommandError(ExitCode.FAILED, visible(why_no_action(target, action, answers.offers)))
    failed = answers.refused or not all(result.ok for _, result in answers.results)
    return ExitCode.NO_ANSWER if silent else ExitCode.FAILED if failed else ExitCode.DONE


def _numbers(source: Source, chosen: TargetSelection, app: AppId) -> tuple[int | None, ...]:
    numbers = chosen.instance_numbers(source, app)
    return (None,) if numbers is None else numbers


def _ask(source: Source, requests: list[tuple[AppId, Trigger]], timeout_s: float) -> TriggerAnswers:
    """Send all requests at once and wait for all answers."""
    answers = TriggerAnswers([], {}, [])
    answered: list[AppId] = []

    def add_answer(app: AppId, answer: Answer) -> None:
        answered.append(app)
        if isinstance(answer, TriggerPart):
            answers.results.extend((app, result) for result in answer.results)
            answers.offers.update((offer.name, offer) for offer in answer.offers)
        elif isinstance(answer, Refused):
            answers.refused.append(answer.message)

    for app, request in requests:
        source.send_request(
            app, request, lambda answer, app=app: add_answer(app, answer), timeout_s + MARGIN_S
        )
    poll_until(source, lambda: len(answered) == len(requests), timeout_s + 2 * MARGIN_S)
    return answers


def _fields(app: AppId, result: ActionResult) -> dict[str, Any]:
    return {
        "host": app.host,
        "app": app.app,
        "instance": result.instance,
        "pid": result.pid,
        "ok": result.ok,
        "value": parse_value(result.value) if result.ok else None,
        "error": None if result.ok else result.value,
    }


def _write(results: list[tuple[AppId, ActionResult]], action: str) -> None:
    lines: list[str] = []
    for app, result in sorted(results, key=lambda each: (each[0], each[1].instance)):
        who = f"{app}/{result.instance} (pid {result.pid})"
        if not result.ok:
            output.write_error(f"{who}: {visible(result.value)}")
        else:
            lines += result_lines(who, parse_value(result.value), stacks=action == "stacks")
    output.write_lines([visible(line) for line in lines])
