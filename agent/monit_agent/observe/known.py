"""What the agent knows of its app: the keeper's snapshot with its events folded in. Pure."""

from collections import deque

import msgspec

from monit_agent.observe.keeperwords import (
    KeeperApp,
    KeeperBye,
    KeeperEvent,
    KeeperGone,
    KeeperHappened,
    KeeperInstance,
    KeeperLog,
    KeeperSnapshot,
)
from monit_agent.wire.limits import HAPPENINGS
from monit_agent.wire.messages import (
    AppChanged,
    AppRecord,
    Bye,
    Event,
    Happened,
    Happening,
    InstanceChanged,
    InstanceGone,
    InstanceRecord,
    LogEnd,
    Roll,
    Stream,
)


class Known:
    """The app as its keeper told it last; `keeper_alive` says whether that still holds."""

    def __init__(self, snapshot: KeeperSnapshot) -> None:
        self.instances: dict[int, InstanceRecord] = {}
        self.logs: dict[tuple[int, Stream], LogEnd] = {}
        self.happenings: deque[Happening] = deque(maxlen=HAPPENINGS)
        self.keeper_alive = True
        self.app: AppRecord = snapshot.app
        self.roll: Roll | None = None
        self._take(snapshot)

    def _take(self, snapshot: KeeperSnapshot) -> None:
        self.app, self.roll = snapshot.app, snapshot.roll
        self.instances = {record.instance: record for record in snapshot.instances}
        self.logs = {(end.instance, end.stream): end for end in snapshot.logs}
        self.happenings = deque(snapshot.happenings, maxlen=HAPPENINGS)
        self.keeper_alive = True

    def lose_keeper(self) -> list[Event]:
        """Note that the keeper is gone; give the events that say so."""
        self.keeper_alive = False
        self.app = msgspec.structs.replace(self.app, keeper_pid=None)
        return [AppChanged(app=self.app, roll=self.roll)]

    def replace(self, snapshot: KeeperSnapshot) -> list[Event]:
        """Take over what a new keeper says; give the events that lead from old to new."""
        old_instances, old_happenings = self.instances, set(self.happenings)
        self._take(snapshot)
        events: list[Event] = [AppChanged(app=self.app, roll=self.roll)]
        events += [
            InstanceGone(instance=number) for number in old_instances.keys() - self.instances
        ]
        events += [
            InstanceChanged(instance=record)
            for number, record in self.instances.items()
            if record != old_instances.get(number)
        ]
        events += [
            Happened(happening=happening)
            for happening in self.happenings
            if happening not in old_happenings
        ]
        return events

    def fold(self, event: KeeperEvent) -> list[Event]:
        """Take in one event of the keeper; give what clients are to hear of it."""
        match event:
            case KeeperApp():
                self.app, self.roll = event.app, event.roll
                return [AppChanged(app=event.app, roll=event.roll)]
            case KeeperInstance():
                self.instances[event.instance.instance] = event.instance
                return [InstanceChanged(instance=event.instance)]
            case KeeperGone():
                self.instances.pop(event.instance, None)
                self._forget_logs(event.instance)
                return [InstanceGone(instance=event.instance)]
            case KeeperHappened():
                self.happenings.append(event.happening)
                return [Happened(happening=event.happening)]
            case KeeperLog():
                self.logs[event.instance, event.stream] = LogEnd(
                    instance=event.instance,
                    stream=event.stream,
                    begin=event.begin,
                    end=event.end,
                    lost_bytes=event.lost_bytes,
                )
                return []
            case KeeperBye():
                return [Bye()]

    def _forget_logs(self, instance: int) -> None:
        for key in [key for key in self.logs if key[0] == instance]:
            del self.logs[key]
