"""What the agents answer, and the text that is made from it."""

import math
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import zmq

from monit_agent import __version__
from monit_agent.client.discovery import AppsFolder
from monit_agent.client.live.requests import OnAnswer, RequestSocket
from monit_agent.client.source import Source
from monit_agent.metrics.families import (
    APP_UP,
    BUILD,
    DROPPED,
    INSTANCE_FAMILIES,
    KEEPER_UP,
    LOG_LOST,
    PUBLISH_DROPPED,
    InstanceMetrics,
    present_sample,
)
from monit_agent.metrics.own import OwnMetrics
from monit_agent.metrics.text import Family, Labels, Point, exposition, joined, labels
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, InstanceTotals, Totals, TotalsPart

WITHIN_S = 1.0
"""An agent answers within milliseconds; one that takes longer counts as silent in this scrape."""

_NOTHING = InstanceTotals()


class AppAnswer(NamedTuple):
    """What the agent of one app answered; None when it did not."""

    app: str
    part: TotalsPart | None
    host: str = ""
    """Empty: this machine. A label of all series, where it has a name."""


class Scraper:
    """Requests the counters of all apps of ``home``. Between two scrapes nothing is sent or
    received."""

    def __init__(self, home: str) -> None:
        self._folder = AppsFolder(home)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: dict[str, RequestSocket] = {}

    def scrape(self, within_s: float = WITHIN_S) -> list[AppAnswer]:
        """Return the answers by name of the app; takes at most ``within_s`` seconds."""
        apps = sorted(self._folder.find_apps())
        self._update_sockets(apps)
        answers: dict[str, TotalsPart | None] = {}
        until = time.monotonic() + within_s
        for app in apps:
            self._sockets[app].submit(Totals(), _put(answers, app), until)
        while len(answers) < len(apps):
            self._receive(until)
        return [AppAnswer(app, answers[app]) for app in apps]

    def close(self) -> None:
        """Close the sockets."""
        for each in self._sockets.values():
            each.close()
        self._context.term()

    def _update_sockets(self, apps: list[str]) -> None:
        for gone in self._sockets.keys() - set(apps):
            self._sockets.pop(gone).close()
        for app in apps:
            if app not in self._sockets:
                self._sockets[app] = RequestSocket(self._context, self._folder.paths(app))

    def _receive(self, until: float) -> None:
        """Wait for messages, and handle them and what is overdue."""
        poller = zmq.Poller()
        by_socket = {each.socket: each for each in self._sockets.values()}
        for each in by_socket.values():
            poller.register(each.socket, zmq.POLLIN | (zmq.POLLOUT if each.has_unsent else 0))
        left_ms = max(0.0, until - time.monotonic()) * 1000
        for socket, flags in poller.poll(math.ceil(left_ms)):
            each = by_socket[socket]
            if flags & zmq.POLLOUT:
                each.send_unsent()
            if flags & zmq.POLLIN:
                _call_back(each.receive_answers())
        now = time.monotonic()
        for each in by_socket.values():
            _call_back(each.expire_overdue(now))


def scrape_hosts(source: Source, within_s: float) -> list[AppAnswer]:
    """Return the answers of all apps that a source knows, by host and name; takes at most
    ``within_s`` seconds."""
    answers: dict[AppId, TotalsPart | None] = {}

    def put(app: AppId) -> OnAnswer:
        def put(answer: Answer) -> None:
            answers[app] = answer if isinstance(answer, TotalsPart) else None

        return put

    apps = sorted(source.fleet.apps)
    for app in apps:
        source.send_request(app, Totals(), put(app), within_s)
    until = source.monotonic() + within_s
    while len(answers) < len(apps) and (left := until - source.monotonic()) > 0:
        source.poll(left)
    return [AppAnswer(app.app, answers.get(app), app.host) for app in apps]


def _put(answers: dict[str, TotalsPart | None], app: str) -> OnAnswer:
    def put(answer: Answer) -> None:
        answers[app] = answer if isinstance(answer, TotalsPart) else None

    return put


def _call_back(answers: Iterable[tuple[OnAnswer, Answer]]) -> None:
    for then, answer in list(answers):
        then(answer)


# ------------------------------------------------------------ to text


def metrics_text(answers: Iterable[AppAnswer], *, openmetrics: bool = False) -> str:
    """Return all metrics of these apps."""
    return exposition(_families(list(answers)), openmetrics=openmetrics)


def _families(answers: list[AppAnswer]) -> Iterator[tuple[Family, Iterable[Point]]]:
    known = [(_labels_of(each), each.part) for each in answers if each.part is not None]
    instances = [each for words, part in known for each in _instances(words, part)]
    own = OwnMetrics()
    for each in instances:
        own.add(each)
    yield BUILD, [Point("", labels({"version": __version__}), 1)]
    yield APP_UP, [Point("", _labels_of(each), int(each.part is not None)) for each in answers]
    yield KEEPER_UP, [Point("", words, int(part.keeper_alive)) for words, part in known]
    for family, points in INSTANCE_FAMILIES:
        yield family, [point for each in instances for point in points(each)]
    yield LOG_LOST, [Point("", of.labels, of.totals.log_lost_bytes) for of in instances]
    yield PUBLISH_DROPPED, [Point("", words, part.publish_dropped) for words, part in known]
    yield DROPPED, [Point("", words, count) for words, count in own.dropped.items()]
    yield from own.families()


def _labels_of(answer: AppAnswer) -> Labels:
    host = {"host": answer.host} if answer.host else {}
    return labels({**host, "app": answer.app})


def _instances(app_labels: Labels, part: TotalsPart) -> Iterator[InstanceMetrics]:
    for record in part.instances:
        number = record.instance
        facts = {"app_instance": str(number), "namespace": part.app.namespace}
        words = joined(app_labels, labels(facts))
        sample = present_sample(record, part.samples.get(number))
        yield InstanceMetrics(
            part.app, record, sample, part.totals.get(number, _NOTHING), words, app_labels
        )
