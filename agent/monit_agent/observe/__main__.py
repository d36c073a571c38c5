"""``python -I …/observe/__main__.py <app folder>``: the agent of one app, until it is deleted.

Run by path and isolated from the app's Python environment, so the package's own folder is
put on ``sys.path`` here: also an editable or ``--user`` install is then found.
"""

import os
import sys


def _make_importable() -> None:
    """Put the folder that holds ``monit_agent`` before the other installed packages, and after
    the standard library: in ``site-packages`` there may be files that would shadow it."""
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    packages = ("site-packages", "dist-packages")
    places = [number for number, path in enumerate(sys.path) if path.endswith(packages)]
    sys.path.insert(places[0] if places else len(sys.path), folder)


def main(arguments: list[str]) -> int:
    """Take the agent's lock and serve; 0 also when another agent holds it, 2 on wrong usage."""
    _make_importable()
    from monit_agent.observe import agent as agents  # noqa: PLC0415
    from monit_agent.observe.lock import AgentLock  # noqa: PLC0415
    from monit_agent.observe.title import take_title  # noqa: PLC0415
    from monit_agent.observe.trouble import say, say_caught  # noqa: PLC0415
    from monit_agent.observe.zygote import branch_off  # noqa: PLC0415
    from monit_agent.wire.places import AppPlaces  # noqa: PLC0415

    if len(arguments) != 1:
        say("usage: python -I observe/__main__.py <app folder>")
        return 2
    os.umask(0o077)
    places = AppPlaces(branch_off(os.path.abspath(arguments[0])))
    take_title("monit-agent", places.folder)
    lock = AgentLock(places.agent_lock)
    try:
        if not lock.take():
            say(f"another agent serves {places.folder}; leaving it to that one")
            return 0
    except FileNotFoundError:
        say(f"there is no folder {places.folder}")
        return 0
    try:
        import resource  # noqa: PLC0415

        agent = agents.Agent(places, lock)
        # libzmq aborts the process when descriptors run out; the keeper link remembers the
        # limit that was, for a keeper that it may have to start
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        agent.run()
    except Exception:  # noqa: BLE001 (top level)
        say_caught("the agent ends")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
