"""What must outlive the agent: which alerts fire and were announced, and what is muted.

A file of JSON that is replaced as a whole. What cannot be read is left out: an alert then fires
once more, which is better than an agent that does not start. Moments are those of the wall clock in
the file, and of the engine's clock in the program.
"""

from collections import deque

import msgspec

from monit_agent.agent.alerts.engine import FLAPPING_CHANGES, Alert, AlertEngine, Phase
from monit_agent.agent.alerts.mutes import Mutes
from monit_agent.agent.journal import log
from monit_agent.system.files.own_file import read_own_file
from monit_agent.system.files.replaced_file import replace_file
from monit_agent.wire.codec import BadMessageError, decode_json, encode_json
from monit_agent.wire.messages import AlertMute

VERSION = 1


class _SavedAlert(msgspec.Struct):
    rule: str
    instance: int | None
    phase: Phase
    held_s: float
    since: float
    value: float | None
    text: str
    announced: bool
    next_at: float
    cool_down_s: float
    changes: list[float]
    silent_until: float


class _SavedAlerts(msgspec.Struct):
    version: int
    alerts: list[_SavedAlert] = []
    mutes: list[AlertMute] = []


_decoder = msgspec.json.Decoder(_SavedAlerts)


class AlertsFile:
    """The file of one app."""

    def __init__(self, path: str, engine: AlertEngine, mutes: Mutes) -> None:
        self._path = path
        self._engine = engine
        self._mutes = mutes
        self._problem: str | None = None

    def load(self, now: float, wall: float) -> None:
        """Fill the engine and the mutes with what is saved."""
        try:
            saved = decode_json(_decoder, read_own_file(self._path))
        except FileNotFoundError:
            return
        except (OSError, BadMessageError) as error:
            log(f"{self._path} cannot be read, and alerts start without it: {error}")
            return
        if saved.version != VERSION:
            log(f"{self._path} is of another version of monit, and alerts start without it")
            return
        for each in saved.alerts:
            self._engine.alerts[each.rule, each.instance] = _restored(each, now - wall)
        self._mutes.restore(tuple(saved.mutes))

    def save(self, now: float, wall: float) -> None:
        """Write what is known; a full disk is logged once, and written when there is room."""
        alerts = [
            _saved(rule, instance, alert, wall - now)
            for (rule, instance), alert in self._engine.alerts.items()
        ]
        saved = _SavedAlerts(VERSION, alerts, list(self._mutes.current))
        try:
            raw = encode_json(msgspec.to_builtins(saved))
            replace_file(self._path, raw, sync=False)
        except OSError as error:
            problem = f"cannot write {self._path}: {error.strerror}"
            if problem != self._problem:
                log(problem)
            self._problem = problem
        else:
            self._engine.changed = False
            self._problem = None


def _restored(saved: _SavedAlert, to_clock: float) -> Alert:
    alert = Alert()
    alert.phase = saved.phase if saved.phase != "pending" else "ok"
    alert.held_s = saved.held_s
    alert.since = saved.since + to_clock
    alert.value, alert.text = saved.value, saved.text
    alert.announced = saved.announced
    alert.next_at = saved.next_at + to_clock
    alert.cool_down_s = saved.cool_down_s
    alert.changes = deque((at + to_clock for at in saved.changes), maxlen=FLAPPING_CHANGES + 1)
    alert.silent_until = saved.silent_until + to_clock
    return alert


def _saved(rule: str, instance: int | None, alert: Alert, to_wall: float) -> _SavedAlert:
    return _SavedAlert(
        rule=rule,
        instance=instance,
        phase=alert.phase,
        held_s=alert.held_s,
        since=alert.since + to_wall,
        value=alert.value,
        text=alert.text,
        announced=alert.announced,
        next_at=alert.next_at + to_wall,
        cool_down_s=alert.cool_down_s,
        changes=[at + to_wall for at in alert.changes],
        silent_until=alert.silent_until + to_wall,
    )
