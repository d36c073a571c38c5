"""The results of an app's own action, as lines. Pure."""

from monit_agent.client.commands.action_results import parse_value, result_lines
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, Refused, TriggerPart


def answer_lines(app: AppId, action: str, answer: Answer) -> list[str]:
    """Return a summary, then a line for each result, errors first."""
    if isinstance(answer, Refused):
        return [answer.message]
    results = answer.results if isinstance(answer, TriggerPart) else ()
    if not results:
        return [f"no process of {app} offers this action"]
    failed = [each for each in results if not each.ok]
    lines = [f"{len(results) - len(failed)} of {len(results)} succeeded", ""]
    for each in (*failed, *(each for each in results if each.ok)):
        who = f"{app}/{each.instance} (pid {each.pid})"
        if each.ok:
            lines += result_lines(who, parse_value(each.value), stacks=action == "stacks")
        else:
            lines.append(f"{who}: failed: {each.value}")
    return lines
