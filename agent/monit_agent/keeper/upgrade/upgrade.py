"""Replaces this keeper and its agent by another version of monit, under running workers.

1. The *rehearsal*: the new version starts beside this one, with what it will be handed, and reads
   it. It changes nothing.
2. The agent is replaced. An agent understands the keeper of a neighbouring version.
3. `execve`: the new version takes the place of this program in the same process.

A failure at any step leaves this keeper as it was, with an agent of its own version, and the
answer says why.
"""

import os
import signal
import time

from monit_agent import __version__
from monit_agent.keeper.about import about
from monit_agent.keeper.control import Client
from monit_agent.keeper.journal import note
from monit_agent.keeper.keeper import Keeper
from monit_agent.keeper.upgrade.handover import hand_on
from monit_agent.keeper.upgrade.inherited import HandedOn
from monit_agent.keeper.workers.spawn import SpawnOrder, read_exec_error, spawn
from monit_agent.supervise.requests import RefusedRequestError, Request
from monit_agent.system import jsonline
from monit_agent.system.installation import Installation, is_there
from monit_agent.system.memory.anonymous_file import anonymous_file, read_anonymous_file
from monit_agent.typed import Any, NamedTuple
from monit_agent.wire.paths import keeper_command

REHEARSAL_S = 20.0
"""An interpreter starts within a tenth of a second; a busy machine needs more."""
TEXT_CHARACTERS = 400
_STATE_FD = 3


class _Requester(NamedTuple):
    """Who gets the answer."""

    fd: int
    id: Any
    by: str | None
    only_rehearse: bool


class _Rehearsal(NamedTuple):
    """The new version, started beside this one. ``output`` is a file in memory."""

    pid: int
    output: int
    error_fd: int


class Upgrade:
    """One upgrade at a time."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._loop = keeper.loop
        self._before = self._target = keeper.agent.installation
        self._requester: _Requester | None = None
        self._rehearsal: _Rehearsal | None = None
        self._is_due = False
        keeper.other_child_exited = self._child_exited
        keeper.loop.at_round_end(self._round_finished)

    @property
    def in_progress(self) -> bool:
        """Return whether an upgrade has begun and neither succeeded nor failed yet."""
        return self._requester is not None

    def begin(self, client: Client, request: Request) -> None:
        """Begin; the answer comes when it is done. Raise `RefusedRequestError`."""
        python, package = request.get("python"), request.get("package")
        if not isinstance(python, str) or not isinstance(package, str):
            raise RefusedRequestError("bad_request", "upgrade needs 'python' and 'package', paths")
        target = Installation(python, package)
        if not is_there(target):
            raise RefusedRequestError("refused", f"there is no monit at {package}, or no {python}")
        if self._requester is not None:
            raise RefusedRequestError("refused", "an upgrade is in progress already")
        if self._keeper.app.ending is not None:
            raise RefusedRequestError("refused", "the app is being stopped for good")
        by = request.get("by")
        self._requester = _Requester(
            client.sock.fileno(),
            request.get("id"),
            by if isinstance(by, str) else None,
            request.get("rehearse") is True,
        )
        self._before, self._target = self._keeper.agent.installation, target
        try:
            self._rehearse()
        except OSError as error:
            self._requester = None
            raise RefusedRequestError(
                "failed", f"the new version cannot be started: {error.strerror}"
            ) from error

    # ------------------------------------------------------------ rehearsal

    def _rehearse(self) -> None:
        handed = hand_on(self._keeper).write()
        output = -1
        try:
            output = anonymous_file("rehearsal")
            command = [*keeper_command(self._keeper.paths.folder, *self._target), "--rehearse"]
            new = spawn(self._order([*command, str(_STATE_FD)], handed, output))
        except OSError:
            if output >= 0:
                os.close(output)
            raise
        finally:
            os.close(handed)
        self._rehearsal = _Rehearsal(new.pid, output, new.error_fd)
        self._keeper.workers.trees.excluded.add(new.pid)
        self._loop.set_alarm("rehearsal", time.monotonic() + REHEARSAL_S, self._end_rehearsal)

    def _order(self, command: list[str], handed: int, output: int) -> SpawnOrder:
        argv = tuple(os.fsencode(word) for word in command)
        out = f"/proc/self/fd/{output}"
        return SpawnOrder(
            argv,
            dict(os.environb),
            "/",
            0o077,
            out,
            out,
            os.O_WRONLY | os.O_APPEND,
            (handed, output),
            is_worker=False,
        )

    def _end_rehearsal(self) -> None:
        if self._rehearsal is not None:
            os.kill(self._rehearsal.pid, signal.SIGKILL)  # our child: its exit will be reported

    def _child_exited(self, pid: int, status: int) -> None:
        rehearsal = self._rehearsal
        if rehearsal is None or pid != rehearsal.pid:
            return
        self._rehearsal = None
        self._keeper.workers.trees.excluded.discard(pid)
        self._loop.set_alarm("rehearsal", None, self._end_rehearsal)
        problem = read_exec_error(rehearsal.error_fd)
        printed = read_anonymous_file(rehearsal.output)
        os.close(rehearsal.output)
        why = problem.text if problem else _why_not(printed, status)
        if why is not None:
            self._failed(f"the new version cannot take over: {why}")
        elif self._requester is not None and self._requester.only_rehearse:
            self._answer({"ok": True, **about(self._keeper)})
        else:
            self._keeper.agent.replace(self._target, self._agent_replaced)

    # ------------------------------------------------------------ the agent, and this program

    def _agent_replaced(self, why: str | None) -> None:
        if why is None:
            self._is_due = True  # at the end of the round nothing is half done
        else:
            self._undo(why)

    def _round_finished(self) -> None:
        if not self._is_due:
            return
        self._is_due = False
        if self._keeper.app.ending is not None:
            self._undo("the app is being stopped for good")
            return
        try:
            self._exec()
        except OSError as error:
            self._undo(f"{self._target.python} cannot be executed: {error.strerror}")

    def _exec(self) -> None:
        """Become the new version; raise OSError, with everything as it was."""
        self._keeper.supervisor.start_postponed(all_of_them=True)
        handed = self._hand_on()
        state = handed.write()
        command = [
            *keeper_command(self._keeper.paths.folder, *self._target),
            "--resume",
            str(state),
        ]
        note(f"monit {__version__} is replaced by {self._target.package}")
        # blocked, so that a signal waits until the new version has its handlers
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            handed.let_outlive(state)
            os.execve(command[0], command, os.environ)
        finally:
            handed.take_back()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(state)

    def _hand_on(self) -> HandedOn:
        handed = hand_on(self._keeper)
        if self._requester is not None:
            handed.parts["upgrade"] = {"fd": self._requester.fd, "id": self._requester.id}
        return handed

    # ------------------------------------------------------------ failures

    def _undo(self, why: str) -> None:
        """Let the agent be of our own version again, and report why nothing was replaced."""
        self._keeper.agent.replace(self._before, _ignore)
        self._failed(why)

    def _failed(self, why: str) -> None:
        text = f"monit {__version__} keeps running: {why}"
        note(text)
        by = self._requester.by if self._requester else None
        self._keeper.record_event("upgrade_failed", None, text, by)
        self._answer({"ok": False, "kind": "failed", "message": text})

    def _answer(self, body: dict[str, Any]) -> None:
        requester, self._requester = self._requester, None
        if requester is not None:
            self._keeper.control.answer_later(requester.fd, requester.id, body)


def _why_not(printed: bytes, status: int) -> str | None:
    """Return why the rehearsal failed, None if it did not: its last line, or how it exited."""
    lines = printed.strip().split(b"\n")
    try:
        answer: Any = jsonline.load(lines[-1])
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and status == 0:
        return None
    if isinstance(answer, dict):
        return str(answer.get("message"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    last = lines[-1].decode("utf-8", "replace")[:TEXT_CHARACTERS]
    how = (
        "it took too long"
        if os.WIFSIGNALED(status)
        else f"exit code {os.waitstatus_to_exitcode(status)}"
    )
    return f"{how}: {last}" if last else how


def _ignore(_why: str | None) -> None:
    """Nobody waits for the agent of the old version."""
