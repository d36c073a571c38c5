"""What a person reads about the process that has a port."""

import subprocess

import pytest

from monit_agent.keeper.ports.port_owner import command_line
from support.waiting import wait_until


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/bin/cat", "-"], "cat -"),
        (["puma 5.6.5 (tcp://127.0.0.1:80) [shop]"], "puma 5.6.5 (tcp://127.0.0.1:80) [shop]"),
        (["/opt/my shop/bin/web"], "web"),
        (["bin/web"], "web"),
    ],
)
def test_the_program_is_named_without_its_folder(words: list[str], expected: str) -> None:
    """A process may write a title in the place of its command, which is left as it is."""
    with subprocess.Popen(words, executable="/bin/cat", stdin=subprocess.PIPE) as process:
        wait_until(lambda: command_line(process.pid) == expected, what=expected)
