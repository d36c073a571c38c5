"""The beginning of a keeper that takes over from another version, in the same process."""

import os
import signal
from collections.abc import Callable

from monit_agent import __version__
from monit_agent.keeper.about import about
from monit_agent.keeper.commands import Commands
from monit_agent.keeper.journal import note
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.runner_end import end_with_runner
from monit_agent.keeper.state import statefile
from monit_agent.keeper.state.claim import Claim
from monit_agent.keeper.upgrade import handover
from monit_agent.keeper.upgrade.inherited import BadInheritanceError, Inherited, read_inherited
from monit_agent.keeper.workers import probe_files
from monit_agent.keeper.workers.spawn import raise_descriptor_limit
from monit_agent.system import kernel_calls, procfs
from monit_agent.system.memory.shortage import hold_spare
from monit_agent.typed import Any
from monit_agent.wire.paths import AppPaths, home_of


def rehearse(fd: int) -> dict[str, Any]:
    """Read what `take_over` would read, and change nothing; return the answer."""
    try:
        handover.saved_of(read_inherited(fd))
    except BadInheritanceError as error:
        return {"ok": False, "message": f"monit {__version__}: {error}"}
    return {"ok": True, "version": __version__}


def take_over(folder: str, fd: int) -> tuple[Keeper, Callable[[], None]]:
    """Return a keeper that holds what it was handed, and what makes it continue."""
    os.umask(0o077)
    paths = AppPaths(os.path.abspath(folder))
    try:
        inherited = read_inherited(fd)
        os.close(fd)
        inherited.protect()
        hold_spare()
        raise_descriptor_limit(handover.limits_of(inherited))
        saved = handover.saved_of(inherited)
        keeper = _keeper(paths, saved, inherited)
    except BaseException as error:
        note(f"the new version cannot take over, and the agent starts another keeper: {error!r}")
        raise
    return keeper, lambda: _continue(keeper, saved, inherited)


def _keeper(paths: AppPaths, saved: statefile.Saved, inherited: Inherited) -> Keeper:
    keeper = Keeper(
        Claim(paths, inherited),
        paths,
        saved.spec,
        ({}, {}),
        boot=procfs.boot_id(),
        subreaper=kernel_calls.become_subreaper(),
        inherited=inherited,
    )
    commands = Commands(keeper)
    keeper.control.serve(commands.answer, commands.begin_accepted)
    return keeper


def _continue(keeper: Keeper, saved: statefile.Saved, inherited: Inherited) -> None:
    probe_files.install(home_of(keeper.paths.folder))
    handover.resume(keeper, saved, inherited)
    end_with_runner(keeper)
    inherited.close_unused()
    # the other version blocked them all
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    requested = inherited.part("upgrade")
    if requested:
        body = {"ok": True, "from": handover.version_of(inherited), **about(keeper)}
        keeper.control.answer_later(requested["fd"], requested["id"], body)
