"""Which level a line has, and which lines of a block are of a level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.logtext.levels import (
    LEVELS,
    RANK,
    Level,
    is_continuation,
    level_of,
    spans_of_level,
)


@pytest.mark.parametrize(
    ("raw", "level"),
    [
        (b"2026-01-01 12:00:00,123 ERROR db: gone", "error"),
        (b"WARNING:  slow query", "warn"),
        (b"INFO:     10.0.0.1 - GET / 200", "info"),
        (b"[debug] cache", "debug"),
        (b"\x1b[31mERROR\x1b[0m red", "error"),
        (b'{"level":"error","msg":"x"}', "error"),
        (b'{"level":50,"time":1}', "error"),
        (b'{"level":40}', "warn"),
        (b'{"severity": "Warning"}', "warn"),
        (b"ts=1 level=info msg=error", "info"),
        (b"Traceback (most recent call last):", "error"),
        (b"shop.provider.PaymentTimeout: no answer", None),
        (b"ValueError: bad", "error"),
        (b"TypeError [ERR_INVALID]: x", "error"),
        (b"error: cannot open", "error"),
        (b"no errors found", None),
        (b"TERROR", None),
        (b"GET /error 200", None),
        (b"0 errors, 3 warnings", None),
        (b"GET /ERROR/404 200", None),
        (b"INFO retry after ERROR_CODE 7", "info"),
        (b'{"level":3,"message":"syslog counts down"}', "error"),
        (b'{"level":30,"msg":"pino counts up"}', "info"),
        (b'{"@timestamp":"x","log.level":"WARN"}', "warn"),
        (b"<3>disk gone", "error"),
        (b"<14>started", "info"),
        (b"E1128 17:55:52.123456 1 main.go:1] gone", "error"),
        (b'time=1 level=fail msg="x"', "error"),
        (b"fail: in free text", None),
        (b"2026-11-30 10:00.00 [error    ] request failed   path=/x", "error"),
        (b"\x1b[2m10:00.00\x1b[0m [\x1b[33m\x1b[1mwarning  \x1b[0m] \x1b[1mslow\x1b[0m", "warn"),
        (b"[no error here ]", None),
        (b"event='x failed' level='error' timestamp='10:00'", "error"),
        (rb'{"level":"\u001b[31merror\u001b[39m","message":"x"}', "error"),
        (b'{"message":"hi","level":"warn","timestamp":"2026-11-30T10:00:00Z"}', "warn"),
        (b"2026-11-30 10:00:00.123 | CRITICAL | __main__:main:5 - done", "error"),
        (b"2026-11-30 10:00:00,123 ERROR [main] com.foo.Bar - Failed", "error"),
        (b'Exception in thread "main" java.lang.IllegalStateException: x', "error"),
        (b"[2026-11-30 10:00:00,123: ERROR/ForkPoolWorker-2] Task shop.pay raised", "error"),
        (b"[2026-11-30 10:00:00,123: WARNING/MainProcess] slow", "warn"),
        (b"GET /a ERROR/b", None),
        (b"thread 'main' panicked at src/main.rs:2:5:", "error"),
        (b"panic: runtime error: index out of range [5] with length 3", "error"),
        (b"[10:00:00 WRN] slow", "warn"),
        (b"[10:00:00 INF] started", "info"),
        (b"10:00AM FTL gone", "error"),
        (b"2026-11-30T10:00:00Z WRN slow", "warn"),
        (b"", None),
        (b"\xff\xfe", None),
        (b"x" * 5000 + b" ERROR", None),
    ],
)
def test_levels_are_read_as_people_read_them(raw: bytes, level: Level | None) -> None:
    """Words where a level stands, JSON fields, pino's numbers, tracebacks; not any 'error'."""
    assert level_of(raw) == level


@given(st.binary(max_size=200))
def test_no_line_is_too_odd_to_have_a_level(raw: bytes) -> None:
    """Any bytes have a level or none, and never an exception."""
    assert level_of(raw) in ("error", "warn", "info", "debug", None)


LINES = st.lists(
    st.sampled_from(
        [
            b"ERROR db: gone", b"Traceback (most recent call last):", b'  File "a.py", line 1',
            b"ValueError: bad", b"plain text", b"DEBUG x", b"WARN y", b"", b"<3>journal",
            b"<30>journal", b"W0102 10:11:12 x", b'{"level":50}', b'{"level":"fail"}', b"    at f",
            b"Caused by: x", b"interrupted", b"E nothing", b"Unhandled rejection",
            b"[10:00:00 WRN] slow", b"10:00AM FTL gone", b"[10:00:00 INF] started",
            b"10:00 [error    ] padded", b"[1: ERROR/ForkPoolWorker-2] task", b"level='warn'",
            b"thread 'main' panicked at a.rs:2:5:", b'Exception in thread "main" a.B: x',
        ]
    ),
    max_size=20,
)  # fmt: skip


@given(LINES, st.sampled_from(LEVELS), st.booleans())
def test_a_block_has_the_lines_that_reading_each_would_choose(
    lines: list[bytes], least: Level, ended: bool
) -> None:
    """The quick search for signs of a level misses no line; a stack goes with its head."""
    block = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    expected: list[bytes] = []
    shown = False
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n") if block else ()):
        if number == 0 or not is_continuation(line):
            shown = RANK[level_of(line)] >= RANK[least]
        if shown:
            expected.append(line)
    assert [block[start:stop] for start, stop in spans_of_level(block, least)] == expected
