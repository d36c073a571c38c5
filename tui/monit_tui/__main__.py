"""Show the screen on a replayed scene: ``python -m monit_tui --scene healthy``."""

import argparse
import os

from monit_tui import terminal


def main() -> int:
    """Play a scene in real time."""
    parser = argparse.ArgumentParser(prog="python -m monit_tui", description=__doc__)
    parser.add_argument(
        "--scene", default="healthy", help="name of a scene in monit_agent.replay.scenes"
    )
    parser.add_argument(
        "--count", type=int, default=1000, help="number of instances in the scene 'many'"
    )
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    problem = terminal.why_unusable(os.environ)
    if problem is not None:
        terminal.print_line(problem)
        return 2

    from monit_agent.replay import scenes  # noqa: PLC0415 - after --help
    from monit_tui.app import show  # noqa: PLC0415 - after --help

    if options.scene not in scenes.__all__:
        terminal.print_line(
            f"unknown scene {options.scene!r}; choose from: {', '.join(scenes.__all__)}"
        )
        return 2
    make = getattr(scenes, options.scene)
    source = (
        make(options.count, real_time=True) if options.scene == "many" else make(real_time=True)
    )
    return show(source, tuple(options.targets), read_only=options.read_only)[0]


if __name__ == "__main__":
    terminal.end_process(main())
