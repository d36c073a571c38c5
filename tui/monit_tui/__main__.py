"""The screen on a replayed scene, for work on it: ``python -m monit_tui --scene healthy``."""

import argparse
import os
import sys

from monit_tui import terminal


def main() -> int:
    """Play a scene in real time."""
    parser = argparse.ArgumentParser(prog="python -m monit_tui", description=__doc__)
    parser.add_argument(
        "--scene", default="healthy", help="a function of monit_agent.client.scenes"
    )
    parser.add_argument("--count", type=int, default=1000, help="instances of the scene 'many'")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("targets", nargs="*")
    said = parser.parse_args()
    refused = terminal.refusal(os.environ)
    if refused is not None:
        terminal.say(refused)
        return 2

    from monit_agent.client import scenes  # noqa: PLC0415 - after --help
    from monit_tui.app import show  # noqa: PLC0415 - after --help

    if said.scene not in scenes.__all__:
        terminal.say(f"no scene {said.scene!r}; there are: {', '.join(scenes.__all__)}")
        return 2
    make = getattr(scenes, said.scene)
    source = make(said.count, real_time=True) if said.scene == "many" else make(real_time=True)
    return show(source, tuple(said.targets), read_only=said.read_only)


if __name__ == "__main__":
    sys.exit(main())
