"""The command line: one verb a file, each imports what it needs when it is called."""


def main() -> int:
    """Run ``monit`` with the words of ``sys.argv`` and give its exit code."""
    from monit_agent.cli.main import run  # noqa: PLC0415 — importing the room costs nothing

    return run()
