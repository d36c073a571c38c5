"""What a profile is of, in words; how long one takes. Pure."""

import os
import re
from typing import Literal

from monit_agent.client.profiles.cpu import CpuProfileData
from monit_agent.client.text.format import format_percent
from monit_agent.wire.messages import ProfilePart

SECONDS = 10.0
"""Length of a profile for which nothing else is requested."""

MARGIN_S = 35.0
"""Extra time for the answer: py-spy may take 20 s to read symbols, and then the probe begins."""

_BY_PY_SPY = "collapsed"
"""The form of its profiles."""

_PACKAGES = "/site-packages/", "/dist-packages/", "/node_modules/"

_LIBRARY = re.compile(r"^.*/lib(?:64)?/python\d[^/]*/")
"""Where the standard library of Python is."""

_RUNTIME = "node:", "internal/", "<"
"""Beginnings of the names of files that are part of an interpreter."""

CodeOwner = Literal["app", "package", "runtime"]
"""Whose code a function is: the app's own, of an installed package, of the interpreter."""


def cpu_summary(profile: CpuProfileData) -> str:
    """Return what a CPU profile is of, in a few words."""
    cpu_s = profile.cpu_s if profile.process_cpu_s is None else profile.process_cpu_s
    words = [f"{profile.seconds:.1f} s by {profile.tool}"]
    if profile.samples is not None:
        words.append(f"{profile.samples} samples")
    share = format_percent(100.0 * cpu_s / profile.seconds) if profile.seconds else "-"
    words.append(f"{cpu_s:.2f} s of CPU ({share} of a core)")
    if profile.dropped:
        words.append(f"{profile.dropped} samples of too many different stacks left out")
    return ", ".join(words)


def note_text(part: ProfilePart) -> str:
    """Return what the agent remarks about a profile; ""."""
    if not part.note or part.form == _BY_PY_SPY:
        return part.note
    return f"made by the probe: {part.note}"


def place_text(file: str, line: int, cwd: str) -> str:
    """Return ``file:line``, as short as it is clear: below the app's folder, in its package
    or in the standard library."""
    short = file
    for folder in _PACKAGES:
        short = short.rpartition(folder)[2]
    if short == file:
        short = _LIBRARY.sub("", file)
    if short == file and file.startswith(cwd.rstrip("/") + "/"):
        short = os.path.relpath(file, cwd)
    return f"{short}:{line}" if line and short else short


def code_owner(file: str) -> CodeOwner:
    """Return whose code is in ``file``."""
    if any(folder in file for folder in _PACKAGES):
        return "package"
    if not file or file.startswith(_RUNTIME) or _LIBRARY.match(file):
        return "runtime"
    return "app"
