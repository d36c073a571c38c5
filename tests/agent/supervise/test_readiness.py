"""Whose readiness a check may vouch for."""

from monit_agent.supervise.appstate import App
from monit_agent.supervise.readiness import is_awaited, is_deaf
from monit_agent.supervise.spec import AppSpec, Checks
from monit_agent.supervise.state import Beside, Now, Role, Slot, Status, Worker

URL = AppSpec(
    "web", "w", ("python",), "/", "u", mode="cluster", checks=Checks(ready_url="http://h/")
)
COMMAND = URL._replace(checks=Checks(ready_command=("check",)))
T0 = Now(0.0, 0.0)
STARTING = Slot(0, 0, status=Status.STARTING, worker=Worker(7, 1, T0))
SERVING = Slot(1, 1, status=Status.ONLINE, worker=Worker(9, 1, T0), listens=True, shares=True)
HEIR = SERVING._replace(beside=Beside(Worker(8, 1, T0), Role.HEIR))


def test_only_a_starting_worker_and_an_heir_are_waited_for() -> None:
    """Not one that is online, is of another pid, leaves, or of an app without a check."""
    app = App((STARTING, HEIR))
    assert is_awaited(app, 0, 7, URL)
    assert is_awaited(app, 1, 8, URL)
    leaving = HEIR._replace(beside=Beside(Worker(8, 1, T0), Role.LEAVING))
    assert not is_awaited(App((leaving,)), 1, 8, URL)
    assert not is_awaited(app, 0, 70, URL)
    assert not is_awaited(app, 1, 9, URL)
    assert not is_awaited(app, 5, 7, URL)
    assert not is_awaited(app, 0, 7, URL._replace(checks=Checks()))


def test_where_others_listen_an_answer_counts_only_once_the_worker_listens() -> None:
    """A shared port is answered by any worker; a command asks the worker itself."""
    assert not is_deaf(App((STARTING,)), 0, 7, URL)
    both = App((STARTING, SERVING))
    assert is_deaf(both, 0, 7, URL)
    assert not is_deaf(both, 0, 7, COMMAND)
    assert not is_deaf(App((STARTING._replace(listens=True), SERVING)), 0, 7, URL)


def test_an_heir_that_does_not_listen_cannot_take_over() -> None:
    """Whatever the check says: there would be nobody at the port."""
    assert is_deaf(App((HEIR,)), 1, 8, COMMAND)
    listening = HEIR._replace(beside=Beside(Worker(8, 1, T0), Role.HEIR, listens=True))
    assert not is_deaf(App((listening,)), 1, 8, COMMAND)
