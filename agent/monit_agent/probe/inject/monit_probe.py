# pyright: basic
"""A program's own metrics and actions, for monit to show and to trigger.

    import monit_probe

    orders = monit_probe.counter("orders")                    # orders.inc()
    queue = monit_probe.gauge("queue", waiting.qsize)         # or queue.set(12)
    baking = monit_probe.histogram("baking", unit="ms")       # with baking.time(): ...

    @monit_probe.action("clear", help="Empty the cache.")     # monit trigger web clear
    def clear(*words): ...

Every program below monit can import it, also where the probe is switched off: then nothing is
reported. ``probe/README.md`` has the lines for everywhere else. Wrong definitions raise TypeError
or ValueError. Using what was defined never raises: a value that is not a number is counted as a
fault, which `monit describe` shows. All of it is thread-safe, takes no lock, and starts from 0 in
a forked process.
"""

import _thread
import os
import sys
import time
from bisect import bisect_right
from math import frexp

METRICS, ACTIONS = 100, 50
"""More of them are not reported."""
NAME, TEXT = 80, 200
"""Characters of a name, of a unit and of a text."""
LARGEST = 1e300
BUCKETS = 6000
"""Buckets in one report, of all histograms together: 30 kB. What is more has its turn in the
next."""
_TINY, _LAST = 2.0**-63, 4127
"""What is smaller counts as 0; the last bucket has everything from nearly 2 ** 63 on."""
_AGGREGATES = ("avg", "sum", "max", "min")
_PER_SECOND = {"ms": 1e3, "us": 1e6, "\xb5s": 1e6, "\u03bcs": 1e6, "ns": 1e9}
_SLOW_S, _SLOW_AGAIN_S = 0.005, 10.0
"""A gauge's function that takes longer than the first is called again after the second."""

# The original, where gevent has replaced it by one that identifies greenlets: those are many, and
# a greenlet is never interrupted while it counts.
_get_ident = getattr(sys.modules.get("_monit_probe.basics"), "get_ident", _thread.get_ident)
_clock = time.perf_counter
_metrics = {}
_actions = {}


class _Faults:
    """What was done wrong so far; the probe reports it."""

    count = 0
    last = ""


def gauge(name, value=None, unit="", agg="avg"):
    """Return the gauge called ``name``: something that goes up and down, or a text.

    ``value`` is a number, a text, or a function without arguments that returns one of them. The
    function is called once a second in the probe's thread: it must be safe there, return at once
    and wait for nothing. ``agg`` says how the values of the processes of one instance combine:
    ``avg`` ``sum`` ``max`` ``min``.
    """
    if agg not in _AGGREGATES:
        raise ValueError("agg is one of %s, not %r" % (" ".join(_AGGREGATES), agg))
    found = _defined(Gauge, name, unit)
    found.agg = agg
    if value is not None:
        found.set(value)
    return found


def counter(name, unit=""):
    """Return the counter called ``name``: something that only grows. monit shows its rate."""
    return _defined(Counter, name, unit)


def histogram(name, unit=""):
    """Return the histogram called ``name``: monit shows mean and percentiles of its values."""
    return _defined(Histogram, name, unit)


def action(name, function=None, help="", in_loop=False):
    """Let ``monit trigger`` call ``function``, with the arguments of its command line as texts.

    Also a decorator: ``@action("name")``, ``@action``. What the function returns is shown as JSON.
    It runs in a thread of its own; a coroutine runs in the event loop, and so does a function
    that is defined with ``in_loop``. A newer action replaces an older one of the same name.
    """
    if callable(name):
        name, function = name.__name__, name
    _check("an action's name", name)
    if not isinstance(help, str):
        raise TypeError("an action's help is a text, not %r" % (help,))

    def define(function):
        if not callable(function):
            raise TypeError("an action is a function, not %r" % (function,))
        if name in _actions or len(_actions) < ACTIONS:
            _actions[name] = AppAction(function, help or _first_line(function), in_loop)
        else:
            _fault("action %s: there are %d already" % (name, ACTIONS))
        return function

    return define if function is None else define(function)


def _first_line(function):
    return (getattr(function, "__doc__", None) or "").strip().partition("\n")[0]


def _defined(kind, name, unit):
    _check("a metric's name", name)
    if not isinstance(unit, str):
        raise TypeError("a metric's unit is a text, not %r" % (unit,))
    found = _metrics.get(name)
    if found is None:
        found = kind(name, unit[:TEXT])
        if len(_metrics) < METRICS:
            found = _metrics.setdefault(name, found)
        else:
            _fault("metric %s: there are %d already" % (name, METRICS))
    if type(found) is not kind:
        raise ValueError("%s is a %s already" % (name, type(found).__name__.lower()))
    return found


def _check(what, name):
    if not isinstance(name, str):
        raise TypeError("%s is a text, not %r" % (what, name))
    if not 1 <= len(name) <= NAME:
        raise ValueError("%s has 1 to %d characters, not %d" % (what, NAME, len(name)))


def _fault(text):
    _Faults.count += 1
    _Faults.last = text[:TEXT]


def _attempt(function, *arguments):
    """Call code of the program; return its result and None, or None and its error."""
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error


def _number(value, name):
    """Return ``value`` as a float; None, and count a fault, if it is not a number."""
    number, error = _attempt(float, value)
    if error is not None:
        kind = type(value).__name__
        _fault("metric %s: a %s is not a number: %s" % (name, kind, _error_text(error)))
    return number


def _error_text(error):
    """Return an error as text; its ``__str__`` is the program's and may raise."""
    text, worse = _attempt(str, error)
    name = type(error).__name__
    return "%s: %s" % (name, text) if worse is None and text else name


class _Metric(object):
    """What all metrics have in common. Each thread counts in a cell of its own, so that no two
    threads ever change the same one, and no lock is needed."""

    def __init__(self, name, unit):
        self.name, self.unit = name, unit
        self._cells = {}

    def _fault(self, value):
        if value is not None:  # if it was not a number, that was counted already
            _fault("metric %s: %r cannot be counted" % (self.name, value))

    def _reset(self):
        self._cells = {}


class Counter(_Metric):
    """Something that only grows; made by `counter`."""

    def inc(self, n: float = 1):
        """Add ``n``, which is not below 0."""
        kind = type(n)
        number = n if kind is int or kind is float else _number(n, self.name)
        if number is not None and 0 <= number < LARGEST:
            cells, ident = self._cells, _get_ident()
            cells[ident] = cells.get(ident, 0) + number
        else:
            self._fault(number)

    def _report(self, now):
        return {"kind": "counter", "value": _finite(sum(list(self._cells.values()))),
                "unit": self.unit}  # fmt: skip


class Gauge(_Metric):
    """Something that goes up and down, or a text; made by `gauge`."""

    agg = "avg"

    def __init__(self, name, unit):
        _Metric.__init__(self, name, unit)
        self._value = self._read = None
        self._next_at = 0.0

    def set(self, value):
        """Set it to ``value``: a number, a text, None (unknown), or a function that returns it."""
        kind = type(value)
        if kind is float or kind is int or kind is str or value is None:
            self._cells, self._read, self._value = {}, None, value
        elif callable(value):
            self._read, self._next_at = value, 0.0
        else:
            self._cells, self._read, self._value = {}, None, _number(value, self.name)

    def inc(self, n: float = 1):
        """Add ``n``."""
        kind = type(n)
        number = n if kind is int or kind is float else _number(n, self.name)
        if number is not None and -LARGEST < number < LARGEST:
            cells, ident = self._cells, _get_ident()
            cells[ident] = cells.get(ident, 0) + number
        else:
            self._fault(number)

    def dec(self, n: float = 1):
        """Subtract ``n``."""
        number = _number(n, self.name)
        if number is not None:
            self.inc(-number)

    def _reset(self):
        self._cells, self._value = {}, None

    def _report(self, now):
        read = self._read
        value = self._value if read is None else self._call(read, now)
        if isinstance(value, str):
            return {"kind": "text", "text": value[:TEXT], "unit": self.unit}
        cells = list(self._cells.values())
        if cells and read is None:
            value = (value or 0) + sum(cells)
        return {"kind": "gauge", "value": _finite(value), "unit": self.unit, "agg": self.agg}

    def _call(self, read, now):
        """Return the result of the program's function; of a slow one, mostly the last result."""
        if now < self._next_at:
            return self._value
        started = _clock()
        value, error = _attempt(read)
        took = _clock() - started
        if error is not None:
            _fault("metric %s: %s" % (self.name, _error_text(error)))
        if took > _SLOW_S:
            _fault("metric %s: its function takes %.0f ms" % (self.name, took * 1e3))
            self._next_at = now + _SLOW_AGAIN_S
        if not (value is None or isinstance(value, (str, int, float))):
            value = _number(value, self.name)
        self._value = value
        return value


class Histogram(_Metric):
    """The distribution of many values; made by `histogram`. Percentiles are off by 1.6 % at
    most."""

    def __init__(self, name, unit):
        _Metric.__init__(self, name, unit)
        self._reset()

    def observe(self, value):
        """Count one value."""
        kind = type(value)
        if kind is not float and kind is not int:
            value = _number(value, self.name)
        if value is None or not -LARGEST < value < LARGEST:
            self._fault(value)
            return
        fraction, exponent = frexp(value)
        # see ``_monit_probe/buckets.py``
        bucket = (exponent << 5) + int(fraction * 64.0) + 2048
        if value < _TINY or bucket > _LAST:
            bucket = _outer_bucket(value)
        cell = self._cells.get(_get_ident())
        if cell is None:
            cell = self._cells[_get_ident()] = [0.0, {}]
        cell[0] += value
        counts = cell[1]
        counts[bucket] = counts.get(bucket, 0) + 1

    def time(self):
        """Return a context manager that observes how long its body took: in seconds, or in the
        histogram's unit (``ms`` ``us`` ``ns``)."""
        self.unit = self.unit or "s"
        return _Timer(self, _PER_SECOND.get(self.unit, 1.0))

    def _report(self, now, most=BUCKETS):
        total, so_far = 0.0, {}
        for share, counts in list(self._cells.values()):
            total += share
            for bucket, count in list(counts.items()):
                so_far[bucket] = so_far.get(bucket, 0) + count
        received = self._received
        new = sorted([bucket for bucket, n in so_far.items() if n > received.get(bucket, 0)])
        if len(new) > most:
            first = bisect_right(new, self._last_bucket)
            new = (new[first:] + new[:first])[:most]
            self._last_bucket = new[-1]
            new.sort()
        self._reported = {bucket: so_far[bucket] for bucket in new}
        packed, before = [], 0
        for bucket in new:
            packed += (bucket - before, so_far[bucket] - received.get(bucket, 0))
            before = bucket
        return {
            "kind": "histogram", "unit": self.unit, "count": sum(so_far.values()),
            "sum": _finite(total) or 0.0, "buckets": packed,
        }  # fmt: skip

    def _reset(self):
        _Metric._reset(self)
        self._received, self._reported, self._last_bucket = {}, {}, 0


def _outer_bucket(value):
    """Return the bucket of a value that is not above zero, or very small or very large."""
    if -_TINY < value < _TINY:
        return 0
    fraction, exponent = frexp(abs(value))
    bucket = min((exponent << 5) + int(fraction * 64.0) + 2048, _LAST)
    return bucket if value > 0 else -bucket


class _Timer(object):
    """Measures the body of one ``with histogram.time():``."""

    __slots__ = ("_histogram", "_scale", "_started")

    def __init__(self, histogram, scale):
        self._histogram, self._scale = histogram, scale

    def __enter__(self):
        self._started = _clock()
        return self

    def __exit__(self, *error):
        self._histogram.observe((_clock() - self._started) * self._scale)


class AppAction(object):
    """A function that can be triggered, and where it must run."""

    def __init__(self, function, help, in_loop):
        self.function, self.help, self.in_loop = function, help[:TEXT], in_loop
        self.loop = _running_loop()
        self.mask = _signal_mask()


def _running_loop():
    events = sys.modules.get("asyncio.events")
    return events._get_running_loop() if events is not None else None


def _signal_mask():
    """Return which signals this thread blocks, as a thread that it starts would."""
    signals = sys.modules.get("_signal")
    if signals is None or not hasattr(signals, "pthread_sigmask"):
        return None
    return signals.pthread_sigmask(signals.SIG_BLOCK, ())


def _finite(value):
    """Return a number that JSON can express, else None."""
    return value if value is not None and -LARGEST < value < LARGEST else None


def _report_metrics(now):
    """Return the report's part about metrics; called by the probe's thread."""
    metrics = list(_metrics.items())
    most = max(50, BUCKETS // max(1, sum(type(each) is Histogram for _, each in metrics)))
    return {
        name: metric._report(now, most) if type(metric) is Histogram else metric._report(now)
        for name, metric in metrics
    }


def _report_received():
    """Note that what was reported last was received; called by the probe's thread."""
    for metric in list(_metrics.values()):
        if type(metric) is Histogram:
            metric._received.update(metric._reported)
            metric._reported = {}


def _reset():
    for metric in list(_metrics.values()):
        metric._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
