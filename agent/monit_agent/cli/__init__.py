"""The command line: one verb a file, each imports what it needs when it is called."""


def main() -> int:
    """Run ``monit`` with the words of ``sys.argv`` and give its exit code."""
    _keep_signals_of_a_container()
    code = _quick_verb()
    if code is not None:
        return code
    from monit_agent.cli.main import run_command_line  # noqa: PLC0415 — importing the room costs nothing

    return run_command_line()


def _quick_verb() -> int | None:
    """Run ``monit list``, ``monit logs`` or the screen without what other commands need, where that
    is possible; return its exit code, or None. Other machines, and completion by a shell, are left
    to the others."""
    import os  # noqa: PLC0415 — an ``__init__`` imports nothing
    import sys  # noqa: PLC0415

    from monit_agent.cli.verb_table import SCREEN, find_verb  # noqa: PLC0415

    others = ("MONIT_HOSTS", "_MONIT_COMPLETE", "_PMONIT_COMPLETE")
    if any(map(os.environ.get, others)) or sys.stdout is None or sys.stderr is None:
        return None
    words = sys.argv[1:]
    verb = find_verb("".join(words[:1]))
    if verb == "list":
        from monit_agent.cli.quick_list import quick_list  # noqa: PLC0415

        return quick_list(words[1:])
    if verb == "logs":
        from monit_agent.cli.quick_logs import quick_logs  # noqa: PLC0415

        return quick_logs(words[1:])
    if verb is None or verb == SCREEN:
        from monit_agent.cli.quick_screen import quick_screen  # noqa: PLC0415

        return quick_screen(words if verb is None else words[1:])
    return None


def _keep_signals_of_a_container() -> None:
    """Let a stop that is requested while `monit run` still starts wait until it is handled: to the
    first process of a container, the kernel delivers no signal without a handler."""
    import os  # noqa: PLC0415 — an ``__init__`` imports nothing
    import signal  # noqa: PLC0415
    import sys  # noqa: PLC0415

    if os.getpid() == 1 and sys.argv[1:2] == ["run"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT))
