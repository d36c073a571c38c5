"""What the screen says of other machines: how many answer, and what is wrong with the others."""

from typing import NamedTuple

from monit_agent.client.text.format import format_bytes, format_uptime
from monit_agent.client.text.sanitize import printable
from monit_agent.client.view import Fleet, HostView
from monit_tui.palettes import Tone


class HostLine(NamedTuple):
    """A line about one host, or about some of them."""

    text: str
    tone: Tone


def host_lines(fleet: Fleet, now: float, most: int) -> list[HostLine]:
    """Return a line for each host that needs attention, at most ``most``. ``now`` is monotonic."""
    lines = [line for host in fleet.hosts.values() if (line := _line(host, now)) is not None]
    if len(lines) <= most:
        return lines
    shown = lines[: max(0, most - 1)]
    left = len(lines) - len(shown)
    return [*shown, HostLine(f"{left} more hosts do not answer", "bad")][:most]


def answering_text(fleet: Fleet) -> str:
    """Return ``3 hosts``, or ``2 of 3 hosts``."""
    every = len(fleet.hosts)
    live = sum(host.state == "live" for host in fleet.hosts.values())
    word = "host" if every == 1 else "hosts"
    return f"{every} {word}" if live == every else f"{live} of {every} {word}"


def traffic_text(fleet: Fleet) -> str:
    """Return what the lines to all hosts carry, ``1.4K/s``; "" while it is not known."""
    rates = [host.bytes_per_s for host in fleet.hosts.values() if host.bytes_per_s is not None]
    return f"{format_bytes(sum(rates))}/s" if rates else ""


def nothing_text(fleet: Fleet) -> str:
    """Return what stands in place of rows while the hosts have none."""
    if any(host.state == "connecting" for host in fleet.hosts.values()):
        return "Connecting …"
    return f"No apps on {', '.join(fleet.hosts)}."


def _line(host: HostView, now: float) -> HostLine | None:
    if host.state == "connecting":
        return HostLine(f"{host.name}: connecting", "muted")
    if host.problem is not None:
        why = host.problem.removeprefix(f"{host.name}: ")
        if host.next_try_at is None:
            return HostLine(printable(f"{host.name}: {why}"), "bad")
        left_s = max(0.0, host.next_try_at - now)
        again = f"again in {format_uptime(left_s)}" if left_s >= 1 else "trying again"
        return HostLine(printable(f"{host.name}, {again}: {why}"), "bad")
    if host.clock_ahead_s:
        side = "ahead of" if host.clock_ahead_s > 0 else "behind"
        differs = format_uptime(abs(host.clock_ahead_s))
        return HostLine(f"{host.name}: its clock is {differs} {side} this machine's", "warn")
    return None
