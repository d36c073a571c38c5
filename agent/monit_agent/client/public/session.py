"""All requests of one program over one source: each is a job that takes what the source brings."""

from collections.abc import Callable
from typing import Protocol

from monit_agent.client.public.api_requests import (
    ApiRequest,
    CommandRequest,
    ListInstances,
    ReadCrashes,
    ReadEvents,
    ReadHistory,
    ReadLogs,
    TriggerAction,
    WatchInstances,
)
from monit_agent.client.public.command_job import CommandJob
from monit_agent.client.public.jobs import Job, ListJob, Receiver, RequestFailedError, WatchJob
from monit_agent.client.public.log_job import LogsJob
from monit_agent.client.public.past_jobs import CrashesJob, EventsJob, HistoryJob
from monit_agent.client.public.trigger_job import TriggerJob
from monit_agent.client.source import Changes, Source
from monit_agent.wire.ids import InstanceId

LOOK_S = 0.05
"""Longest wait while a request waits for agents to answer or to be known as silent, or for a
process to exit."""


class ApiSource(Source, Protocol):
    """What a session needs besides what every source can do."""

    def wake_on(self, fds: set[int]) -> None:
        """Let `poll` also return when one of these descriptors can be read."""
        ...

    def search_now(self) -> None:
        """Look for apps at the next poll, which would else be done once a second."""
        ...


class Session:
    """The requests in progress. Used by one thread."""

    def __init__(self, source: ApiSource, *, read_only: bool = False) -> None:
        self.source = source
        self._read_only = read_only
        self._jobs: list[Job] = []
        self._followed: frozenset[InstanceId] = frozenset()
        self._has_new = False
        """Whether a request was begun since the last poll: most can be answered at once."""
        self._is_closed = False

    def begin(self, request: ApiRequest, receiver: Receiver) -> Job:
        """Begin a request; what it sends, and `Job.reply`, come from within `poll`. Raise
        `RequestFailedError` when it is refused."""
        if self._is_closed:  # a closed source knows no app, which would be a wrong answer
            raise RequestFailedError("failed", "the client was closed")
        job = self._make_job(request, receiver)
        self._jobs.append(job)
        self._has_new = True
        self.source.search_now()
        return job

    def _make_job(self, request: ApiRequest, receiver: Receiver) -> Job:  # noqa: PLR0911 (a table)
        match request:
            case ListInstances():
                return ListJob(self.source, receiver, request)
            case WatchInstances():
                return WatchJob(self.source, receiver, request)
            case ReadLogs():
                return LogsJob(self.source, receiver, request)
            case ReadEvents():
                return EventsJob(self.source, receiver, request)
            case ReadHistory():
                return HistoryJob(self.source, receiver, request)
            case ReadCrashes():
                return CrashesJob(self.source, receiver, request)
            case CommandRequest() if self._read_only:
                verb = request.__struct_config__.tag
                text = f"this may only be looked at (--read-only): {verb} was refused"
                raise RequestFailedError("refused", text)
            case TriggerAction():
                return TriggerJob(self.source, receiver, request)
            case CommandRequest():
                return CommandJob(self.source, receiver, request)
            case _:
                raise ValueError(request)

    def poll(self, wait_s: float, done: Callable[[Job], None] | None = None) -> None:
        """Wait at most ``wait_s`` for something new and let each request take it. ``done`` gets the
        jobs that have a reply now."""
        self._follow()
        looks_again = any(job.looks_again for job in self._jobs)
        longest_s = min(wait_s, LOOK_S) if looks_again else wait_s
        can_go_on = any(job.is_held and job.receiver.has_room() for job in self._jobs)
        changes = self.source.poll(0.0 if can_go_on or self._has_new else longest_s)
        self._has_new = False
        for job in list(self._jobs):
            self._step(job, changes)
            self._follow()
            if job.reply is not None:
                self._jobs.remove(job)
                if done is not None:
                    done(job)

    def _step(self, job: Job, changes: Changes) -> None:
        if job.reply is not None:
            return
        try:
            job.step(changes)
        except RequestFailedError as error:
            job.fail(error)

    def _follow(self) -> None:
        followed = frozenset(who for job in self._jobs if job.reply is None for who in job.followed)
        if followed != self._followed:
            self._followed = followed
            self.source.follow_logs(followed)

    def close(self) -> None:
        """End all requests, and close the source."""
        self._is_closed = True
        for job in self._jobs:
            job.cancel()
        self._jobs.clear()
        self.source.close()
