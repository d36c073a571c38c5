"""Services of OpenRC and launchd, as text: monit prints them and does not install them."""

import os
import plistlib
import shlex

from monit_agent.cli.units.service import Service

STOP_S = 120
"""Time to stop: these two cannot be asked for more."""

OPENRC_NEXT = (
    "As root: put this into /etc/init.d/{name}, then run "
    "chmod +x /etc/init.d/{name} && rc-update add {name} default && rc-service {name} start"
)
LAUNCHD_NEXT = (
    "As root: put this into /Library/LaunchDaemons/{name}.plist, then run "
    "launchctl bootstrap system /Library/LaunchDaemons/{name}.plist"
)


def openrc_text(service: Service) -> str:
    """Return a script for OpenRC's supervise-daemon."""
    program, *arguments = service.command
    return f"""\
#!/sbin/openrc-run
# Written by monit startup openrc.
name={shlex.quote(f"monit ({service.user})")}
supervisor=supervise-daemon
command={shlex.quote(program)}
command_args={shlex.quote(shlex.join([*arguments, "boot"]))}
command_user={shlex.quote(service.user)}
# the apps are not in this process's group: they outlive it, and it stops them at SIGTERM
retry="TERM/{STOP_S}"
respawn_delay=2
respawn_max=0
export MONIT_HOME={shlex.quote(service.home)}
export PATH={shlex.quote(service.path)}

depend() {{
    need localmount
    use net dns
    after bootmisc
}}
"""


def launchd_text(service: Service) -> str:
    """Return a property list for launchd."""
    job = {
        "Label": f"monit-{service.user}",
        "ProgramArguments": [*service.command, "boot"],
        "UserName": service.user,
        "EnvironmentVariables": {"MONIT_HOME": service.home, "PATH": service.path},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        # else launchd kills the keepers when this process ends
        "AbandonProcessGroup": True,
        "ExitTimeOut": STOP_S,
        "StandardErrorPath": os.path.join(service.home, "boot.log"),
    }
    return plistlib.dumps(job).decode()


def service_name(service: Service) -> str:
    """Return the name of the service in OpenRC and launchd."""
    return f"monit-{service.user}"
