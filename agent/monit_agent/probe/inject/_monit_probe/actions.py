# pyright: basic
"""Runs actions: the program's own, and two that every program has.

Loaded with the first request. The program is not disturbed: an action runs in a thread of its own
or in the event loop, never in the probe's thread. What it raises is its answer, and is printed
nowhere.
"""

import collections
import gc
import json
import os
import sys

from _monit_probe.basics import clock, is_own, load, signals, start_thread

REQUEST_BYTES = 256 * 1024
RUNNING = 16
"""Actions that may run at once."""
ANSWERS = 64
"""Answers that may wait to be sent."""
VALUE = 30000
"""Characters of one answer, all ASCII: with what is around it, it fits into a datagram."""
ERROR = 4000
"""Characters of an error, which need not be ASCII."""
FRAMES = 40
HURRY_S = 1.0
"""For so long after the start of an action the thread wakes up more often than usual."""


def _attempt(function, *arguments):
    """Call ``function``; return (True, its result) or (False, its error)."""
    try:
        return True, function(*arguments)
    except BaseException as error:
        return False, error


class ActionRunner:
    """Starts requested actions, and keeps the answers until they were sent.

    ``actions`` returns the program's own by name (`monit_probe.AppAction`).
    """

    def __init__(self, probe, actions):
        self.answers = collections.deque(maxlen=ANSWERS)
        self._probe, self._actions = probe, actions
        self._running = {}
        self._tasks = {}
        self._hurry_until = 0.0
        self.profiles = None
        """A `profiles.ProfileMaker`, once a profile was requested."""

    def start_requested(self, path):
        """Remove the file of requests at ``path``, and start the actions in it."""
        own_path = path + ".taken"
        try:
            os.rename(path, own_path)  # from now on the agent may write the next one
        except OSError:
            return  # the agent has given up and removed it
        try:
            with open(own_path, "rb") as file:
                raw = file.read(REQUEST_BYTES)
        finally:
            os.unlink(own_path)
        for line in raw.splitlines():
            request = json.loads(line)
            if request.get("request") == "action":
                self._start(request["id"], request["name"], request["args"])
            elif request.get("request") == "profile":
                self._request_profile(request["id"], request["args"])

    def expects_answer(self):
        """Return whether an answer is likely to come soon."""
        return bool(self.answers or self._running) and clock() < self._hurry_until

    def _start(self, number, name, args):
        action = self._actions().get(name)
        self._hurry_until = clock() + HURRY_S
        if action is None and name == "stacks":
            # in this thread: a program may be so blocked that a new thread would not get to run
            own = self._probe.run.__code__
            self._answer(number, *_attempt(_stacks, self._probe.main_ident, own))
            return
        function = action.function if action is not None else {"gc": _collect}.get(name)
        if function is None:
            self._answer(number, False, "this process has no action called %s" % name)
        elif len(self._running) >= RUNNING:
            self._answer(number, False, "%d actions are running in this process already" % RUNNING)
        else:
            key = object()
            self._running[key] = number
            if action is not None and action.in_loop:
                self._call_in_loop(key, action, lambda: self._run(key, action, function, args))
            else:
                start_thread(self._run_in_thread, (key, action, function, args))

    def _request_profile(self, number, arguments):
        if self.profiles is None:
            load("profiles")
            from _monit_probe.profiles import ProfileMaker

            self.profiles = ProfileMaker(self._probe)

        def done(ok, value):
            self._hurry_until = clock() + HURRY_S
            self._answer(number, ok, value)

        self.profiles.start(arguments, number.rpartition(".")[0], done)

    def _run_in_thread(self, key, action, function, args):
        if action is not None and action.mask is not None:
            # the probe's thread blocks every signal, and so would what the action starts
            signals.pthread_sigmask(signals.SIG_SETMASK, action.mask)
        self._run(key, action, function, args)

    def _run(self, key, action, function, args):
        ok, result = _attempt(function, *args)
        if ok and hasattr(type(result), "__await__"):
            if not self._call_in_loop(key, action, lambda: self._make_task(key, result)):
                # otherwise Python warns that it was never awaited
                getattr(result, "close", bool)()
        else:
            self._finish(key, ok, result)

    # -- in the event loop

    def _call_in_loop(self, key, action, call):
        """Have ``call`` called in the loop; False, and answered, if that is impossible."""
        loop = self._find_loop(action)
        if loop is None:
            self._finish(key, False, "no event loop is running in this process")
            return False
        ok, result = _attempt(loop.call_soon_threadsafe, call)
        if not ok:
            self._finish(key, False, result)
        return ok

    def _find_loop(self, action):
        """Return the loop that ran where the action was defined, else the main thread's."""
        if action is not None and action.loop is not None and not action.loop.is_closed():
            return action.loop
        registry = self._probe.parts.loops
        loops = [each for each in registry.all() if each.running] if registry is not None else []
        loops = [each for each in loops if each.way != "trio"]
        loops.sort(key=lambda each: each.ident != self._probe.main_ident)
        return loops[0].loop if loops else None

    def _make_task(self, key, awaitable):
        ok, error = _attempt(self._ensure_future, key, awaitable)
        if not ok:
            self._finish(key, False, error)

    def _ensure_future(self, key, awaitable):
        task = sys.modules["asyncio"].ensure_future(awaitable)
        self._tasks[key] = task  # a loop keeps its tasks by weak references only
        task.add_done_callback(lambda task: self._finish(key, *_attempt(task.result)))

    # -- results

    def _finish(self, key, ok, result):
        self._tasks.pop(key, None)
        number = self._running.pop(key, None)
        if number is not None:
            self._answer(number, ok, result)

    def _answer(self, number, ok, result):
        if ok:
            ok, result = _attempt(_to_json, result)
        text = result if isinstance(result, str) else _error_text(result)
        self.answers.append({"id": number, "ok": ok, "value": text if ok else text[:ERROR]})


def _error_text(error):
    """Return an error as text; its ``__str__`` is the program's and may raise."""
    ok, text = _attempt(str, error)
    name = type(error).__name__
    return "%s: %s" % (name, text) if ok and text else name


def _to_json(value):
    text = json.dumps(value, default=repr)
    start = value if isinstance(value, str) else text
    while len(text) > VALUE:
        start = start[: min(VALUE, len(start) * 3 // 4)]
        text = json.dumps(start + " ... (cut)")
    return text


# ------------------------------------------------------ the actions of every program


def _collect():
    """Collect garbage."""
    started = clock()
    found = gc.collect()
    took = clock() - started
    return {"collected": found, "uncollectable": len(gc.garbage), "ms": round(took * 1e3, 1)}


def _stacks(main_ident, own):
    """Return what every thread of the program is doing, the main thread first; ``own`` is the code
    of the probe's thread."""
    active = getattr(sys.modules.get("threading"), "_active", {})
    names = {main_ident: "MainThread"}
    names.update((ident, str(thread.name)) for ident, thread in list(active.items()))
    frames = sys._current_frames()
    rows, size = [], 0
    for ident in sorted(frames, key=lambda each: (each != main_ident, names.get(each, ""), each)):
        stack = _stack(frames[ident], own)
        if not stack:
            continue
        row = {"thread": names.get(ident, "thread %d" % ident), "stack": stack}
        size += len(json.dumps(row)) + 2
        if size > VALUE - 100:
            rows.append({"threads_left_out": len(frames) - len(rows)})
            break
        rows.append(row)
    return rows


def _stack(frame, own):
    """Return the program's frames of a thread, innermost first; [] for the probe's thread."""
    rows, outermost = [], None
    while frame is not None:
        code = outermost = frame.f_code
        if not is_own(code):
            name = getattr(code, "co_qualname", code.co_name)
            rows.append({"file": code.co_filename, "line": frame.f_lineno or 0, "function": name})
        frame = frame.f_back
    if outermost is own:
        return []
    return rows if len(rows) <= FRAMES else rows[: FRAMES - 1] + rows[-1:]
