"""The start of ``monit boot``: one for each home."""

import os
import sys

from monit_agent.boot.boot import Boot
from monit_agent.boot.service_manager import ERROR, ServiceManager
from monit_agent.keeper.loop import Loop
from monit_agent.system.files.file_lock import lock_file
from monit_agent.system.files.ownership import NotOursError, check_ours
from monit_agent.system.kernel_calls import become_subreaper
from monit_agent.system.memory.shortage import hold_spare
from monit_agent.typed import NoReturn
from monit_agent.wire.paths import apps_folder, boot_lock


def main(home: str) -> int:
    """Run until SIGTERM and return the exit code."""
    os.umask(0o077)
    os.chdir("/")
    manager = ServiceManager()
    try:
        os.makedirs(apps_folder(home), 0o700, exist_ok=True)
        check_ours((home, apps_folder(home)))
        lock = lock_file(boot_lock(home))
    except BlockingIOError:
        manager.log(ERROR, f"another monit boot runs for {home} (pid {_holder(home)})")
        return 1
    except NotOursError as error:
        manager.log(ERROR, str(error))
        return 1
    except OSError as error:
        manager.log(ERROR, f"cannot use {home}: {error.strerror}")
        return 1
    _write_pid(lock)
    hold_spare()
    become_subreaper()  # keepers that are forked become our children, as those that are started
    return Boot(Loop(), home, manager).run()


def _write_pid(lock: int) -> None:
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d" % os.getpid(), 0)
    except OSError:
        return  # on a full disk the lock itself is enough


def _holder(home: str) -> str:
    try:
        with open(boot_lock(home), encoding="ascii") as file:
            return file.read() or "unknown"
    except (OSError, ValueError):
        return "unknown"


def run() -> NoReturn:
    """Run for the home in ``sys.argv``, then exit."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: boot HOME\n")
        sys.exit(2)
    sys.exit(main(os.path.abspath(sys.argv[1])))
