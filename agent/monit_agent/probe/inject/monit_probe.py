"""A program's own metrics and actions, for monit to show and to trigger.

    import monit_probe

    orders = monit_probe.counter("orders")                    # orders.inc()
    queue = monit_probe.gauge("queue", waiting.qsize)         # or queue.set(12)
    baking = monit_probe.histogram("baking", unit="ms")       # with baking.time(): ...

    @monit_probe.action("clear", help="Empty the cache.")     # monit trigger web clear
    def clear(*words): ...

Can be imported by what runs below monit, also where the probe is switched off: then nothing is told
to anybody. ``probe/README.md`` has the lines for everywhere else. Definitions raise TypeError
and ValueError for what cannot be; using what was defined never raises: a value that is no number
is counted as a fault, which `monit describe` shows. All of it is thread-safe, takes no lock, and
begins from nothing in a process that was forked.
"""

import _thread
import os
import sys
import time
from math import floor, log2

METRICS, ACTIONS = 100, 50
"""More of them are not told to anybody."""
NAME, TEXT = 80, 200
"""Characters of a name, of a unit and of a text."""
LARGEST = 1e300
_AGGREGATES = ("avg", "sum", "max", "min")
_PER_SECOND = {"ms": 1e3, "us": 1e6, "\xb5s": 1e6, "\u03bcs": 1e6, "ns": 1e9}
_SLOW_S, _SLOW_AGAIN_S = 0.005, 10.0
"""A gauge's function that takes longer than the first is asked again after the second."""

# the thread's, also where gevent came before us and means greenlets by it: those are many, and one
# of them is never interrupted while it counts
_get_ident = getattr(sys.modules.get("_monit_probe"), "_get_ident", _thread.get_ident)
_clock = time.perf_counter
_metrics = {}
_actions = {}


class _Faults:
    """What was done wrong so far; the probe tells it."""

    count = 0
    last = ""


def gauge(name, value=None, unit="", agg="avg"):
    """Give the gauge called ``name``: something that goes up and down, or a text.

    ``value`` is a number, a text, or a function without arguments that gives one of them. The
    function is called once a second in a thread of the probe's: it must be safe there, return at
    once and wait for nobody. ``agg`` says how the processes of one instance combine: ``avg``
    ``sum`` ``max`` ``min``.
    """
    if agg not in _AGGREGATES:
        raise ValueError("agg is one of %s, not %r" % (" ".join(_AGGREGATES), agg))
    found = _defined(Gauge, name, unit)
    found.agg = agg
    if value is not None:
        found.set(value)
    return found


def counter(name, unit=""):
    """Give the counter called ``name``: something that only grows. monit shows its rate."""
    return _defined(Counter, name, unit)


def histogram(name, unit=""):
    """Give the histogram called ``name``: of many values, monit shows mean and percentiles."""
    return _defined(Histogram, name, unit)


def action(name, function=None, help="", in_loop=False):
    """Let ``monit trigger`` call ``function``, with the words of its command line as arguments.

    Also a decorator: ``@action("name")``, ``@action``. What the function returns is shown as JSON.
    It runs in a thread of its own; a coroutine runs in the event loop, and so does a function
    that is defined with ``in_loop``. A newer one of the same name takes the older one's place.
    """
    if callable(name):
        name, function = name.__name__, name
    _check("an action's name", name)
    if not isinstance(help, str):
        raise TypeError("an action's help is a text, not %r" % (help,))

    def define(function):
        if not callable(function):
            raise TypeError("an action is something to call, not %r" % (function,))
        if name in _actions or len(_actions) < ACTIONS:
            _actions[name] = Action(function, help or _first_line(function), in_loop)
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


def _tried(function, *arguments):
    """Call what is the program's own; give what it gave and None, or None and its error."""
    try:
        return function(*arguments), None
    except BaseException as error:
        return None, error


def _number(value, name):
    """Give ``value`` as a float, None if it is no number."""
    number, error = _tried(float, value)
    if error is not None:
        _fault("metric %s: a %s is no number: %s" % (name, type(value).__name__, _said(error)))
    return number


def _said(error):
    """Give an error in words; its own ``__str__`` is the program's and may raise in turn."""
    text, worse = _tried(str, error)
    name = type(error).__name__
    return "%s: %s" % (name, text) if worse is None and text else name


class _Metric(object):
    """What all metrics have. Each thread counts in a cell of its own, so that no two ever change
    the same one and nobody needs a lock."""

    def __init__(self, name, unit):
        self.name, self.unit = name, unit
        self._cells = {}

    def _fault(self, value):
        if value is not None:  # what is no number was told already
            _fault("metric %s: %r cannot be counted" % (self.name, value))

    def _begin_anew(self):
        self._cells = {}


class Counter(_Metric):
    """Made by `counter`."""

    def inc(self, n=1):
        """Count ``n`` more; not less than 0."""
        kind = type(n)
        if kind is not int and kind is not float:
            n = _number(n, self.name)
        if n is not None and 0 <= n < LARGEST:
            cells, ident = self._cells, _get_ident()
            cells[ident] = cells.get(ident, 0) + n
        else:
            self._fault(n)

    def _words(self, now):
        return {"kind": "counter", "value": _told(sum(list(self._cells.values()))),
                "unit": self.unit}  # fmt: skip


class Gauge(_Metric):
    """Made by `gauge`."""

    agg = "avg"

    def __init__(self, name, unit):
        _Metric.__init__(self, name, unit)
        self._value = self._read = None
        self._next_at = 0.0

    def set(self, value):
        """Make it ``value``: a number, a text, None for unknown, or a function that gives it."""
        kind = type(value)
        if kind is float or kind is int or kind is str or value is None:
            self._cells, self._read, self._value = {}, None, value
        elif callable(value):
            self._read, self._next_at = value, 0.0
        else:
            self._cells, self._read, self._value = {}, None, _number(value, self.name)

    def inc(self, n=1):
        """Make it ``n`` more."""
        kind = type(n)
        if kind is not int and kind is not float:
            n = _number(n, self.name)
        if n is not None and -LARGEST < n < LARGEST:
            cells, ident = self._cells, _get_ident()
            cells[ident] = cells.get(ident, 0) + n
        else:
            self._fault(n)

    def dec(self, n=1):
        """Make it ``n`` less."""
        number = _number(n, self.name)
        if number is not None:
            self.inc(-number)

    def _begin_anew(self):
        self._cells, self._value = {}, None

    def _words(self, now):
        read = self._read
        value = self._value if read is None else self._asked(read, now)
        if isinstance(value, str):
            return {"kind": "text", "text": value[:TEXT], "unit": self.unit}
        cells = list(self._cells.values())
        if cells and read is None:
            value = (value or 0) + sum(cells)
        return {"kind": "gauge", "value": _told(value), "unit": self.unit, "agg": self.agg}

    def _asked(self, read, now):
        """Ask the program's function; a slow one rarely, and what it said is told meanwhile."""
        if now < self._next_at:
            return self._value
        began = _clock()
        value, error = _tried(read)
        took = _clock() - began
        if error is not None:
            _fault("metric %s: %s" % (self.name, _said(error)))
        if took > _SLOW_S:
            _fault("metric %s: its function takes %.0f ms" % (self.name, took * 1e3))
            self._next_at = now + _SLOW_AGAIN_S
        if not (value is None or isinstance(value, (str, int, float))):
            value = _number(value, self.name)
        self._value = value
        return value


class Histogram(_Metric):
    """Made by `histogram`."""

    def observe(self, value):
        """Count one value."""
        kind = type(value)
        if kind is not float and kind is not int:
            value = _number(value, self.name)
        if value is None or not -LARGEST < value < LARGEST:
            self._fault(value)
            return
        # bucket i has what lies in [2 ** ((i - 1) / 4), 2 ** (i / 4))
        bucket = max(-120, min(120, floor(4.0 * log2(value)) + 1)) if value > 0 else -128
        cell = self._cells.get(_get_ident())
        if cell is None:
            cell = self._cells[_get_ident()] = [0.0, {}]
        cell[0] += value
        cell[1][bucket] = cell[1].get(bucket, 0) + 1

    def time(self):
        """Give a context manager that observes how long its body took: in seconds, or in what
        the unit says (``ms`` ``us`` ``ns``)."""
        self.unit = self.unit or "s"
        return _Timed(self, _PER_SECOND.get(self.unit, 1.0))

    def _words(self, now):
        total, buckets = 0.0, {}
        for share, counts in list(self._cells.values()):
            total += share
            for bucket, count in list(counts.items()):
                buckets[bucket] = buckets.get(bucket, 0) + count
        return {
            "kind": "histogram", "unit": self.unit, "count": sum(buckets.values()),
            "sum": _told(total) or 0.0, "buckets": [[b, buckets[b]] for b in sorted(buckets)],
        }  # fmt: skip


class _Timed(object):
    """The body of one ``with histogram.time():``."""

    __slots__ = ("_began", "_histogram", "_scale")

    def __init__(self, histogram, scale):
        self._histogram, self._scale = histogram, scale

    def __enter__(self):
        self._began = _clock()
        return self

    def __exit__(self, *error):
        self._histogram.observe((_clock() - self._began) * self._scale)


class Action(object):
    """A function that can be triggered, and where it is to run."""

    def __init__(self, function, help, in_loop):
        self.function, self.help, self.in_loop = function, help[:TEXT], in_loop
        self.loop = _running_loop()
        self.mask = _signal_mask()


def _running_loop():
    events = sys.modules.get("asyncio.events")
    return events._get_running_loop() if events is not None else None


def _signal_mask():
    """Give which signals this thread blocks: a thread that it made would block the same."""
    signal = sys.modules.get("_signal")
    mask = getattr(signal, "pthread_sigmask", None)
    return mask(signal.SIG_BLOCK, ()) if mask is not None else None


def _told(value):
    """Give a number that can be told, else None."""
    return value if value is not None and -LARGEST < value < LARGEST else None


def _metrics_now(now):
    """Give what the report says of all metrics; called by the probe's thread."""
    return {name: metric._words(now) for name, metric in list(_metrics.items())}


def _begin_anew():
    for metric in list(_metrics.values()):
        metric._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
