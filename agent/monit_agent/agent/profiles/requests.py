"""Answers requests for profiles: one at a time for each instance.

A probe writes its profile to a file in the folder of requests, because an answer must fit into a
datagram.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from signal import Signals
from typing import Any, NamedTuple

import msgspec

from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.health.keeper_requests import ignore_answer
from monit_agent.agent.keeper.link import KeeperLink
from monit_agent.agent.probes.actions import GONE, ActionTarget, TooManyCallsError
from monit_agent.agent.probes.receiver import Probes
from monit_agent.agent.profiles.py_spy import PySpyError, find_py_spy, record
from monit_agent.agent.serve.router import Handler, RefusedError, Reply
from monit_agent.system.files.own_file import read_own_file
from monit_agent.wire.limits import PROFILE_BYTES, PROFILE_S
from monit_agent.wire.messages import (
    Exit,
    InstanceRecord,
    MakeProfile,
    ProfileForm,
    ProfilePart,
    Refused,
    Request,
    Sample,
    TriggerPart,
)
from monit_agent.wire.paths import AppPaths

ANSWER_S = 10.0
"""Time for the answer beyond the profile: a blocked process takes a request late."""

RECORD_S = 2.0
"""Longest wait for the keeper's records of an exit and of the next worker, which come within
milliseconds."""

RECORD_POLL_S = 0.02

_FORMS: dict[tuple[str, str], ProfileForm] = {
    ("python", "cpu"): "stacks",
    ("python", "memory"): "growth",
    ("node", "cpu"): "cpuprofile",
    ("node", "memory"): "heapprofile",
}


class ProfileSources(NamedTuple):
    """What requests for profiles need from the agent."""

    instances: Callable[[], Mapping[int, InstanceRecord]]
    samples: Callable[[], Mapping[int, Sample]]
    probes: Probes
    link: KeeperLink


class _Head(msgspec.Struct):
    """What the profiles of both probes begin with."""

    seconds: float
    profile: msgspec.Raw = msgspec.Raw(b"")


class ProfileRequests:
    """Makes profiles of the workers of one app."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        paths: AppPaths,
        sources: ProfileSources,
        surroundings: Surroundings,
    ) -> None:
        self._loop = loop
        self._surroundings = surroundings
        self._paths = paths
        self._sources = sources
        self._running: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._mark = os.urandom(4).hex()
        """Distinguishes files of an earlier agent from those of this one."""
        self._count = 0

    def table(self) -> dict[type[Request], Handler]:
        """Return the handler of the request."""
        return {MakeProfile: self._handle}

    def _handle(self, request: MakeProfile, by: str, reply: Reply) -> None:
        target = self._target(request)
        if not 0.0 < request.seconds <= PROFILE_S:
            text = f"a profile takes more than 0 and at most {PROFILE_S:g} s"
            raise RefusedError("bad_request", text)
        if request.instance in self._running:
            text = f"a profile of {self._name(request)} is being made already; try again later"
            raise RefusedError("refused", text)
        py_spy = self._py_spy(request, target)
        self._running.add(request.instance)
        self._count += 1
        name = f"profile.{self._mark}.{self._count}"
        path = os.path.join(self._paths.probe_requests, name)
        job = _Job(request, target, path, reply, time.time())
        self._sources.link.request(
            "record_event", ignore_answer, instance=request.instance, kind="requested",
            text=f"{request.kind} profile of process {target.pid} for {request.seconds:g} s", by=by,
        )  # fmt: skip
        task = self._loop.create_task(self._make(job, py_spy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _name(self, request: MakeProfile) -> str:
        return f"{self._paths.name}/{request.instance}"

    def _target(self, request: MakeProfile) -> ActionTarget:
        """Return the process: the one that was named, or the busiest with a probe."""
        record = self._sources.instances().get(request.instance)
        if record is None:
            raise RefusedError("no_such_instance", f"there is no {self._name(request)}")
        targets = self._sources.probes.action_targets([request.instance])
        if request.pid is not None:
            targets = [each for each in targets if each.pid == request.pid]
        if not targets:
            who = f"process {request.pid} of " if request.pid is not None else ""
            raise RefusedError(
                "refused",
                f"no probe reports from {who}{self._name(request)}; a profile needs a running "
                "Python or Node program that was started without --no-probe",
            )
        sample = self._sources.samples().get(request.instance)
        cpu = {each.pid: each.cpu_percent or 0.0 for each in sample.processes} if sample else {}
        whole = (sample.tree.cpu_percent if sample else None) or 0.0
        main = whole - sum(cpu.values())
        return max(targets, key=lambda each: cpu.get(each.pid, main))

    def _py_spy(self, request: MakeProfile, target: ActionTarget) -> str | None:
        """Return the path of py-spy where it is to be used."""
        if request.tool == "probe":
            return None
        is_possible = target.rt == "python" and request.kind == "cpu"
        found = find_py_spy(self._surroundings.env.get("PATH")) if is_possible else None
        if request.tool == "py-spy" and found is None:
            why = (
                "py-spy is not on the agent's PATH; pip install py-spy, or leave out --tool"
                if is_possible
                else "py-spy makes only CPU profiles of Python programs; leave out --tool"
            )
            raise RefusedError("refused", why)
        return found

    # ------------------------------------------------------------ making one

    async def _make(self, job: "_Job", py_spy: str | None) -> None:
        try:
            answer = await self._answer_of(job, py_spy)
        finally:
            self._running.discard(job.request.instance)
            for path in (job.path, job.path + ".part"):
                with contextlib.suppress(OSError):
                    os.unlink(path)
        job.reply(answer)

    async def _answer_of(self, job: "_Job", py_spy: str | None) -> ProfilePart | Refused:
        note = ""
        if py_spy is not None:
            wanted_s = job.request.seconds
            began = self._loop.time()
            try:
                seconds = await record(
                    py_spy, job.target.pid, wanted_s, job.path, self._surroundings
                )
                data = _read(job.path)
                if _is_there(job.target.pid):
                    return _part(job, "collapsed", seconds, data, "")
                seconds = min(seconds, self._loop.time() - began)
                gone = f"{await self._why_gone(job)}; the profile is of the time until then"
                return _part(job, "collapsed", seconds, data, gone)
            except (PySpyError, OSError) as error:
                if job.request.tool == "py-spy":
                    return Refused(kind="failed", message=str(error))
                note = str(error)
        return await self._by_probe(job, note)

    async def _by_probe(self, job: "_Job", note: str) -> ProfilePart | Refused:
        request, target = job.request, job.target
        answered: asyncio.Future[TriggerPart] = asyncio.get_running_loop().create_future()
        args = request.kind, request.seconds, job.path
        timeout_s = request.seconds + ANSWER_S
        call = self._sources.probes.actions.call
        try:
            call([target], "", args, timeout_s, answered.set_result, request="profile")
        except TooManyCallsError as error:
            return Refused(kind="refused", message=str(error))
        (result,) = (await answered).results
        if not result.ok:
            why = result.value
            if why == GONE:
                why = f"{await self._why_gone(job)}; nothing is kept of the profile"
            who = f"{self._name(request)} (pid {target.pid})"
            return Refused(kind="failed", message=f"{who}: {why}")
        try:
            raw = _read(job.path)
            head = msgspec.json.decode(raw, type=_Head)
        except (OSError, msgspec.MsgspecError) as error:
            return Refused(kind="failed", message=f"cannot read the profile: {error}")
        form = _FORMS[target.rt, request.kind]
        return _part(job, form, head.seconds, bytes(head.profile) or raw, note)

    async def _why_gone(self, job: "_Job") -> str:
        """Return why the process is no longer there, when the keeper has said it, and who takes its
        place."""
        number, pid = job.request.instance, job.target.pid
        record = self._sources.instances().get(number)
        until = self._loop.time() + RECORD_S
        last: Exit | None = None
        while record is not None and self._loop.time() < until:
            if record.pid != pid and record.exits and record.exits[-1].at >= job.since:
                last = record.exits[-1]
                if record.pid is not None or record.desired == "stopped":
                    break
            await asyncio.sleep(RECORD_POLL_S)
            record = self._sources.instances().get(number)
        how = _exit_text(last) if last is not None else "it exited"
        now = record.pid if record is not None and record.pid not in (None, pid) else None
        rest = f"; process {now} runs now, and can be profiled" if now is not None else ""
        return f"{how} while it was profiled{rest}"


class _Job(NamedTuple):
    request: MakeProfile
    target: ActionTarget
    path: str
    reply: Callable[[Any], None]
    since: float
    """When it was requested, on the wall clock."""


def _is_there(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def _exit_text(last: Exit) -> str:
    if last.requested:
        return "it was replaced or stopped, as somebody or a rule requested,"
    if last.signal is not None:
        known = {each.value: each.name for each in Signals}
        return f"it was killed by {known.get(last.signal, f'signal {last.signal}')}"
    return "it exited" if last.code is None else f"it exited with code {last.code}"


def _read(path: str) -> bytes:
    raw = read_own_file(path)
    if len(raw) > PROFILE_BYTES:
        raise OSError(0, f"it has more than {PROFILE_BYTES} bytes; make a shorter one")
    return raw


def _part(job: _Job, form: ProfileForm, seconds: float, data: bytes, note: str) -> ProfilePart:
    return ProfilePart(
        instance=job.request.instance, pid=job.target.pid, kind=job.request.kind, form=form,
        seconds=seconds, data=data, note=note,
    )  # fmt: skip
