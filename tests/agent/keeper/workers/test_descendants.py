"""Which processes belong to a worker."""

import subprocess
from pathlib import Path

from monit_agent.keeper.workers.descendants import WorkerTrees
from support.waiting import wait_until

AGENTS = """exec -a 'monit-agents /home' bash -c 'sleep 1000 & echo $!; wait'"""


def test_what_an_agent_started_belongs_to_no_worker() -> None:
    """Agents of all apps may run below a keeper: their checks and hooks, and keepers that they
    started, are not left behind by the worker that exits."""
    agents = subprocess.Popen(["bash", "-c", AGENTS], stdout=subprocess.PIPE)
    worker = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        assert agents.stdout is not None
        started = int(agents.stdout.readline())
        wait_until(
            lambda: Path(f"/proc/{started}/cmdline").read_bytes().startswith(b"sleep"),
            what="it is exec'ed",
        )
        trees = WorkerTrees({}, subreaper=True)
        trees.add(worker.pid, worker.pid)
        left = trees.leftovers_of(worker.pid, adopted=False, unknown=True)
        assert started not in left
        assert agents.pid not in left
    finally:
        subprocess.run(["pkill", "-P", str(agents.pid)], check=False)
        for process in (agents, worker):
            process.kill()
            process.communicate()
