"""pm2's words and what they mean here: START HERE TO ADD OR CHANGE AN ANSWER.

A word that means the same as one of monit's simply works (`Pm2Word.stands_for`; names of a single
verb are in ``verb_table.ALIASES``).
Every other word has an answer that names what to do today. No answer names a command that stops
or removes something. A verb or option of monit always wins over this table.
"""

from difflib import get_close_matches
from typing import NamedTuple

from monit_agent.cli.verb_table import ALIASES, HARMLESS, VERBS
from monit_agent.config.options import FIXED, OPTIONS


class Pm2Word(NamedTuple):
    """Words of pm2 with one meaning."""

    words: tuple[str, ...]
    answer: str = ""
    """What to do instead, as a sentence without a full stop."""
    stands_for: tuple[str, ...] = ()
    """What the word is replaced by, when it means the same here."""


NO_MODULES = (
    "monit has no modules; log rotation (pm2-logrotate) is built in and on, and monit --help lists "
    "what else is"
)
NO_SETTINGS = (
    "monit has no settings of its own; the settings of an app are options of monit start, such as "
    "--log-max-size for pm2-logrotate:max_size, and monit describe NAME shows them"
)
NO_SERVICE = (
    "monit belongs to no paid service and needs no account; "
    "monit shows the screen, monit list --json has the figures"
)
START_OR = (
    "monit apply ecosystem.config.js starts what does not run and changes what differs from the "
    "file; with --reload it also loads new code"
)
NO_GIT = "monit runs no git commands; run git pull, then monit reload NAME"

COMMANDS: tuple[Pm2Word, ...] = (
    # ------------------------------------------------------------ the same here
    Pm2Word(("jlist", "prettylist"), stands_for=("list", "--json")),
    Pm2Word(("runtime", "pm2-runtime", "docker"), stands_for=("run",)),
    Pm2Word(("imonit",), stands_for=("screen",)),
    Pm2Word(("gracefulReload", "softReload"), stands_for=("reload",)),
    # ------------------------------------------------------------ boot and the saved list
    Pm2Word(
        ("cleardump",),
        "monit writes no dump: after a reboot comes back what was running, and what was stopped "
        "or deleted does not; monit save prints the list",
    ),
    # ------------------------------------------------------------ the daemon
    Pm2Word(
        ("kill",),
        "nothing was stopped: monit has no daemon, each app has a keeper of its own; "
        "monit --help lists the verbs that stop apps",
    ),
    Pm2Word(
        ("ping",),
        "monit has no daemon; monit describe NAME exits with 4 when the app's agent does not "
        "answer",
    ),
    Pm2Word(("update", "updatePM2", "deepUpdate"), stands_for=("upgrade",)),
    Pm2Word(
        ("report",),
        "for a bug report, send the output of monit --version --json, monit doctor --json and "
        "monit describe NAME --json",
    ),
    # ------------------------------------------------------------ config files and deployment
    Pm2Word(("ecosystem",), stands_for=("init",)),
    Pm2Word(("startOrRestart", "startOrReload", "startOrGracefulReload"), START_OR),
    Pm2Word(
        ("deploy",),
        "monit does not copy code to servers; bring it there with git, rsync or your CI, then "
        "load it without downtime: monit reload NAME",
    ),
    Pm2Word(("pull", "forward", "backward"), NO_GIT),
    Pm2Word(
        ("create", "examples"), "monit start --help has examples; monit demo shows a small app"
    ),
    # ------------------------------------------------------------ looking
    Pm2Word(
        ("slist", "sysinfos"),
        "monit list shows what the apps use; for the whole machine use top, free or df",
    ),
    Pm2Word(
        ("env",),
        "monit describe NAME --env lists the variables and where each is from; monit never prints "
        "values, which are in /proc/PID/environ (monit list shows the pid)",
    ),
    Pm2Word(
        ("id", "pid"),
        "monit list NAME shows ids and pids; for a script: monit list NAME --json | jq '.[].pid'",
    ),
    Pm2Word(
        ("reloadLogs",),
        "monit logs --reopen begins new files where others were moved away; monit also notices "
        "that by itself within a second",
    ),
    Pm2Word(
        ("logrotate",),
        "monit rotates and compresses logs by itself, see --log-max-size and the others of monit "
        "start --help; docs/logs.md shows how to leave it to logrotate",
    ),
    # ------------------------------------------------------------ inside the programs
    Pm2Word(
        ("attach", "send", "sendLine"),
        "workers have no standard input (it is /dev/null); monit logs NAME shows what they print, "
        "monit trigger NAME runs actions that a program offers",
    ),
    Pm2Word(
        ("inspect",),
        "start the program with its inspector: monit start app.js --interpreter 'node --inspect'",
    ),
    Pm2Word(
        ("profile:cpu", "profile:mem"),
        "monit profile NAME 10s shows where a worker spends its time and writes files (-o); "
        "monit profile NAME --memory shows what grows",
    ),
    Pm2Word(
        ("serve", "expose"),
        "Python has a server for files: monit start -m http.server --name NAME -- 8000",
    ),
    # ------------------------------------------------------------ modules, settings, the service
    Pm2Word(
        (
            "install", "uninstall", "package", "publish", "autoinstall", "module:install",
            "module:uninstall", "module:update", "module:generate", "module:package",
            "module:publish", "module:list", "install-otel", "uninstall-otel",
        ),
        NO_MODULES,
    ),
    Pm2Word(("set", "multiset", "get", "conf", "unset"), NO_SETTINGS),
    Pm2Word(
        (
            "plus", "link", "unlink", "monitor", "unmonitor", "open", "login", "logout",
            "register", "interact",
        ),
        NO_SERVICE,
    ),
)  # fmt: skip

OWN_USER = (
    "monit runs an app as the user who starts it: sudo -u USER monit start … (every user has a "
    "list of their own); root runs the workers of its apps as another user with --user USER"
)
LOG_PLACE = (
    "monit logs NAME merges standard output and standard error by time; --log-out FILE and "
    "--log-err FILE choose their files"
)
LINE_TIMES = (
    "monit knows when each line was printed; monit logs --since 10m selects by time, "
    "monit logs --json has it as the field at"
)
NOT_NEEDED = "monit does not need this option; leave it out"
CONTAINERS = "monit does not build containers"
WATCHED = (
    "--watch restarts on a change of any file below --cwd, --watch-path PATH on one of that file "
    "or folder; --ignore-watch PATTERN leaves files out"
)

FLAGS: tuple[Pm2Word, ...] = (
    Pm2Word(("--nostream",), stands_for=("--no-follow",)),
    # ------------------------------------------------------------ who runs it, and how
    Pm2Word(("-u",), OWN_USER),
    Pm2Word(
        ("--force", "-f"),
        "to run a script a second time, choose another name: monit start app.py --name NAME",
    ),
    Pm2Word(
        ("--no-daemon", "--attach", "-d"),
        "run apps in the foreground, as in a container: monit run app.py, or monit run monit.toml",
    ),
    Pm2Word(
        ("--node-args", "--interpreter-args"),
        "write the arguments behind the interpreter: "
        "--interpreter 'node --max-old-space-size=512'",
    ),
    Pm2Word(
        ("--source-map-support", "--disable-source-map-support"),
        "Node maps sources by itself: --interpreter 'node --enable-source-maps'",
    ),
    Pm2Word(
        ("--execute-command", "-x"),
        "put the command after '--': monit start --name NAME -- COMMAND",
    ),
    Pm2Word(
        ("--pid", "-p", "--pid-file"),
        "monit writes no pid files; monit list --json has the pids",
    ),
    Pm2Word(
        ("--home-path", "--hp"),
        "set the folder in the environment: MONIT_HOME=FOLDER monit …",
    ),
    Pm2Word(
        ("--wait-ip",), "the unit that monit startup writes waits for network-online.target"
    ),
    Pm2Word(("--service-name",), "the unit is monit-USER.service, or monit.service with --user"),
    Pm2Word(("--only",), "name the apps after the config file: monit start monit.toml web api"),
    Pm2Word(("--write", "-w"), "monit does not change config files; edit the file"),
    Pm2Word(("-c",), "write --cron '0 4 * * *'"),
    Pm2Word(("-k",), "write --kill-timeout, for example --kill-timeout 3s"),
    Pm2Word(("-a",), "write --update-env"),
    # ------------------------------------------------------------ restarts
    Pm2Word(
        ("--shutdown-with-message",),
        "monit stops a worker by a signal, and --stop-signal selects which; handle it with "
        "process.on('SIGTERM', …)",
    ),
    Pm2Word(
        ("--treekill", "--no-treekill"),
        "leave it out: monit ends what a worker started after the worker; --kill-mode process "
        "leaves it running, as pm2 does with --no-treekill",
    ),
    Pm2Word(("--ext", "--watch-options"), WATCHED),
    Pm2Word(("--autostart", "--no-autostart"), "monit start always starts the app"),
    # ------------------------------------------------------------ logs
    Pm2Word(("-o", "-e"), "use --log-out FILE and --log-err FILE"),
    Pm2Word(("--log", "-l", "--log-file"), LOG_PLACE),
    Pm2Word(
        ("--merge-logs", "--combine-logs"),
        "each instance has log files of its own (web.log, web-1.log, …); monit logs NAME merges "
        "them by time, and a log shipper reads web*.log",
    ),
    Pm2Word(("--time", "--timestamp", "--log-date-format"), LINE_TIMES),
    Pm2Word(("--log-type", "--format"), "monit logs --json prints one object per line"),
    Pm2Word(("--highlight",), "monit logs --grep RE shows the lines that match"),
    Pm2Word(
        ("--disable-logs",),
        "to keep no logs, use --log-to none",
    ),
    # ------------------------------------------------------------ output
    Pm2Word(
        ("--sort",),
        "the screen sorts its list; for a script: monit list --json | jq 'sort_by(.rss_bytes)'",
    ),
    Pm2Word(("--mini-list", "-m"), "in a pipe monit list prints plain columns: monit list | cat"),
    Pm2Word(
        ("--silent", "-s"),
        "results go to standard output and messages to standard error: 2> /dev/null hides these",
    ),
    Pm2Word(("--no-color",), "set NO_COLOR=1 in the environment"),
    # ------------------------------------------------------------ the rest
    Pm2Word(
        (
            "--vizion", "--no-vizion", "--pmx", "--no-pmx", "--automation", "--no-automation",
            "--deep-monitoring", "--trace", "--disable-trace", "--v8", "--event-loop-inspector",
            "--windows-hide",
        ),
        NOT_NEEDED,
    ),
    Pm2Word(
        ("--container", "--dist", "--image-name", "--dockerdaemon", "--node-version"),
        CONTAINERS,
    ),
    Pm2Word(("--post-update", "--install-url"), NO_GIT),
    Pm2Word(
        ("--spa", "--basic-auth-username", "--basic-auth-password", "--monitor"),
        "monit does not serve files itself; monit start -m http.server -- 8000 does",
    ),
)  # fmt: skip


def _plain(word: str) -> str:
    """Return ``word`` without what people mistype in it: reload-logs is reloadLogs."""
    return word.lower().replace("-", "").replace("_", "")


_COMMANDS = {_plain(word): row for row in COMMANDS for word in row.words}
_FLAGS = {word: row for row in FLAGS for word in row.words}


def find_pm2_command(word: str) -> Pm2Word | None:
    """Return what a command of pm2 means here; None for another word."""
    return _COMMANDS.get(_plain(word))


def answer_to_flag(flag: str, verb: str | None) -> str | None:
    """Return what to do instead of an option that ``verb`` does not have; None if it is not known.

    An option of ``monit start`` is known too: other verbs do not change settings.
    """
    if has_answer(flag):
        return _FLAGS[flag].answer
    if verb == "start":
        return None
    if flag in _FIXED_FLAGS:
        return f"{flag} is an option of monit start, and of an app that is new"
    if flag in _START_FLAGS or flag[2:] in _OWN_NAMES:
        return (
            f"{flag} is an option of monit start; it also changes the settings of an app that is "
            f"not running: monit start NAME {flag} …"
        )
    return None


_START_FLAGS = {flag for option in OPTIONS for flag in option.all_flags}
_FIXED_FLAGS = {flag for option in OPTIONS if option.key in FIXED for flag in option.flags}


def own_name(name: str) -> str:
    """Return monit's name of an option that pm2 calls ``name``, both without ``--``."""
    return _OWN_NAMES.get(name, name)


def has_answer(flag: str) -> bool:
    """Return whether an option of pm2 has an answer, and does not work here under its name."""
    row = _FLAGS.get(flag)
    return row is not None and bool(row.answer)


def _own_names() -> dict[str, str]:
    """Return pm2's names of options that mean the same, from the keys in the table of options."""
    names = {key.replace("_", "-"): option for option in OPTIONS for key in option.pm2}
    own = {
        name: option.flags[-1][2:]
        for name, option in names.items()
        if not (option.implies or option.switch)
        and f"--{name}" not in _START_FLAGS
        and not has_answer(f"--{name}")
    }
    return {**own, **{row.words[0][2:]: row.stands_for[0][2:] for row in FLAGS if row.stands_for}}


_OWN_NAMES = _own_names()


def suggestion(word: str, apps: tuple[str, ...] = ()) -> str:
    """Return ``; did you mean 'list'?`` for a word like one of monit's or pm2's, else "".

    A verb that stops, replaces or removes something is never suggested: who repeats the command
    without reading would lose something. Where such a verb is the nearest, nothing is suggested.
    """
    pm2 = {name: row for row in COMMANDS for name in row.words}
    known = {**dict.fromkeys((*VERBS, *ALIASES, *apps)), **pm2}
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if not near:
        return ""
    row = known[near[0]]
    if row is not None and row.answer:
        return f"; pm2's {near[0]!r} has this answer: {row.answer}"
    verb = row.stands_for[0] if row is not None else ALIASES.get(near[0], near[0])
    if near[0] in apps and near[0] in VERBS:
        return f"; did you mean the app (monit screen {near[0]}) or the verb {near[0]!r}?"
    harmless = verb in HARMLESS or near[0] in apps
    return f"; did you mean {near[0]!r}?" if harmless else ""
