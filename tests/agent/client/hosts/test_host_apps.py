"""What a bridge reports, folded into a fleet."""

from monit_agent.client.hosts.host_apps import HostApps
from monit_agent.client.source import PendingChanges
from monit_agent.client.view import Fleet, HostView
from monit_agent.wire import bridge
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import EventRecord

WEB = AppId("web1", "web")


class Folded:
    """A fleet with one host."""

    def __init__(self) -> None:
        self.fleet, self.changes = Fleet(), PendingChanges()
        self.apps = HostApps(self.fleet, HostView("web1"), self.changes)

    def report(self, *events: EventRecord) -> None:
        self.apps.handle(bridge.AppReport(app="web", link="live", events=events))

    def texts(self) -> list[str]:
        return [event.text for event in self.fleet.apps[WEB].events]

    def new(self) -> list[str]:
        return [event.text for _, event in self.changes.take_all().events]


def _event(at: float, seq: int) -> EventRecord:
    return EventRecord(seq=seq, at=at, instance=None, kind="errored", text=f"event {seq}")


def test_events_of_a_clock_that_was_set_back_are_shown() -> None:
    """A crash counts, whatever the host's clock says."""
    folded = Folded()
    folded.report(_event(1000.0, 1))
    assert folded.new() == []
    folded.report(_event(400.0, 2))
    assert folded.new() == ["event 2"]
    assert folded.texts() == ["event 1", "event 2"]


def test_a_new_line_brings_no_event_twice() -> None:
    """Its first report has all that the host remembers."""
    folded = Folded()
    folded.report(_event(1000.0, 1))
    folded.apps.begin()
    folded.report(_event(1000.0, 1), _event(1001.0, 2))
    assert folded.new() == ["event 2"]
    assert folded.texts() == ["event 1", "event 2"]


def test_an_app_that_is_not_listed_again_goes() -> None:
    """It was deleted while there was no line."""
    folded = Folded()
    folded.report()
    folded.apps.begin()
    folded.apps.handle(bridge.Listed())
    assert folded.fleet.apps == {}
