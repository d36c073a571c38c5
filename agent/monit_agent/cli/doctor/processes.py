"""Checks of keepers and agents: whether they run, of which version, and with what room."""

import os
import resource

from monit_agent import __version__
from monit_agent.cli.doctor.findings import FAIL, OK, WARN, Examined, Finding
from monit_agent.client.keeper_request import NoKeeperError, SilentKeeperError, request_keeper
from monit_agent.client.saved_state import read_saved_app
from monit_agent.system.installation import Installation, is_there, own_installation
from monit_agent.system.procfs import read_file
from monit_agent.wire.codec import side_to_upgrade
from monit_agent.wire.paths import app_paths

NO_KEEPER = "no keeper runs"
ANSWER_S = 3.0
PER_INSTANCE = 7
"""Descriptors that a keeper needs for an instance."""
USED_SHARE = 0.8
INSTANCES = 100


def ask_keeper(home: str, app: str) -> "dict[str, object] | str":
    """Return what the app's keeper answers to ``version``, or why it does not."""
    try:
        return request_keeper(app_paths(home, app), "version", ANSWER_S)
    except NoKeeperError:
        return NO_KEEPER
    except SilentKeeperError as error:
        return str(error)


def check_keepers(examined: Examined) -> list[Finding]:
    """Apps that should run and have no keeper, keepers that do not answer, and what they lack."""
    found: list[Finding] = []
    for app, about in examined.keepers.items():
        if about == NO_KEEPER:
            found += _without_keeper(examined, app)
        elif isinstance(about, str):
            todo = f"see {examined.paths(app).keeper_log}, and monit describe {app}"
            found.append(Finding(FAIL, f"{app}: {about}", todo))
        else:
            found += [Finding(WARN, f"{app}: {text}") for text in about.get("problems", ())]
    if not examined.keepers:
        return [Finding(OK, "there are no apps yet")]
    return found or [Finding(OK, f"the keepers of {len(examined.keepers)} apps answer")]


def _without_keeper(examined: Examined, app: str) -> list[Finding]:
    saved = read_saved_app(examined.paths(app).state)
    if saved is None:
        text = f"{app}: its state cannot be read, or is of another version of monit"
        todo = f"see {examined.paths(app).state}; install the version that wrote it"
        return [Finding(FAIL, text, todo)]
    if any(each.desired == "running" for each in saved.instances):
        text = f"{app}: it should run, and has no keeper"
        return [Finding(FAIL, text, f"run monit start {app}")]
    return []


def check_versions(examined: Examined) -> list[Finding]:
    """Keepers and agents of other versions, or from a place that is gone."""
    found: list[Finding] = []
    for app, about in examined.answers().items():
        if about.get("ok") is not True:
            found.append(Finding(WARN, f"{app}: its keeper is of a version without upgrades"))
            continue
        place = Installation(about["python"], about["package"])
        versions = about["version"], about["agent_version"]
        todo = f"run monit upgrade {app}"
        side = side_to_upgrade(int(about["protocol"]))
        if side == "ours":
            text = f"{app}: monit {versions[0]} runs it, which is too new for this monit"
            found.append(Finding(FAIL, text, "install a newer version of monit"))
        elif not is_there(place):
            text = f"{app}: it runs from {place.package} by {place.python}, which is gone"
            found.append(Finding(WARN, text, todo))
        elif versions[0] != __version__ or versions[1] not in (None, __version__):
            text = f"{app}: keeper {versions[0]}, agent {versions[1]}, installed {__version__}"
            found.append(Finding(FAIL if side else WARN, text, todo))
    return found or [Finding(OK, f"monit {__version__} is installed, and nothing older runs")]


def check_agents(examined: Examined) -> list[Finding]:
    """Keepers without an agent: nothing can be seen of their apps."""
    found = [
        Finding(
            FAIL,
            f"{app}: no agent is connected to its keeper, so nothing is seen of the app",
            f"see {examined.paths(app).agent_log} and {examined.paths(app).keeper_log}",
        )
        for app, about in examined.answers().items()
        if about.get("ok") is True and about["agent_version"] is None
    ]
    if not examined.answers():
        return []
    return found or [Finding(OK, "every keeper has its agent")]


def check_descriptors(examined: Examined) -> list[Finding]:
    """The limit of open files, here and in running keepers."""
    found: list[Finding] = []
    for app, about in examined.answers().items():
        used, limit = about.get("descriptors", 0), about.get("descriptor_limit", 0)
        if limit and used > USED_SHARE * limit:
            text = f"{app}: its keeper has {used} of at most {limit} descriptors"
            found.append(
                Finding(WARN, text, "raise the limit (ulimit -Hn), then run monit upgrade")
            )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < PER_INSTANCE * INSTANCES:
        text = (
            f"a keeper may open {hard} files, which is enough for {hard // PER_INSTANCE} instances"
        )
        found.append(Finding(WARN, text, "raise the hard limit: ulimit -Hn 65536, or LimitNOFILE="))
    shown = "any number of" if hard == resource.RLIM_INFINITY else str(hard)
    return found or [Finding(OK, f"a keeper may open {shown} files")]


def check_process_limits(_: Examined) -> list[Finding]:
    """How many processes may be started: the user's limit and the control group's."""
    found: list[Finding] = []
    group = _own_group()
    used, most = _number(f"{group}/pids.current"), _number(f"{group}/pids.max")
    if used is not None and most is not None and used > USED_SHARE * most:
        text = f"{used} of at most {most} processes run in this control group ({group})"
        found.append(
            Finding(WARN, text, "raise its limit: TasksMax=, or --pids-limit of a container")
        )
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if soft != resource.RLIM_INFINITY and soft < INSTANCES:
        text = f"this user may have {soft} processes"
        found.append(Finding(WARN, text, "raise the limit: ulimit -u, or LimitNPROC="))
    return found or [Finding(OK, "processes can be started")]


def _own_group() -> str:
    for line in (read_file("/proc/self/cgroup") or b"").splitlines():
        if line.startswith(b"0::"):
            return "/sys/fs/cgroup" + os.fsdecode(line[3:])
    return "/sys/fs/cgroup/pids"


def _number(path: str) -> int | None:
    text = (read_file(path) or b"").strip()
    return int(text) if text.isdigit() else None


def check_installation(examined: Examined) -> list[Finding]:
    """Whether the command that a shell finds is this one."""
    own = own_installation()
    folders = examined.environ.get("PATH", "").split(":")
    found = next(
        (os.path.join(f, "monit") for f in folders if os.access(f"{f}/monit", os.X_OK)), None
    )
    text = f"monit {__version__} in {own.package}, run by {own.python}"
    if found is None:
        todo = f"add the folder of the command to PATH: {os.path.dirname(own.python)}"
        return [Finding(WARN, f"{text}; no command monit is in PATH", todo)]
    first = (read_file(found) or b"").split(b"\n")[0]
    if first.startswith(b"#!/") and os.fsdecode(first[2:].strip()).split(" ")[0] != own.python:
        todo = "remove one of the two installations, or run the same one always"
        return [Finding(WARN, f"{text}; but PATH finds {found}, which is another one", todo)]
    return [Finding(OK, text)]
