"""The public Python API: everything that ``docs/api.md`` promises to keep, under one name.

from monit_agent.client.api import Monit

with Monit() as monit:
    for instance in monit.list():
        print(instance.app, instance.instance, instance.status)
"""

from monit_agent.client.hosts.names import HostError
from monit_agent.client.public.async_client import AsyncMonit
from monit_agent.client.public.jobs import RequestFailedError
from monit_agent.client.public.records import (
    API_VERSION,
    ActionOutcome,
    AppEvent,
    CommandReport,
    CrashOutput,
    CrashRecord,
    HistoryPoint,
    HistorySeries,
    Instance,
    InstanceFailure,
    LostBytes,
    PrintedLine,
    TreeProcess,
    WatchedChange,
)
from monit_agent.client.public.sync_client import Monit

__all__ = [
    "API_VERSION",
    "ActionOutcome",
    "AppEvent",
    "AsyncMonit",
    "CommandReport",
    "CrashOutput",
    "CrashRecord",
    "HistoryPoint",
    "HistorySeries",
    "HostError",
    "Instance",
    "InstanceFailure",
    "LostBytes",
    "Monit",
    "PrintedLine",
    "RequestFailedError",
    "TreeProcess",
    "WatchedChange",
]
