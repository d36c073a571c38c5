"""What root reads, by who can change it."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from monit_agent.system.files.ownership import why_root_refuses

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root is refused")

NOBODY = 65534
"""Its group has other members, such as nobody."""
ALONE = 54321
"""A group that nobody is in."""


def refused(path: Path) -> str | None:
    fd = os.open(path, os.O_RDONLY)
    try:
        return why_root_refuses(str(path), fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("group", "mode", "why"),
    [
        (NOBODY, 0o640, None),
        (NOBODY, 0o660, "chmod g-w"),
        (0, 0o660, None),
        (ALONE, 0o660, None),
        (ALONE, 0o662, "every user can change this file"),
    ],
)
@pytest.mark.parametrize("folder", [False, True])
def test_a_group_with_other_members_may_not_write(
    folder: bool, group: int, mode: int, why: str | None, tmp_path: Path
) -> None:
    """As with sudo and sshd: also the folder, in which they could replace the file."""
    place = tmp_path / "config"
    place.mkdir(mode=0o755)
    path = place / "monit.toml"
    path.touch(mode=0o644)
    changed = place if folder else path
    os.chown(changed, 0, group)
    changed.chmod(mode | (0o111 if folder else 0))
    text = refused(path)
    if why is None:
        assert text is None
    else:
        assert text is not None
        assert why.replace("change", "replace" if folder else "change") in text
        assert str(changed) in text
    if why == "chmod g-w":
        changed.chmod(changed.stat().st_mode | 0o1000)  # nobody can replace files of others there
        assert (refused(path) is None) == folder


def test_the_owner_is_no_other_member(tmp_path: Path) -> None:
    """A user with a group of their own, whose files the group may write, is usual."""
    user = next((each for each in pwd.getpwall() if _is_alone(each)), None)
    if user is None:
        pytest.skip("no user has a group of their own here")
    path = tmp_path / "monit.toml"
    path.touch()
    os.chown(path, user.pw_uid, user.pw_gid)
    path.chmod(0o664)
    assert refused(path) is None
    os.chown(path, 0, user.pw_gid)
    assert user.pw_name in str(refused(path))


def _is_alone(user: pwd.struct_passwd) -> bool:
    if 0 in (user.pw_uid, user.pw_gid):
        return False
    same = [each for each in pwd.getpwall() if each.pw_gid == user.pw_gid]
    try:
        members = grp.getgrgid(user.pw_gid).gr_mem
    except KeyError:
        members = []
    return same == [user] and not members
