"""A process that acts as another user."""

import os
import subprocess
import sys

import pytest

from support.processes import is_running
from support.waiting import wait_until

KEEPER = """
import os, signal, sys
from monit_agent.system.kernel_calls import die_with_parent
from monit_agent.system.users import acting_as, user_of_ids
if os.fork() == 0:
    die_with_parent()
    nobody = acting_as(user_of_ids(65534, 65534, ()))
    with nobody:
        if sys.argv[1] == "afterwards":
            nobody.__exit__()
        print(os.getpid(), flush=True)
        signal.pause()
signal.pause()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root acts as others")
@pytest.mark.parametrize("when", ["meanwhile", "afterwards"])
def test_a_process_that_acts_as_another_user_dies_with_its_parent(when: str) -> None:
    """The kernel ends that with each change of the user."""
    words = [sys.executable, "-c", KEEPER, when]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        child = int(keeper.stdout.readline())
        keeper.kill()
    try:
        wait_until(lambda: not is_running(child), what="it has exited", deadline_s=10)
    finally:
        if is_running(child):
            os.kill(child, 9)
