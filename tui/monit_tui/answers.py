"""What came of an action, in lines. Pure."""

from monit_agent.client.answers import read, said
from monit_agent.wire.messages import Answer, Refused, TriggerPart


def told(app: str, action: str, answer: Answer) -> list[str]:
    """Give a line about all answers, then each; errors first, they must not be scrolled to."""
    if isinstance(answer, Refused):
        return [answer.message]
    results = answer.results if isinstance(answer, TriggerPart) else ()
    if not results:
        return [f"no process of {app} offers it any more"]
    failed = [each for each in results if not each.ok]
    lines = [f"{len(results) - len(failed)} of {len(results)} did it", ""]
    for each in (*failed, *(each for each in results if each.ok)):
        who = f"{app}/{each.instance} (pid {each.pid})"
        if each.ok:
            lines += said(who, read(each.value), stacks=action == "stacks")
        else:
            lines.append(f"{who}: failed: {each.value}")
    return lines
