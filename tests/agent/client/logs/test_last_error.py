"""The line that says why a worker exited."""

import pytest

from monit_agent.client.logs.last_error import error_of, last_error
from monit_agent.wire.messages import Exit, LogPart

PYTHON = b"""INFO starting
Traceback (most recent call last):
  File "/srv/app.py", line 9, in <module>
    connect()
  File "/srv/db.py", line 3, in connect
    raise ConnectionRefusedError("could not connect to db:5432")
ConnectionRefusedError: could not connect to db:5432
"""
NODE = b"""/srv/server.js:12
    throw new Error('no DATABASE_URL');
    ^

Error: no DATABASE_URL
    at Object.<anonymous> (/srv/server.js:12:11)
    at node:internal/main/run_main_module:33:47

Node.js v20.11.1
"""
GO = b"""listening
panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.main()
\t/srv/main.go:8 +0x1d
exit status 2
"""


@pytest.mark.parametrize(
    ("printed", "error"),
    [
        (PYTHON, "ConnectionRefusedError: could not connect to db:5432"),
        (NODE, "Error: no DATABASE_URL"),
        (GO, "panic: runtime error: index out of range [3] with length 3"),
        (b'ok\nFATAL: role "web" does not exist\nbye\n', 'FATAL: role "web" does not exist'),
        (b'{"level":"error","msg":"pool closed"}\n{"level":"info","msg":"x"}\n', "pool closed"),
        (b'{"level":50,"err":{"message":"timeout of 5 s"}}\n', "timeout of 5 s"),
        (b"run.sh: line 7: elasticsearch: command not found\n",
         "run.sh: line 7: elasticsearch: command not found"),
        (b"django.core.exceptions.ImproperlyConfigured: no SECRET_KEY\n",
         "django.core.exceptions.ImproperlyConfigured: no SECRET_KEY"),
        (b"0 errors found\n", "0 errors found"),
        (b"KeyError\n", "KeyError"),
        (b"", ""), (b"\n  \n", ""),
        (b"\x1b[31mValueError: red \x1b[2J\x1b[0m\n", "ValueError: red ^[[2J"),
    ],
)  # fmt: skip
def test_the_error_is_found(printed: bytes, error: str) -> None:
    """Of what a worker printed last, the line that names the error is chosen."""
    end = Exit(code=1, at=10.0, ran_s=1.0)
    assert error_of(printed.split(b"\n"), end) == error


def test_the_next_worker_is_not_blamed() -> None:
    """Lines that the next worker printed after the exit do not count."""
    before, after = b"ValueError: the first\n", b"KeyError: of the next worker\n"
    part = LogPart(
        instance=0, stream="err", offset=100, data=before + after, begin=0, end=300,
        times=((100, 9_900_000_000), (100 + len(before), 12_000_000_000)),
    )  # fmt: skip
    assert last_error(part, Exit(code=1, at=10.0, ran_s=1.0)) == "ValueError: the first"
    later = Exit(code=1, at=12.0, ran_s=1.0)
    assert last_error(part, later) == "KeyError: of the next worker"


def test_a_worker_that_exits_with_0_has_a_reason_only_if_it_names_an_error() -> None:
    """The last line that it printed is not why it exited."""

    def reason(code: int, data: bytes) -> str:
        part = LogPart(
            instance=0, stream="out", offset=0, data=data, begin=0, end=len(data),
            times=((0, 9_900_000_000),),
        )  # fmt: skip
        return last_error(part, Exit(code=code, at=10.0, ran_s=1.0))

    assert reason(1, b"20 rows written\n") == "20 rows written"
    assert reason(0, b"20 rows written\n") == ""
    assert reason(0, b"ValueError: no rows\nbye\n") == "ValueError: no rows"
