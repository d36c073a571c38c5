"""Whether everything runs as it should, and in words what does not."""

from collections.abc import Iterable, Mapping

from monit_agent.foreground.keeper_link import FollowedApp
from monit_agent.foreground.outcome import Record, Standing, instance_standing


class HealthAnswer:
    """What the health endpoint answers."""

    def __init__(self, *, ok: bool, lines: list[str]) -> None:
        self.ok = ok
        self.lines = lines


def health_of(
    links: Iterable[FollowedApp], waits: Mapping[str, str], *, ending: bool
) -> HealthAnswer:
    """Return the health of these apps: every instance must be online, or done. ``waits`` has the
    apps that are not started yet, and why."""
    lines = ["stopping"] if ending else []
    lines += [f"{name}: {why}" for name, why in waits.items()]
    ok = not ending and not waits
    for link in links:
        if not link.instances:
            lines.append(f"{link.name}: its keeper does not answer yet")
        ok = ok and bool(link.instances)
        for record, standing in standings_of(link):
            ok = ok and standing in ("up", "done")
            lines.append(_instance_text(link.name, record, standing))
    return HealthAnswer(ok=ok, lines=lines or ["there are no apps"])


def standings_of(link: FollowedApp) -> list[tuple[Record, Standing]]:
    """Return the instances of an app and what has become of them."""
    codes: list[int] = link.app["policy"]["stop_exit_codes"] if link.app else []
    return [
        (record, instance_standing(record, codes)) for _, record in sorted(link.instances.items())
    ]


def _instance_text(app: str, record: Record, standing: Standing) -> str:
    status = "done" if standing == "done" else record["status"]
    text = f"{app}/{record['instance']}: {status}"
    return f"{text}: {record['reason']}" if record["reason"] else text
