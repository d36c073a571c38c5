# pyright: basic
"""Profiles: where the threads are and what they use, and what grows in memory.

Loaded when a profile is requested. The probe's own thread samples: a second one would make Python
warn at each fork. A sample holds the GIL for about 50 µs, and 80 µs with 20 threads; nothing of the
program is kept but names of files and functions.
"""

import json
import os
import sys
import time

from _monit_probe.basics import clock, get_ident, is_own, load, thread_time

SAMPLE_S = 0.02
"""Mean distance of two samples. It varies by a quarter, so as not to fall in step with a timer."""
WINDOW_S = 0.001
SWITCH_S = 0.0005
"""Python's switch interval while a profile is made. With the usual 5 ms, a thread that computes
for less until it waits is never seen computing, because the probe gets no turn before."""
STACKS, FRAMES = 5000, 200
"""Different stacks, and frames of one, that are kept; what is more is counted."""
SECONDS = 60.0

_clock_gettime, _process_time = time.clock_gettime, time.process_time


class CpuProfile:
    """Adds up wall time and CPU time of all threads by stack.

    A sample is two looks, `WINDOW_S` apart: a thread uses the CPU as far as its CPU time grows from
    the first to the second, which has the stacks. So a thread counts that lives for one request
    only, and not for what it did before. The time stands for the time since the last sample.
    """

    def __init__(self, probe, seconds):
        self._probe = probe
        now = clock()
        self._started = self._sampled = self.next_at = now
        self.until = now + min(seconds, SECONDS)
        self._functions = {}
        self._stacks = {}
        """[wall seconds, CPU seconds] by (functions outermost first, line)."""
        self._looked = None
        """The time of the first look of a pair, and number and CPU seconds of each thread then."""
        self._samples = self._dropped = 0
        self._random = int(now * 1e6) & 0xFFFF
        self._cpu_before = _process_cpu()
        self._switch_s = sys.getswitchinterval()
        if self._switch_s > SWITCH_S:
            sys.setswitchinterval(SWITCH_S)

    def end(self):
        """Undo what was changed for the time of the profile."""
        if self._switch_s > SWITCH_S and abs(sys.getswitchinterval() - SWITCH_S) < 1e-9:
            sys.setswitchinterval(self._switch_s)

    def sample(self, now):
        """Take the first or the second look of a sample."""
        frames = sys._current_frames()
        tids = _native_ids(self._probe.main_ident)
        cpu = {ident: (tids.get(ident), _thread_cpu(tids.get(ident))) for ident in frames}
        now = clock()
        if self._looked is None:
            self._looked = now, cpu
            self.next_at = now + WINDOW_S
            return
        (before, cpu_before), self._looked = self._looked, None
        passed, self._sampled = now - self._sampled, now
        self._random = (self._random * 25173 + 13849) & 0xFFFF
        self.next_at = now + SAMPLE_S * (0.75 + self._random / 131072.0) - WINDOW_S
        del frames[get_ident()]
        for ident, frame in frames.items():
            tid, seconds = cpu[ident]
            tid_before, old = cpu_before.get(ident, (None, 0.0))
            share = 0.0
            if seconds is not None:
                # one that was not there at the first look has used all of it since
                grown = seconds - (old or 0.0) if tid == tid_before else seconds
                share = min(1.0, max(0.0, grown / (now - before)))
            self._count(frame, passed, share * passed)
        self._samples += 1

    def _count(self, frame, wall, cpu):
        functions, line = [], None
        while frame is not None and len(functions) < FRAMES:
            code = frame.f_code
            if not is_own(code):
                if line is None:
                    line = frame.f_lineno or 0
                name = getattr(code, "co_qualname", code.co_name)
                key = (code.co_filename, name, code.co_firstlineno)
                functions.append(self._functions.setdefault(key, len(self._functions)))
            frame = frame.f_back
        if not functions:
            return
        key = (tuple(functions), line)
        sums = self._stacks.get(key)
        if sums is None:
            if len(self._stacks) >= STACKS:
                self._dropped += 1
                return
            sums = self._stacks[key] = [0.0, 0.0]
        sums[0] += wall
        sums[1] += cpu

    def result(self):
        """Return the profile as plain data; times are in microseconds."""
        return {
            "kind": "cpu",
            "seconds": self._sampled - self._started,
            "samples": self._samples,
            "dropped": self._dropped,
            "cpu": max(0.0, _process_cpu() - self._cpu_before),
            "functions": list(self._functions),
            "stacks": [
                [functions[::-1], line, round(wall * 1e6), round(cpu * 1e6)]
                for (functions, line), (wall, cpu) in self._stacks.items()
            ],
        }


def _process_cpu():
    """Return the CPU seconds of this process without those of the probe's thread."""
    return _process_time() - thread_time()


def _native_ids(main_ident):
    """Return the kernel's number of each thread that is known, by ident."""
    active = getattr(sys.modules.get("threading"), "_active", {})
    tids = {
        ident: getattr(thread, "__dict__", {}).get("_native_id")
        for ident, thread in list(active.items())
    }
    tids[main_ident] = os.getpid()
    return tids


def _thread_cpu(tid):
    """Return the CPU seconds of a thread of this process; None if that is unknown.

    By the kernel's number: what takes an ident reads memory of a thread that may be gone.
    """
    if not tid or not sys.platform.startswith("linux"):
        return None
    try:
        return _clock_gettime(~tid << 3 | 6)
    except OSError:
        return None


class ProfileMaker:
    """Makes one profile at a time."""

    def __init__(self, probe):
        self._probe = probe
        self._profile = None
        """(the profile that is being made, its file, what is called when that is written)"""
        self._agent = ""

    def start(self, arguments, agent, done):
        """Begin a profile; ``done(ok, value)`` is called when it is written, or cannot be made.

        One that another ``agent`` requested is given up: that agent is gone, and nobody waits.
        """
        kind, seconds, path = arguments
        if agent != self._agent:
            self.end()
        self._agent = agent
        if self._profile is not None:
            done(False, "a profile of this process is being made already")
        elif kind == "cpu":
            self._profile = CpuProfile(self._probe, float(seconds)), path, done
        elif kind == "memory":
            load("growth")
            from _monit_probe.growth import MemoryProfile

            self._profile = MemoryProfile(float(seconds)), path, done
        else:
            done(False, "this probe makes no %s profile" % kind)

    def sample_at(self):
        """Return when a profile must be sampled, or is complete; None without one."""
        profile = self._profile[0] if self._profile is not None else None
        return min(profile.next_at, profile.until) if profile is not None else None

    def sample(self, now):
        """Sample for the profile that is being made, and write it at its end."""
        if self._profile is None:
            return
        profile, path, done = self._profile
        if now < profile.until:
            if now >= profile.next_at:
                profile.sample(now)
            return
        self.end()
        try:
            value = write(profile, path)
        except OSError as error:
            done(False, str(error))
        else:
            done(True, value)

    def end(self):
        """End a profile that is being made: it is complete, given up, or this process was just
        forked."""
        if self._profile is not None:
            self._profile[0].end()
            self._profile = None


def write(profile, path):
    """Write what a profile found to the file ``path``, as a whole or not at all."""
    data = json.dumps(profile.result()).encode("ascii")
    partial = path + ".part"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)
    os.rename(partial, path)
    return {"bytes": len(data)}
