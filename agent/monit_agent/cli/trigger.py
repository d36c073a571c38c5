"""``monit trigger``: run an action in the processes that offer it.

``--json`` gives an array, one object per process that was asked::

    [{"app": "web", "instance": 0, "pid": 4711, "ok": true, "value": {"cleared": 12},
      "error": null}]

``value`` is what the action returned, ``error`` the text of what it raised or of what else went
wrong; one of them is ``null``.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import click

from monit_agent.cli import output
from monit_agent.cli.apps import complete_target, home
from monit_agent.cli.operate import tell_silent
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.verbs import Chosen, fleet_of
from monit_agent.cli.visible import visible
from monit_agent.client.answers import read, said
from monit_agent.client.ask import wait
from monit_agent.client.live import LiveSource
from monit_agent.wire.limits import ACTION_BYTES, ACTION_S
from monit_agent.wire.messages import (
    ActionResult,
    Answer,
    Offer,
    Refused,
    Trigger,
    TriggerPart,
)

SPARE_S = 3.0
"""An agent that itself gives up at the time-out is given this much longer to say so."""

HELP = """\b
Examples:
  monit trigger web gc                   collect garbage in every process of web
  monit trigger web/0 stacks             what each thread of it is doing now
  monit trigger web clear sessions       the app's own action, with an argument
  monit trigger all level -- -v          an argument that begins with a dash
"""


class Told(NamedTuple):
    """What the apps answered."""

    results: list[tuple[str, ActionResult]]
    """(app, result)."""
    offers: dict[str, Offer]
    """What there is to trigger in those that do not offer the action."""
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
    help="Seconds to wait for the answers.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per process.")
def trigger(target: str, action: str, args: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Run an action in every process that offers it, and print what each answers.

    Every Python program can do gc and stacks; what else an app can do it says by monit_probe.action
    (Python) or by @pm2/io (Node). monit describe lists the actions of an app.
    """
    if sum(len(word) + 8 for word in args) > ACTION_BYTES:
        raise click.UsageError(f"the arguments are longer than {ACTION_BYTES} characters")
    with fleet_of(home(), [target]) as (source, chosen):
        silent = tell_silent(source, chosen.apps)
        apps = [name for name in chosen.apps if name not in silent]
        requests = [
            (name, Trigger(instance=number, action=action, args=args, timeout_s=timeout))
            for name in apps
            for number in _numbers(source, chosen, name)
        ]
        told = _ask(source, requests, timeout)
    for message in told.refused:
        output.complain(visible(message))
    if as_json:
        output.write_json([_fields(app, result) for app, result in told.results])
    else:
        _write(told.results, action)
    if not told.results and not told.refused and not silent:
        raise CommandError(Exit.FAILED, _nobody(target, action, told.offers.values()))
    failed = told.refused or not all(result.ok for _, result in told.results)
    return Exit.NO_ANSWER if silent else Exit.FAILED if failed else Exit.DONE


def _numbers(source: LiveSource, chosen: Chosen, app: str) -> tuple[int | None, ...]:
    numbers = chosen.numbers(source, app)
    return (None,) if numbers is None else numbers


def _ask(source: LiveSource, requests: list[tuple[str, Trigger]], timeout_s: float) -> Told:
    """Ask all at once, and wait for all."""
    told = Told([], {}, [])
    answered: list[str] = []

    def take(app: str, answer: Answer) -> None:
        answered.append(app)
        if isinstance(answer, TriggerPart):
            told.results.extend((app, result) for result in answer.results)
            told.offers.update((offer.name, offer) for offer in answer.offers)
        elif isinstance(answer, Refused):
            told.refused.append(answer.message)

    for app, request in requests:
        source.ask(app, request, lambda answer, app=app: take(app, answer), timeout_s + SPARE_S)
    wait(source, lambda: len(answered) == len(requests), timeout_s + 2 * SPARE_S)
    return told


def _nobody(target: str, action: str, offers: Iterable[Offer]) -> str:
    names = sorted(visible(offer.name) for offer in offers)
    if not names:
        return (
            f"nothing can be triggered in {target}: no probe reports from it; is it running, "
            "and a Python or Node program that was started without --no-probe?"
        )
    return f"no process of {target} offers {visible(action)!r}; there are {', '.join(names)}"


def _fields(app: str, result: ActionResult) -> dict[str, Any]:
    return {
        "app": app,
        "instance": result.instance,
        "pid": result.pid,
        "ok": result.ok,
        "value": read(result.value) if result.ok else None,
        "error": None if result.ok else result.value,
    }


def _write(results: list[tuple[str, ActionResult]], action: str) -> None:
    lines: list[str] = []
    for app, result in sorted(results, key=lambda each: (each[0], each[1].instance)):
        who = f"{app}/{result.instance} (pid {result.pid})"
        if not result.ok:
            output.complain(f"{who}: {visible(result.value)}")
        else:
            lines += said(who, read(result.value), stacks=action == "stacks")
    output.write_lines([visible(line) for line in lines])
