"""What the agent asks a Python program to do, done: its own actions, and two of ours.

Brought in when somebody asks for the first time. The program is not disturbed: an action runs in
a thread of its own or in the event loop, never in the probe's thread; what it raises is its
answer and is printed nowhere.
"""

import _signal
import _thread
import collections
import gc
import json
import os
import sys
import time

ASK_BYTES = 256 * 1024
RUNNING = 16
"""Actions that may run at once."""
ANSWERS = 64
"""Answers that may wait to be sent."""
VALUE = 30000
"""Characters of one answer, all ASCII: with what it is wrapped in, it fits into a datagram."""
ERROR = 4000
"""Characters of an error, which need not be ASCII."""
FRAMES = 40
HURRY_S = 1.0
"""For so long after an action began its end is looked for more often than usual."""

_start_thread = _thread.start_new_thread
_clock = time.perf_counter


def _attempt(function, *arguments):
    """Call ``function``; give (True, what it gave) or (False, its error)."""
    try:
        return True, function(*arguments)
    except BaseException as error:
        return False, error


class Desk(object):
    """Takes what is asked, and keeps the answers until they were sent.

    ``actions`` gives the program's by name (`monit_probe.Action`), ``loops`` the event loops that
    the probe knows; ``main`` is the main thread; ``own_file`` tells the probe's thread from the
    program's.
    """

    def __init__(self, actions, loops, main, own_file):
        self.answers = collections.deque(maxlen=ANSWERS)
        self._actions, self._loops = actions, loops
        self._main, self._own_file = main, own_file
        self._running = {}
        self._tasks = {}
        self._hurry_until = 0.0

    def take(self, path):
        """Read the file of requests at ``path`` away, and begin what they ask for."""
        taken = path + ".taken"
        try:
            os.rename(path, taken)  # from now on the agent may write the next one
        except OSError:
            return  # given up and taken back by the agent
        try:
            with open(taken, "rb") as file:
                raw = file.read(ASK_BYTES)
        finally:
            os.unlink(taken)
        for line in raw.splitlines():
            ask = json.loads(line)
            if ask.get("ask") == "action":
                self._begin(ask["id"], ask["name"], ask["args"])

    def busy(self):
        """Say whether an answer is likely to come soon."""
        return bool(self.answers or self._running) and _clock() < self._hurry_until

    def _begin(self, number, name, args):
        action = self._actions().get(name)
        self._hurry_until = _clock() + HURRY_S
        if action is None and name == "stacks":
            # at once and here: a program may be so stuck that a new thread would not get to run
            self._answer(number, *_attempt(_stacks, self._main, self._own_file))
            return
        function = action.function if action is not None else {"gc": _collect}.get(name)
        if function is None:
            self._answer(number, False, "this process has no action called %s" % name)
        elif len(self._running) >= RUNNING:
            self._answer(number, False, "%d actions are running in it already" % RUNNING)
        else:
            key = object()
            self._running[key] = number
            if action is not None and action.in_loop:
                self._call_in_loop(key, action, lambda: self._run(key, action, function, args))
            else:
                _start_thread(self._run_in_thread, (key, action, function, args))

    def _run_in_thread(self, key, action, function, args):
        if action is not None and action.mask is not None:
            # the probe's thread blocks every signal, and so would what the action starts
            _signal.pthread_sigmask(_signal.SIG_SETMASK, action.mask)
        self._run(key, action, function, args)

    def _run(self, key, action, function, args):
        ok, result = _attempt(function, *args)
        if ok and hasattr(type(result), "__await__"):
            if not self._call_in_loop(key, action, lambda: self._make_task(key, result)):
                getattr(result, "close", bool)()  # or Python complains that nobody awaited it
        else:
            self._done(key, ok, result)

    # -- in the event loop

    def _call_in_loop(self, key, action, call):
        """Have ``call`` called in the loop; False, and answered, when that cannot be."""
        loop = self._loop(action)
        if loop is None:
            self._done(key, False, "no event loop is running in this process")
            return False
        ok, result = _attempt(loop.call_soon_threadsafe, call)
        if not ok:
            self._done(key, False, result)
        return ok

    def _loop(self, action):
        """Give the loop that ran where the action was defined, else the main thread's."""
        if action is not None and action.loop is not None and not action.loop.is_closed():
            return action.loop
        known = [each for each in self._loops() if each.running and each.way != "trio"]
        known.sort(key=lambda each: each.ident != self._main)
        return known[0].loop if known else None

    def _make_task(self, key, awaitable):
        ok, task = _attempt(sys.modules["asyncio"].ensure_future, awaitable)
        if ok:
            self._tasks[key] = task  # a loop keeps its tasks by weak references only
            task.add_done_callback(lambda task: self._done(key, *_attempt(task.result)))
        else:
            self._done(key, False, task)

    # -- what came of it

    def _done(self, key, ok, result):
        self._tasks.pop(key, None)
        number = self._running.pop(key, None)
        if number is not None:
            self._answer(number, ok, result)

    def _answer(self, number, ok, result):
        if ok:
            ok, result = _attempt(_json_of, result)
        text = result if isinstance(result, str) else _said(result)
        self.answers.append({"id": number, "ok": ok, "value": text if ok else text[:ERROR]})


def _said(error):
    """Give an error in words; its ``__str__`` is the program's and may raise in turn."""
    ok, text = _attempt(str, error)
    name = type(error).__name__
    return "%s: %s" % (name, text) if ok and text else name


def _json_of(value):
    text = json.dumps(value, default=repr)
    start = value if isinstance(value, str) else text
    while len(text) > VALUE:
        start = start[: min(VALUE, len(start) * 3 // 4)]
        text = json.dumps(start + " ... (cut)")
    return text


def _collect():
    """Collect garbage."""
    began = _clock()
    found = gc.collect()
    took = _clock() - began
    return {"collected": found, "uncollectable": len(gc.garbage), "ms": round(took * 1e3, 1)}


def _stacks(main, own_file):
    """Give what every thread of the program is doing, the main thread first."""
    active = getattr(sys.modules.get("threading"), "_active", {})
    names = {main: "MainThread"}
    names.update((ident, str(thread.name)) for ident, thread in list(active.items()))
    frames = sys._current_frames()
    rows, size = [], 0
    for ident in sorted(frames, key=lambda each: (each != main, names.get(each, ""), each)):
        stack = _stack(frames[ident], own_file)
        if not stack:
            continue
        row = {"thread": names.get(ident, "thread %d" % ident), "stack": stack}
        size += len(json.dumps(row)) + 2
        if size > VALUE - 100:
            rows.append({"threads_left_out": len(frames) - len(rows)})
            break
        rows.append(row)
    return rows


def _stack(frame, own_file):
    """Give the frames of a thread, innermost first, without ours; [] for the probe's thread."""
    rows, file = [], ""
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if file != own_file:
            name = getattr(code, "co_qualname", code.co_name)
            rows.append({"file": file, "line": frame.f_lineno or 0, "function": name})
        frame = frame.f_back
    if file == own_file:
        return []
    return rows if len(rows) <= FRAMES else rows[: FRAMES - 1] + rows[-1:]
