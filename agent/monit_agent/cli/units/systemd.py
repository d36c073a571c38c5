"""Units of systemd, as text. Each line of a unit has its reason in ``docs/boot.md``."""

import os

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.units.service import Service
from monit_agent.wire.boot import LEFT_EXIT_CODE

SYSTEM_FOLDER = "/etc/systemd/system"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def unit_name(service: Service, *, own_manager: bool) -> str:
    """Return the name of the unit: of the user's own manager, or of the system."""
    return "monit.service" if own_manager else f"monit-{_name_part(service.user)}.service"


def unit_path(service: Service, *, own_manager: bool) -> str:
    """Return where the unit's file belongs."""
    folder = _user_folder() if own_manager else SYSTEM_FOLDER
    return os.path.join(folder, unit_name(service, own_manager=own_manager))


def hardening_path(path: str) -> str:
    """Return the file with settings that are off, beside the unit's file ``path``."""
    return os.path.join(f"{path}.d", "hardening.conf")


def unit_text(service: Service, *, own_manager: bool) -> str:
    """Return the unit. Raise `CommandError` for a path that no unit can hold."""
    for text in (service.home, service.path, *service.command):
        _check_text(text)
    run = " ".join([_word(service.command[0], "%"), *(_word(w) for w in service.command[1:])])
    lines = [
        "# Written by monit startup, and checked by monit startup --check.",
        "[Unit]",
        f"Description=monit: the apps of {service.user}",
        *([] if own_manager else _after(service)),
        "# never give up",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        *([] if own_manager else [f"User={service.user}"]),
        f"Environment={home_setting(service)}",
        f"Environment={_word(f'PATH={service.path}', '%')}",
        f"ExecStart={run} boot",
        f"ExecReload={run} reload all",
        "# no ExecStop=: it would also run when monit boot was killed, and stop every app",
        "TimeoutStartSec=infinity",
        "# monit boot asks for more time where an app's kill timeout is longer",
        "TimeoutStopSec=90",
        "Restart=always",
        "RestartSec=2",
        f"SuccessExitStatus={LEFT_EXIT_CODE}",
        f"RestartPreventExitStatus={LEFT_EXIT_CODE}",
        "# the apps outlive monit boot: only itself gets the signal, and it stops them in order",
        "KillMode=process",
        "Delegate=yes",
        "OOMPolicy=continue",
        "TasksMax=infinity",
        "LimitNOFILE=65536:1048576",
        "SyslogIdentifier=monit",
        "",
        "[Install]",
        f"WantedBy={'default.target' if own_manager else 'multi-user.target'}",
    ]
    return "".join(f"{line}\n" for line in lines)


def home_setting(service: Service) -> str:
    """Return the setting of a unit that names its home."""
    return _word(f"MONIT_HOME={service.home}", "%")


HARDENING = """\
# Settings that make the apps of this unit safer, all off: the workers inherit them, and each keeps
# some programs from running. To use one, remove the '#' before it, then run
# systemctl daemon-reload and restart the unit, which stops and starts all apps.
# monit startup writes this file once and leaves it as it is then.
[Service]
# No sudo and no setuid programs (ping, sendmail). Some of the others imply this one.
#NoNewPrivileges=yes
# A /tmp of their own: no sockets of databases in /tmp.
#PrivateTmp=yes
# No writing below /usr, /boot and /etc; with strict nowhere but in ReadWritePaths=.
#ProtectSystem=full
# No kernel modules, kernel log, clock or host name.
#ProtectKernelModules=yes
#ProtectKernelLogs=yes
#ProtectKernelTunables=yes
#ProtectClock=yes
#ProtectHostname=yes
#LockPersonality=yes
#RestrictRealtime=yes
#RestrictSUIDSGID=yes
# No containers and no sandbox of Chromium.
#RestrictNamespaces=yes
# Not: MemoryDenyWriteExecute= ends Node, Java and LuaJIT. ProtectHome= hides the apps and monit's
# own files. ProtectProc= and ProcSubset= hide what monit measures. RestrictAddressFamilies= needs
# AF_UNIX and AF_NETLINK, or a reload cannot see which connections are still in use.
"""


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CommandError(
            ExitCode.FAILED,
            f"systemd takes only UTF-8, and {os.fsencode(text)!r} is not; set MONIT_HOME to a "
            "folder with another name",
        ) from error


def _after(service: Service) -> list[str]:
    return [
        "Wants=network-online.target",
        "After=network-online.target remote-fs.target nss-user-lookup.target",
        f"RequiresMountsFor={_word(service.home, '%')}",
    ]


def _user_folder() -> str:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(config, "systemd", "user")


def _name_part(user: str) -> str:
    """Return the name of a user as part of a unit's name, as systemd-escape writes it."""
    return "".join(chr(b) if b in _PLAIN else f"\\x{b:02x}" for b in os.fsencode(user))


def _word(text: str, doubled: str = "%$") -> str:
    """Return a word for a unit's line, quoted; any byte can be in it."""
    parts: list[str] = []
    for byte in os.fsencode(text):
        char = chr(byte)
        if char in doubled:
            parts.append(char * 2)
        elif char in '"\\' or not 0x20 <= byte < 0x7F:
            parts.append(f"\\x{byte:02x}")
        else:
            parts.append(char)
    return f'"{"".join(parts)}"'
