"""Ends an app with the foreground process (``monit run``) for which it runs."""

from monit_agent.keeper.clock import now
from monit_agent.keeper.journal import note
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.runner import RunnerWatch
from monit_agent.supervise import events as e


def end_with_runner(keeper: Keeper) -> None:
    """Delete the app when its foreground process has exited, if it has one."""

    def runner_exited() -> None:
        note("monit run has exited: stopping the workers")
        if keeper.app.ending is None:
            keeper.feed(e.DeleteRequested(now()))

    if keeper.runner is not None:
        RunnerWatch(keeper.loop, keeper.runner, runner_exited).start()
