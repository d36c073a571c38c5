"""``kill -9`` of the keeper: the agent brings another, the workers do not notice."""

import os
import signal
from pathlib import Path

from monit_agent.wire import codec, topics
from monit_agent.wire.messages import (
    Accepted,
    AppChanged,
    Delete,
    LogPart,
    LogTail,
    Refused,
    Restart,
)
from support.agent import RunningApp, running_app
from support.waiting import wait_until

TICKING = """
import time
number = 0
while True:
    print(number)
    number += 1
    time.sleep(0.01)
"""


def _last_number(app: RunningApp) -> int:
    part = app.client.request(LogTail(instance=0, stream="out", lines=2))
    assert isinstance(part, LogPart)
    return int(part.data.split()[0])


def _kill_keeper(app: RunningApp) -> int:
    """Kill the keeper; return the pid of the next when it serves."""
    old = app.client.snapshot().app.keeper_pid
    assert old
    os.kill(old, signal.SIGKILL)

    def another() -> int | None:
        snapshot = app.client.snapshot()
        pid = snapshot.app.keeper_pid
        return pid if snapshot.keeper_alive and pid not in (old, None) else None

    return wait_until(another, what="another keeper serves") or 0


def _agent_of(app: RunningApp) -> int | None:
    snapshot = app.client.try_snapshot()
    return snapshot.agent_pid if snapshot else None


def test_the_workers_keep_running_under_a_new_keeper(home: Path) -> None:
    """After the keeper's death there is a new one; the workers are the same, are adopted, and
    what they print is read without a gap."""
    with running_app(home, TICKING, instances=2) as app:
        pids = app.pids()
        _kill_keeper(app)

        snapshot = app.client.snapshot()
        assert [record.pid for record in snapshot.instances] == pids
        assert all(record.adopted for record in snapshot.instances)
        assert [record.restarts for record in snapshot.instances] == [0, 0]
        reached = _last_number(app)
        wait_until(lambda: _last_number(app) > reached + 10, what="they still print")
        printed = [int(n) for n in Path(app.paths.log(0, "out")).read_bytes().split()]
        assert printed[:-1] == list(range(len(printed) - 1))


def test_clients_are_notified_that_the_keeper_exited_and_came_back(home: Path) -> None:
    """Subscribers get that there is no keeper, and then the new keeper's pid."""
    with running_app(home, TICKING) as app:
        app.client.subscribe(topics.event("web"), topics.beat("web"))
        next(app.client.messages())
        pid = _kill_keeper(app)

        keepers = []
        for one in app.client.messages():
            event = codec.decode_update(one.payload) if one.topic == b"event.web" else None
            if isinstance(event, AppChanged):
                keepers.append(event.app.keeper_pid)
            if keepers and keepers[-1] == pid:
                break
        assert keepers[0] is None
        assert keepers[-1] == pid


def test_commands_work_again_after_the_keepers_death(home: Path) -> None:
    """Until the new keeper is there a command is refused with advice; then it is carried out."""
    with running_app(home, TICKING) as app:
        pids = app.pids()
        os.kill(app.client.snapshot().app.keeper_pid or 0, signal.SIGKILL)

        def accepted() -> bool:
            answer = app.client.request(Restart())
            if isinstance(answer, Refused):
                assert answer.kind == "keeper_gone"
                assert "try again" in answer.message
            return isinstance(answer, Accepted)

        wait_until(accepted, what="the command is accepted")
        wait_until(lambda: app.pids()[0] not in (*pids, None), what="a new worker")


def test_keeper_and_agent_killed_one_after_the_other(home: Path) -> None:
    """Ten deaths in turn leave one keeper, one agent, and the same workers."""
    with running_app(home, TICKING) as app:
        pids = app.pids()
        for _ in range(5):
            _kill_keeper(app)
            agent = app.client.snapshot().agent_pid
            os.kill(agent, signal.SIGKILL)
            wait_until(lambda agent=agent: _agent_of(app) not in (agent, None), what="an agent")
        assert app.pids() == pids


def test_delete_after_the_keepers_death_leaves_nothing(home: Path) -> None:
    """A deleted app stays deleted: no keeper is started for it again."""
    with running_app(home, TICKING) as app:
        _kill_keeper(app)
        snapshot = app.client.snapshot()
        assert isinstance(app.client.request(Delete()), Accepted)

        for pid in (snapshot.agent_pid, snapshot.app.keeper_pid, snapshot.instances[0].pid):
            wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), what=f"{pid} ended")
        assert not os.path.exists(app.paths.state)
