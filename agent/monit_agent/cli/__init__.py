"""The command line: one verb a file, each imports what it needs when it is called."""


def main() -> int:
    """Run ``monit`` with the words of ``sys.argv`` and give its exit code."""
    _keep_signals_of_a_container()
    code = _quick_list()
    if code is not None:
        return code
    from monit_agent.cli.main import run_command_line  # noqa: PLC0415 — importing the room costs nothing

    return run_command_line()


def _quick_list() -> int | None:
    """Run ``monit list`` without what other commands need, where that is possible; return its exit
    code, or None."""
    import sys  # noqa: PLC0415 — an ``__init__`` imports nothing

    from monit_agent.cli.verb_table import find_verb  # noqa: PLC0415

    if find_verb("".join(sys.argv[1:2])) != "list":
        return None
    from monit_agent.cli.quick_list import quick_list  # noqa: PLC0415

    return quick_list(sys.argv[2:])


def _keep_signals_of_a_container() -> None:
    """Let a stop that is requested while `monit run` still starts wait until it is handled: to the
    first process of a container, the kernel delivers no signal without a handler."""
    import os  # noqa: PLC0415 — an ``__init__`` imports nothing
    import signal  # noqa: PLC0415
    import sys  # noqa: PLC0415

    if os.getpid() == 1 and sys.argv[1:2] == ["run"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT))
