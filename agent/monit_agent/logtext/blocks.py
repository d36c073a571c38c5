"""Lines that belong together: what a runtime prints about an exception, as one block.

Known are Python, Node, Java, Go and Rust. The lines must be of one stream of one instance. Which
line of a block says what went wrong depends on the runtime: Python prints it last, Java in its
last ``Caused by``, Node and Go first.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from monit_agent.logtext.expression import SGR

Kind = Literal["python", "node", "java", "go", "rust"]

BLOCK_LINES = 1000
"""Lines of one block at most; a stack of a deep recursion has more, all alike."""

_SOURCE_LINES = 6
"""Lines between the head of an error of Node and its message or stack."""


class Block(NamedTuple):
    """Lines ``start`` to ``stop`` (exclusive). ``kind`` is None for an ordinary line; ``reason`` is
    the number of the line that says what went wrong."""

    start: int
    stop: int
    kind: Kind | None
    reason: int


class _Found(NamedTuple):
    stop: int
    reason: int


_PYTHON = re.compile(rb"[ \t+|]*(?:Exception Group )?Traceback \(most recent call last\):")
_PYTHON_SYNTAX = re.compile(rb"  File \"[^\"]+\", line \d+$")
_PYTHON_RAISED = re.compile(rb"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:: .*|:?$)")
_PYTHON_CHAIN = re.compile(rb"During handling of the above exc|The above exception was the direct")
_GROUP = re.compile(rb"[ ]*[|] ")

_NODE_PLACE = re.compile(rb"(?:node:|file://|/|[A-Za-z]:\\).*:\d+$")
_NODE_CARET = re.compile(rb"\s*\^+\s*$")
_NODE_ERROR = re.compile(rb"(?:Uncaught |\[?Unhandled\w* ?)?[\w$.]*(?:Error|Exception)\b")
_NODE_STACK = re.compile(rb" +at ")
_NODE_MORE = re.compile(rb"[ }\]]|Node\.js v\d|\(Use `node ")

_JAVA = re.compile(
    rb"Exception in thread \""
    rb"|(?:.*[\s:])?(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable)(?:[:\s]|$)"
)
_JAVA_STACK = re.compile(rb"\s+(?:at |\.\.\. \d+ )|\s*(?:Caused by|Suppressed): ")

_SIGNS = (
    b"Traceback (",
    b"Error",
    b"Exception",
    b"Throwable",
    b"panic",
    b"fatal error: ",
    b'  File "',
)
"""Every first line of a block holds one of these, or ends in the number of a line."""

_GO = re.compile(rb"panic: |fatal error: ")
_GO_MORE = re.compile(
    rb"\t|\[signal |goroutine \d|created by |exit status \d|panic: |runtime\.|main\."
    rb"|[\w./*()\-]+\([^)]*\)$|r[0-9a-z]{1,2} +0x"
)

_RUST = re.compile(rb"thread '[^']*'(?: \(\d+\))? panicked at ")
_RUST_MORE = re.compile(rb"\s|note: |stack backtrace:")


def may_hold_blocks(lines: Sequence[bytes]) -> bool:
    """Return False when none of the lines can be the first of a block: about 0.3 µs a line, a tenth
    of `find_blocks`."""
    text = b"\n".join(lines)
    if any(sign in text for sign in _SIGNS):
        return True
    return any(raw[-1:].isdigit() and _NODE_PLACE.match(raw) for raw in lines)


def find_blocks(lines: Sequence[bytes]) -> Iterator[Block]:
    """Yield the blocks of some lines (without newlines), in order; each line is in one of them."""
    bare = [SGR.sub(b"", raw).rstrip(b"\r") if b"\x1b" in raw else raw.rstrip() for raw in lines]
    at = 0
    while at < len(bare):
        kind, found = _stack_at(bare, at)
        yield Block(at, found.stop, kind, found.reason)
        at = found.stop


def _stack_at(lines: Sequence[bytes], at: int) -> tuple[Kind | None, _Found]:
    """Return the block that begins at line ``at``."""
    if may_hold_blocks(lines[at : at + 1]):
        for kind, head, read in _KINDS:
            found = read(lines, at) if head.match(lines[at]) else None
            if found is not None:
                return kind, found
        if _PYTHON_SYNTAX.match(lines[at]):
            found = _python(lines, at)
            if found is not None and found.stop > at + 2:
                return "python", found
    return None, _Found(at + 1, at)


def _python(lines: Sequence[bytes], at: int) -> _Found | None:
    end = min(len(lines), at + BLOCK_LINES)
    reason: int | None = None
    is_open = True
    """Whether the line with the exception is still to come."""
    stop = at + 1
    while stop < end:
        raw = lines[stop]
        grouped = _GROUP.match(raw)
        if grouped and reason is None and _PYTHON_RAISED.match(raw, grouped.end()):
            reason, is_open = stop, False
        elif raw[:1] in (b" ", b"\t"):
            pass
        elif _PYTHON.match(raw):
            if not is_open and not _is_chained(lines, stop):
                break  # of the next exception
            is_open = True
        elif is_open and _PYTHON_RAISED.match(raw):
            reason, is_open = stop, False
        elif not is_open and _PYTHON_CHAIN.match(raw):
            pass
        elif not raw and (following := _after_blanks(lines, stop)) < end:
            chained = _PYTHON_CHAIN.match(lines[following])
            chained = chained or (not is_open and _PYTHON_CHAIN.match(lines[stop - 1]))
            if not chained:
                break
        else:
            break
        stop += 1
    return _Found(stop, stop - 1 if reason is None else reason)


def _is_chained(lines: Sequence[bytes], at: int) -> bool:
    """Return whether a traceback follows another one because of it."""
    before = next((raw for raw in reversed(lines[max(0, at - 3) : at]) if raw), b"")
    return _PYTHON_CHAIN.match(before) is not None


def _node_place(lines: Sequence[bytes], at: int) -> _Found | None:
    """Read an error that ended a process: its place, the line, the caret, the message."""
    near = range(at + 1, min(len(lines), at + _SOURCE_LINES))
    caret = next((number for number in near if _NODE_CARET.match(lines[number])), None)
    if caret is None:
        return None
    reason = _after_blanks(lines, caret + 1)
    if reason >= len(lines):
        return _Found(len(lines), caret)
    return _Found(_end_of_node(lines, reason + 1), reason)


def _node_error(lines: Sequence[bytes], at: int) -> _Found | None:
    near = range(at + 1, min(len(lines), at + _SOURCE_LINES))
    stack = next((n for n in near if not lines[n] or _NODE_STACK.match(lines[n])), None)
    if stack is None or not lines[stack]:
        return None
    return _Found(_end_of_node(lines, stack), at)


def _end_of_node(lines: Sequence[bytes], stop: int) -> int:
    end = min(len(lines), stop + BLOCK_LINES)
    while stop < end:
        following = _after_blanks(lines, stop)
        if following >= end or not _NODE_MORE.match(lines[following]):
            break
        if following > stop and lines[following][:1] == b" ":
            break  # the stack of another error, or other text
        stop = following + 1
    return stop


def _java(lines: Sequence[bytes], at: int) -> _Found | None:
    stop, reason = at + 1, at
    end = min(len(lines), at + BLOCK_LINES)
    while stop < end and _JAVA_STACK.match(lines[stop]):
        if lines[stop].startswith(b"Caused by: "):
            reason = stop
        stop += 1
    return _Found(stop, reason) if stop > at + 1 else None


def _go(lines: Sequence[bytes], at: int) -> _Found | None:
    stop = at + 1
    end = min(len(lines), at + BLOCK_LINES)
    while stop < end:
        following = _after_blanks(lines, stop)
        if following >= end or not _GO_MORE.match(lines[following]):
            break
        stop = following + 1
    return _Found(stop, at)


def _rust(lines: Sequence[bytes], at: int) -> _Found | None:
    has_message = lines[at].endswith(b":") and at + 1 < len(lines)
    stop = at + 1 + has_message
    end = min(len(lines), at + BLOCK_LINES)
    while stop < end and _RUST_MORE.match(lines[stop]):
        stop += 1
    return _Found(stop, at + has_message)


def _after_blanks(lines: Sequence[bytes], at: int) -> int:
    while at < len(lines) and not lines[at]:
        at += 1
    return at


_Read = Callable[[Sequence[bytes], int], _Found | None]
_KINDS: tuple[tuple[Kind, re.Pattern[bytes], _Read], ...] = (
    ("python", _PYTHON, _python),
    ("node", _NODE_PLACE, _node_place),
    ("node", _NODE_ERROR, _node_error),
    ("java", _JAVA, _java),
    ("go", _GO, _go),
    ("rust", _RUST, _rust),
)
"""The runtimes: how the first line looks, and what reads the rest. The first that fits wins."""
