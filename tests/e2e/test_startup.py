"""`monit startup` and `unstartup`: what they write, and what a real systemd does with it."""

import json
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from monit_agent.cli.exit_codes import CommandError
from monit_agent.cli.units.files import remove_unit, write_unit
from monit_agent.cli.units.service import service_of
from monit_agent.cli.units.systemd import hardening_path, unit_text
from support.command_line import command, monit, script
from support.matrix import matrix
from support.user_manager import user_manager
from support.waiting import wait_until

HOMES = matrix(["plain", "a b", 'q"u%o$t\\e', "café"], ["plain", 'q"u%o$t\\e'])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", HOMES)
@pytest.mark.parametrize("own", matrix([True, False], [False]))
def test_systemd_finds_no_fault_in_the_unit(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, own: bool
) -> None:
    """Also with a home of any name; comments of the settings that are off are settings it knows."""
    monkeypatch.setenv("MONIT_HOME", str(home / name))
    service = service_of(None)
    unit = home / "monit-test.service"
    text = unit_text(service, own_manager=own)
    write_unit(str(unit), text, service)
    hardening = Path(hardening_path(str(unit)))
    hardening.write_text(hardening.read_text().replace("\n#", "\n").replace("\n ", "\n# "))
    lines = [line for line in hardening.read_text().splitlines() if "=" in line.partition(" ")[0]]
    hardening.write_text("[Service]\n" + "\n".join(lines) + "\n")
    assert len(lines) > 8

    done = subprocess.run(
        ["systemd-analyze", *(["--user"] if own else []), "verify", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_path_that_no_unit_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not UTF-8 is ignored by systemd, and the apps would not be found."""
    monkeypatch.setenv("MONIT_HOME", "/caf\udce9")
    with pytest.raises(CommandError, match="UTF-8"):
        unit_text(service_of(None), own_manager=False)


def test_what_it_cannot_do_it_says_and_changes_nothing(home: Path) -> None:
    """Where systemd does not run, and where there is no unit, the answer names what helps."""
    assert "ExecStart=" in monit("startup", "--print")
    if not Path("/run/systemd/system").exists():
        refused = command("startup", "--user", env={"XDG_CONFIG_HOME": str(home / "config")})
        assert refused.returncode == 1
        assert "nothing was changed" in refused.stderr
        assert not (home / "config").exists()
    checked = command("startup", "--user", "--check", env={"XDG_CONFIG_HOME": str(home)})
    assert checked.returncode == 1
    assert "run monit startup --user" in checked.stderr
    undone = command("unstartup", "--user", env={"XDG_CONFIG_HOME": str(home)})
    assert undone.returncode == 0
    assert "nothing to undo" in undone.stderr
    asked = command("startup", env={"SUDO_USER": "somebody"})
    if os.getuid() == 0:
        assert asked.returncode == 2
        assert "--for somebody" in asked.stderr


def test_other_systems_get_their_service_printed(home: Path) -> None:
    """A script that a shell can read, and a property list."""
    shell = subprocess.run(["sh", "-n"], input=monit("startup", "openrc"), text=True, check=False)
    assert shell.returncode == 0
    job = plistlib.loads(monit("startup", "launchd").encode())
    assert job["ProgramArguments"][-1] == "boot"
    assert job["EnvironmentVariables"]["MONIT_HOME"] == str(home)


def test_a_unit_of_another_home_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays as it is, and so does a file of settings that was changed, also when the unit is
    removed."""
    unit = tmp_path / "monit.service"
    monkeypatch.setenv("MONIT_HOME", str(tmp_path / "one"))
    service = service_of(None)
    write_unit(str(unit), unit_text(service, own_manager=True), service)
    changed = Path(hardening_path(str(unit)))
    changed.write_text("[Service]\nPrivateTmp=yes\n")
    monkeypatch.setenv("MONIT_HOME", str(tmp_path / "two"))
    other = service_of(None)
    with pytest.raises(CommandError, match="another home"):
        write_unit(str(unit), unit_text(other, own_manager=True), other)
    assert unit.read_text() == unit_text(service, own_manager=True)

    remove_unit(str(unit))

    assert not unit.exists()
    assert changed.read_text() == "[Service]\nPrivateTmp=yes\n"


@pytest.mark.full
def test_a_real_systemd_starts_and_stops_the_apps(home: Path, tmp_path: Path) -> None:
    """A user's unit: enabled and ready; later apps lie in it; its main process killed, no worker
    is restarted; stopped, no worker is left; started, all come back; removed, they keep running."""
    app = str(script(tmp_path))
    with user_manager(tmp_path) as systemd:

        def pids() -> list[int | None]:
            return [each["pid"] for each in json.loads(systemd.monit("list", "--json").stdout)]

        def keeper_group(name: str) -> str:
            pid = (home / "apps" / name / "lock").read_text().strip()
            return systemd.run("cat", f"/proc/{pid}/cgroup").stdout

        systemd.monit("start", app, "--name", "before")
        without = systemd.monit("startup", "--user", code=1)
        assert "loginctl enable-linger" in without.stderr
        systemd.run("touch", f"/var/lib/systemd/linger/{service_of(None).user}")
        assert "outside the unit" in systemd.monit("startup", "--user").stderr
        systemd.monit("start", app, "--name", "later")
        assert "monit.service" in keeper_group("later")
        assert "monit.service" not in keeper_group("before")
        running, main = pids(), systemd.show("monit.service", "MainPID")

        systemd.run("kill", "-9", main)
        wait_until(
            lambda: (
                systemd.show("monit.service", "MainPID") not in ("0", main)
                and systemd.show("monit.service", "ActiveState") == "active"
            ),
            what="systemd started it again",
        )
        assert pids() == running

        systemd.run("systemctl", "--user", "stop", "monit.service")
        assert pids() == [None, None]
        systemd.run("systemctl", "--user", "start", "monit.service")
        assert None not in pids()
        assert "monit.service" in keeper_group("before")
        assert systemd.monit("startup", "--user", "--check").stderr.count("\n") == 1

        running = pids()
        systemd.monit("unstartup", "--user")
        assert pids() == running
        assert systemd.monit("startup", "--user", "--check", code=1)
        assert systemd.show("monit.service", "ActiveState") == "inactive"
        systemd.monit("delete", "all")
