"""Whose readiness a check may vouch for."""

from monit_agent.supervise.appstate import App
from monit_agent.supervise.readiness import awaits_check, must_listen_first
from monit_agent.supervise.spec import AppSpec, Checks
from monit_agent.supervise.state import Now, Replacement, Role, Slot, Status, Worker

URL = AppSpec(
    "web", "w", ("python",), "/", "u", mode="cluster", checks=Checks(ready_url="http://h/")
)
COMMAND = URL._replace(checks=Checks(ready_command=("check",)))
T0 = Now(0.0, 0.0)
STARTING = Slot(0, 0, status=Status.STARTING, worker=Worker(7, 1, T0))
SERVING = Slot(1, 1, status=Status.ONLINE, worker=Worker(9, 1, T0), listens=True, shares_port=True)
INCOMING = SERVING._replace(replacement=Replacement(Worker(8, 1, T0), Role.INCOMING))


def test_only_a_starting_worker_and_an_incoming_worker_are_waited_for() -> None:
    """Not one that is online, is of another pid, leaves, or of an app without a check."""
    app = App((STARTING, INCOMING))
    assert awaits_check(app, 0, 7, URL)
    assert awaits_check(app, 1, 8, URL)
    leaving = INCOMING._replace(replacement=Replacement(Worker(8, 1, T0), Role.STOPPING))
    assert not awaits_check(App((leaving,)), 1, 8, URL)
    assert not awaits_check(app, 0, 70, URL)
    assert not awaits_check(app, 1, 9, URL)
    assert not awaits_check(app, 5, 7, URL)
    assert not awaits_check(app, 0, 7, URL._replace(checks=Checks()))


def test_where_others_listen_an_answer_counts_only_once_the_worker_listens() -> None:
    """Any worker may answer on a shared port, and a command may ask there too."""
    assert not must_listen_first(App((STARTING,)), 0, 7, URL)
    both = App((STARTING, SERVING))
    assert must_listen_first(both, 0, 7, URL)
    assert must_listen_first(both, 0, 7, COMMAND)
    assert not must_listen_first(App((STARTING._replace(listens=True), SERVING)), 0, 7, URL)


def test_an_incoming_worker_that_does_not_listen_cannot_take_over() -> None:
    """Whatever the check says: there would be nobody at the port."""
    assert must_listen_first(App((INCOMING,)), 1, 8, COMMAND)
    listening = INCOMING._replace(
        replacement=Replacement(Worker(8, 1, T0), Role.INCOMING, listens=True)
    )
    assert not must_listen_first(App((listening,)), 1, 8, COMMAND)
