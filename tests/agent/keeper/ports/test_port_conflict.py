"""Which last words of a worker mean that its port is in use."""

import pytest

from monit_agent.keeper.ports.port_conflict import port_conflict


@pytest.mark.parametrize(
    "line",
    [
        b"OSError: [Errno 98] Address already in use",
        b"Error: listen EADDRINUSE: address already in use :::3000",
        b"[2026-11-30 20:30:04] [ERROR] Connection in use: ('127.0.0.1', 8000)",
        b"cherrypy.process.wspbus.ChannelFailures: Timeout('Port 42773 not free on 127.0.0.1.')",
        b"Error: Port 5173 is already in use",
        b"error: Failed to start server. Is port 3000 in use?",
        b"AddrInUse: Address already in use (os error 98)",
        b"Port 8501 is not available",
        b"OSError: Cannot find empty port in range: 7860-7860.",
        b"Error: That port is already in use.",
        b"1:M # Could not create server TCP listening socket *:6379: bind: Address already in use",
        b"Could not listen, the port is taken",
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_programs_say_it_in_many_words(line: bytes, beside: bool) -> None:
    """On any of the last lines, on either stream."""
    printed = b"starting\n" + line + b"\nbye\n"
    assert "--listen" in port_conflict((printed, b""), None, starting=True, beside=beside)
    assert "--listen" in port_conflict((b"", printed), None, starting=True, beside=beside)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"CUDA support is not available",
        b"the name is taken",
        b"port 80",
        b"\xff\x80 in use",
        b"GET /port/list 200 time taken 3ms",
        b"upstream db port 5432: service unavailable",
        b"the export is not available, support is taken",
    ],
)
def test_other_errors_are_no_conflict(line: bytes) -> None:
    """A word within another one does not count."""
    printed = line, b"listening on port 8000\nno memory is in use"
    assert port_conflict(printed, None, starting=True, beside=True) == ""


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        (b"redis on port 6379 not available, exiting", False),
        (b"Port 8000 on 127.0.0.1 is already in use", True),
        (b"Web server failed to start. Port 8000 was already in use.", True),
        (b"Error: That port is already in use.", True),
    ],
)
def test_the_port_of_another_server_is_no_conflict(line: bytes, is_found: bool) -> None:
    """Where the app's own is known. A line without a number is about that one."""
    assert bool(port_conflict((line,), 8000, starting=True, beside=False)) is is_found


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        (b"Port 8000 is not available", False),
        (b"the port is taken", False),
        (b"OSError: [Errno 98] Address already in use", True),
        (b"Error: listen EADDRINUSE: address already in use :::8000", True),
    ],
)
def test_of_a_worker_that_was_online_only_the_error_of_the_kernel_counts(
    line: bytes, is_found: bool
) -> None:
    """It had its port, and is restarted at once."""
    assert bool(port_conflict((line,), 8000, starting=False, beside=False)) is is_found
