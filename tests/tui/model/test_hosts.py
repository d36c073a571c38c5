"""What the screen says of hosts."""

from monit_agent.client.view import Fleet, HostView
from monit_tui.model.hosts import answering_text, host_lines, nothing_text, traffic_text


def _fleet(**problems: str | None) -> Fleet:
    fleet = Fleet()
    for name, problem in problems.items():
        host = fleet.hosts[name] = HostView(name)
        host.state = "live" if problem is None else "lost"
        host.problem = None if problem is None else f"{name}: {problem}"
    return fleet


def test_a_host_that_is_reached_says_nothing() -> None:
    """Only trouble takes a line from the list."""
    fleet = _fleet(web1=None, web2="not reachable (down)")
    fleet.hosts["web2"].next_try_at = 108.0
    assert [line.text for line in host_lines(fleet, 100.0, 5)] == [
        "web2, again in 8s: not reachable (down)"
    ]
    assert answering_text(fleet) == "1 of 2 hosts"


def test_the_traffic_of_all_lines_is_known_after_a_while() -> None:
    """It is the sum of those that are known."""
    fleet = _fleet(web1=None, web2=None, web3="not reachable")
    assert traffic_text(fleet) == ""
    fleet.hosts["web1"].bytes_per_s = 1024.0
    fleet.hosts["web2"].bytes_per_s = 512.0
    assert traffic_text(fleet) == "1.5K/s"


def test_many_lost_hosts_leave_room_for_rows() -> None:
    """The last line counts the others."""
    fleet = _fleet(**{f"web{number}": "not reachable" for number in range(9)})
    texts = [line.text for line in host_lines(fleet, 0.0, 3)]
    assert texts == ["web0: not reachable", "web1: not reachable", "7 more hosts do not answer"]


def test_a_clock_that_differs_is_said() -> None:
    """Its times are wrong by that."""
    fleet = _fleet(web1=None)
    fleet.hosts["web1"].clock_ahead_s = -90.0
    (line,) = host_lines(fleet, 0.0, 5)
    assert line.text == "web1: its clock is 1m behind this machine's"


def test_an_empty_list_says_what_is_awaited() -> None:
    """It connects, or there is nothing."""
    fleet = Fleet()
    fleet.hosts["web1"] = HostView("web1")
    assert nothing_text(fleet) == "Connecting …"
    fleet.hosts["web1"].state = "live"
    assert nothing_text(fleet) == "No apps on web1."
