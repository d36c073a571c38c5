"""``python -I …/agent/__main__.py <app folder> [--alone]``: the agent of one app, and of other apps
of its home that join it; with ``--alone`` of none.

Run by path and isolated from the app's Python environment, so the package's own folder is
put on ``sys.path`` here: also an editable or ``--user`` install is then found.
"""

import gc
import importlib
import os
import sys


def _make_importable() -> None:
    """Put the folder that holds ``monit_agent`` before the other installed packages, and after
    the standard library: in ``site-packages`` there may be files that would shadow it."""
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    packages = ("site-packages", "dist-packages")
    indexes = [index for index, path in enumerate(sys.path) if path.endswith(packages)]
    sys.path.insert(indexes[0] if indexes else len(sys.path), folder)


WITHOUT = {"asyncio": "ssl", "msgspec": "typing_extensions"}
"""Modules, and what they import only where it is installed. No check uses TLS, and what needs
``ssl`` later can still import it: 1.2 MB and 10 ms. ``typing_extensions`` are 0.3 MB."""


def _import_without() -> None:
    """Import modules as if others were not installed."""
    for module, other in WITHOUT.items():
        if other not in sys.modules:
            sys.modules[other] = None  # pyright: ignore[reportArgumentType]
            importlib.import_module(module)
            del sys.modules[other]


def main(arguments: list[str]) -> int:
    """Serve; 0 also when another process has the app's agent, 1 when the agent cannot start, 2 on
    wrong usage."""
    _make_importable()
    # the zygote is forked before anything else is imported: all that it has loaded, it keeps
    from monit_agent.agent.agent_order import own_order  # noqa: PLC0415
    from monit_agent.agent.journal import log  # noqa: PLC0415
    from monit_agent.agent.zygote import branch_off  # noqa: PLC0415
    from monit_agent.wire.paths import home_of  # noqa: PLC0415

    if not arguments or arguments[1:] not in ([], ["--alone"]):
        log("usage: python -I agent/__main__.py <app folder> [--alone]")
        return 2
    os.umask(0o077)
    folder = os.path.abspath(arguments[0])
    first, zygote = branch_off(own_order(folder, alone=len(arguments) == 2))
    _import_without()
    import resource  # noqa: PLC0415

    from monit_agent.agent.shared_process import SharedProcess  # noqa: PLC0415
    from monit_agent.system.memory.shortage import hold_spare  # noqa: PLC0415

    gc.collect()
    gc.freeze()  # what is loaded stays: no collection looks at it again
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hold_spare()
    return SharedProcess(home_of(folder), zygote).run(first)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    try:
        sys.stderr.flush()  # the disk may be full
    finally:
        os._exit(code)  # without waiting for threads: a name lookup may take half a minute
