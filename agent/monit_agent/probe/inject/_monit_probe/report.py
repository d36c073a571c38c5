# pyright: basic
"""The reports: what is in them, how they are encoded, how they are sent."""

import _json
import _socket
import _thread
import os
import sys
import time

from _monit_probe.basics import Faults, clock, load, quiet

LOOPS = 16
"""Loops in one report; beyond that, those that have stopped are dropped."""
PENDING = 50
"""Blocks kept from reports that could not be sent."""
DATAGRAM = 150000
"""Bytes of a report that Linux surely takes (212,992 by default, less what each datagram needs)."""
_socket_type = _socket.socket


class ThreadDelays:
    """How late the probe's own thread wakes up: what a thread waits for the GIL and a CPU."""

    def __init__(self):
        self._late = []
        self.add = self._late.append

    def report(self):
        """Return a packed histogram of the delays since the last call, and the longest."""
        from _monit_probe.buckets import count_durations, pack

        counts = {}
        longest = count_durations(self._late, counts)
        self._late.clear()
        return pack(counts), longest


class Reporter:
    """Makes the reports of one process and sends them.

    Nothing is lost with a report that could not be sent: counters only grow, and the rest is kept
    for the next report.
    """

    def __init__(self, probe, path):
        self._probe, self._path = probe, path
        self.reset()

    def reset(self):
        """Start from the beginning: this process is new, perhaps the child of a fork."""
        self._pid = os.getpid()
        self._started = time.time_ns()
        self._number = 0
        self._unsent = {}
        self._heap = None
        self.delays = ThreadDelays()

    def send_hello(self):
        """Send what does not change while the process lives."""
        self._send({
            "hello": {
                "version": "%d.%d.%d" % sys.version_info[:3],
                "implementation": sys.implementation.name,
                "ppid": os.getppid(),
            }
        })  # fmt: skip

    def send_full(self, now):
        """Send a report with all numbers."""
        self._send(quiet(self._gather)(now) or {})

    def send_bye(self):
        """Send the last report; with numbers, unless the process was too short-lived for any."""
        report = self._gather(clock()) if self._heap is not None else {}
        report["bye"] = True
        self._send(report)

    def send_now(self, report):
        """Send a report; return whether it was received, None if it never can be."""
        self._number += 1
        report.update(
            v=2, rt="python", pid=self._pid, started=self._started, seq=self._number, mono=clock(),
            faults=Faults.count, fault=Faults.last,
        )  # fmt: skip
        data = encode(report).encode("ascii")
        return _send_datagram(self._path, data) or (None if len(data) > DATAGRAM else False)

    def _send(self, report):
        report = _merge(self._unsent, report)
        received = self.send_now(report)
        self._unsent = _to_keep(report) if received is False else {}
        if received and "metrics" in report:
            self._probe.parts.load_app().report_received()

    def _gather(self, now):
        parts = self._probe.parts
        if self._heap is None:
            load("buckets")
            load("memory")
            from _monit_probe.memory import Heap

            self._heap = Heap()
        loops, blocks = parts.loops.all() if parts.loops else [], parts.blocks
        of_loops = [loop.report(now) for loop in loops]
        if len(loops) > LOOPS:
            parts.loops.drop_stopped()
        delays, longest = self.delays.report()
        return {
            "heap": quiet(self._heap.read)(now),
            "gc": parts.collections.report(),
            # `_count` leaves out the main thread and has the probe's, if that runs
            "threads": _thread._count() + (not self._probe.is_running()),
            "tasks": parts.loops.count_tasks() if parts.loops else None,
            "loops": of_loops[:LOOPS],
            "sched": delays,
            "sched_max": longest,
            "blocked": blocks.report(loops, now) if blocks else [],
            "lost": blocks.lost if blocks else 0,
            "http": parts.http.report() if parts.http else None,
            **(quiet(parts.load_app().report)(now) or {}),
        }


# ------------------------------------------------------- reports that were not sent


def _to_keep(report):
    """Return what the next report must contain of one that was not sent."""
    names = ("hello", "sched", "sched_max", "gc", "loops", "http")
    kept = {key: report[key] for key in names if key in report}
    kept["blocked"] = [each for each in report.get("blocked", []) if each["count"]][:PENDING]
    return kept


def _merge(kept, report):
    """Return ``report`` with the histograms, longest times and blocks of those not sent."""
    report = dict(report)
    if "hello" in kept:
        report.setdefault("hello", kept["hello"])
    if "loops" not in report:
        return report
    if "loops" in kept:
        _merge_histograms(kept, report)
    report["sched_max"] = max(report["sched_max"], kept.get("sched_max", 0.0))
    for now, before in zip(report["gc"], kept.get("gc", ())):
        now[2] = max(now[2], before[2])
    longest = {each["id"]: each["max"] for each in kept.get("loops", ())}
    for each in report["loops"]:
        each["max"] = max(each["max"], longest.get(each["id"], 0.0))
    if report["http"] and kept.get("http"):
        report["http"]["max"] = max(report["http"]["max"], kept["http"]["max"])
    report["blocked"] = (kept.get("blocked", []) + report["blocked"])[: 2 * PENDING]
    return report


def _merge_histograms(kept, report):
    from _monit_probe.buckets import merge

    report["sched"] = merge(kept["sched"], report["sched"])
    before = {each["id"]: each["lag"] for each in kept["loops"]}
    for each in report["loops"]:
        each["lag"] = merge(before.get(each["id"], []), each["lag"], 3)
    if report["http"] and kept.get("http"):
        report["http"]["hist"] = merge(kept["http"]["hist"], report["http"]["hist"])


# ------------------------------------------------------------ encoding and sending


def encode(value):
    """Return ``value`` as JSON. Not by `json`, whose import would cost the program 7 to 14 ms."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        return "{%s}" % ",".join([_quote(k) + ":" + encode(v) for k, v in value.items()])
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join([encode(each) for each in value])
    return _encode_float(value) if isinstance(value, float) else str(value)


def _quote(text):
    # lone surrogates (names that are not UTF-8) would make the report unreadable for the agent
    return _json.encode_basestring_ascii(text.encode("utf-8", "replace").decode("utf-8"))


def _encode_float(value):
    if value - value != 0.0:
        return "null"  # infinity and NaN do not exist in JSON
    return repr(round(value, 6)) if abs(value) >= 0.001 else "%.6g" % value


def _send_datagram(path, data):
    """Send ``data``; return whether it was received. On a new socket each time: a program may
    close all descriptors and open its own, and a kept one would write into these."""
    try:
        sock = _socket_type(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    except OSError:
        return False
    try:
        sock.sendto(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL, path)
    except OSError:
        return False
    finally:
        sock.close()
    return True
