"""What a runtime prints about an exception is one block, and its reason is the right line."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.logtext.blocks import Kind, find_blocks
from monit_agent.logtext.reason import exit_reason, reason_of

PYTHON_CHAINED = b"""\
Traceback (most recent call last):
  File "/srv/db.py", line 3, in connect
    raise KeyError("host")
KeyError: 'host'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app.py", line 9, in <module>
    connect()
    ~~~~~~~^^
shop.NoDatabase: no host
is configured
"""
PYTHON_GROUP = b"""\
  + Exception Group Traceback (most recent call last):
  |   File "/srv/app.py", line 1, in <module>
  |     raise ExceptionGroup("two", [ValueError(1), TypeError(2)])
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------
"""
PYTHON_SYNTAX = b"""\
  File "/srv/app.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax
"""
NODE = b"""\
/srv/server.js:12
    throw new Error('no DATABASE_URL');
    ^

Error: no DATABASE_URL
    at Object.<anonymous> (/srv/server.js:12:11)
    at node:internal/main/run_main_module:33:47 {
  code: 'ENOENT',
  [cause]: TypeError: bad
      at f (/srv/a.js:1:1)
}

Node.js v20.11.1
"""
NODE_REJECTED = b"""\
node:internal/process/promises:288
            triggerUncaughtException(err, true /* fromPromise */);
            ^

[UnhandledPromiseRejection: This error originated by rejecting a promise "x".] {
  code: 'ERR_UNHANDLED_REJECTION'
}

Node.js v20.11.1
"""
NODE_LOGGED = b"""\
TypeError [ERR_INVALID]: of two
lines
    at f (/srv/a.js:1:1)
    at g (/srv/a.js:2:1)
"""
JAVA = b"""\
Exception in thread "main" java.lang.RuntimeException: cannot start
\tat com.shop.Main.main(Main.java:9)
Caused by: java.sql.SQLException: refused
\tat com.shop.Db.open(Db.java:3)
\t... 1 more
"""
JAVA_LOGGED = b"""\
2026-11-30 12:00:00 ERROR c.s.Web - java.io.IOException: gone
\tat com.shop.Web.get(Web.java:9)
\tSuppressed: java.io.IOException: close
\t\tat com.shop.Web.close(Web.java:12)
"""
GO = b"""\
panic: runtime error: index out of range [3] with length 3 [recovered]
\tpanic: again

goroutine 1 [running]:
main.main()
\t/srv/main.go:8 +0x1d
github.com/a/b.(*T).Do(0xc000, 0x1)
\t/srv/b.go:1 +0x2
created by main.start in goroutine 1
\t/srv/main.go:3 +0x4
exit status 2
"""
RUST = b"""\
thread 'main' panicked at src/main.rs:2:5:
no such table
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""


@pytest.mark.parametrize(
    ("text", "kind", "reason", "outside"),
    [
        (PYTHON_CHAINED, "python", "shop.NoDatabase: no host", 1),
        (PYTHON_GROUP, "python", "ExceptionGroup: two (2 sub-exceptions)", 0),
        (PYTHON_SYNTAX, "python", "SyntaxError: invalid syntax", 0),
        (NODE, "node", "Error: no DATABASE_URL", 0),
        (
            NODE_REJECTED,
            "node",
            '[UnhandledPromiseRejection: This error originated by rejecting a promise "x".] {',
            0,
        ),
        (NODE_LOGGED, "node", "TypeError [ERR_INVALID]: of two", 0),
        (JAVA, "java", "java.sql.SQLException: refused", 0),
        (
            JAVA_LOGGED,
            "java",
            "2026-11-30 12:00:00 ERROR c.s.Web - java.io.IOException: gone",
            0,
        ),
        (
            GO,
            "go",
            "panic: runtime error: index out of range [3] with length 3 [recovered]",
            0,
        ),
        (RUST, "rust", "no such table", 0),
    ],
)
def test_a_stack_is_one_block(text: bytes, kind: Kind, reason: str, outside: int) -> None:
    """From its head to its end, between other lines; its reason is what people look for."""
    stack = text.rstrip(b"\n").split(b"\n")
    lines = [b"INFO before", *stack, b"", b"INFO after"]
    blocks = [block for block in find_blocks(lines) if block.kind is not None]
    assert [(block.kind, block.start, block.stop) for block in blocks] == [
        (kind, 1, 1 + len(stack) - outside)
    ]
    assert reason_of(lines) == reason
    coloured = [b"\x1b[31m" + line + b"\x1b[0m" for line in lines]
    assert [block.stop for block in find_blocks(coloured) if block.kind] == [blocks[0].stop]


@pytest.mark.parametrize(
    "line",
    [
        b"/srv/data/file.csv:12",
        b"the panic: button",
        b"ValueError: without a stack",
        b"Error at com.shop.Main.start",
        b'  File "x"',
        b"",
    ],
)
def test_an_ordinary_line_is_no_stack(line: bytes) -> None:
    """A line that only looks like the head of a stack stays alone."""
    assert [block.kind for block in find_blocks([line, b"next", b"  indented"])] == [None] * 3


def test_a_stack_that_was_cut_is_a_block(tmp_path: object) -> None:
    """A traceback without its end, as before a rotation or a kill, ends with its last line."""
    lines = PYTHON_CHAINED.split(b"\n")[:3]
    (block,) = find_blocks(lines)
    assert (block.kind, block.stop) == ("python", 3)


PIECES = st.lists(
    st.sampled_from(
        [line for text in (PYTHON_CHAINED, PYTHON_GROUP, NODE, JAVA, GO, RUST)
         for line in text.split(b"\n")] + [b"plain", b"\xff\x1b[1m"]
    ),
    max_size=40,
)  # fmt: skip


@given(PIECES)
def test_any_lines_are_divided_completely(lines: list[bytes]) -> None:
    """Each line is in exactly one block, and its reason is one of its lines."""
    at = 0
    for block in find_blocks(lines):
        assert block.start == at < block.stop
        assert block.start <= block.reason < block.stop
        at = block.stop
    assert at == len(lines)
    assert "\n" not in reason_of(lines)


@pytest.mark.parametrize(
    ("code", "number", "plain"),
    [(1, None, "served 7"), (None, signal.SIGTERM, "served 7"), (0, None, ""), (None, 9, "")],
)
def test_what_was_printed_last_does_not_explain_every_exit(
    code: int | None, number: int | None, plain: str
) -> None:
    """Nothing that a program printed explains SIGKILL, and 0 is no error; a line that names an
    error counts always."""
    assert exit_reason([b"started", b"served 7"], code, number) == plain
    assert exit_reason([b"OSError: no disk", b"served 7"], code, number) == "OSError: no disk"
