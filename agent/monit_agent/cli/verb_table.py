"""The table of verbs and their aliases: a new verb is one row and its file in ``verbs/``."""

from monit_agent.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import click

SCREEN = "screen"

BARE_WORDS = "monit_agent.cli.bare_words"
"""Key in ``ctx.meta`` when `SCREEN` is meant without being written, as in ``monit api``."""


class Verb(NamedTuple):
    """Where the code of a verb is, and its line in the overview."""

    location: str
    """``module:attribute`` in `monit_agent.cli.verbs`; imported when the verb is called."""
    group: str
    summary: str


RUNNING, LOOKING, MORE = GROUPS = ("Run apps", "Look at apps", "More")

VERBS = {
    "start": Verb("start:start", RUNNING, "Start a new app, or one that is stopped."),
    "apply": Verb("apply:apply", RUNNING, "Change the running apps to match a config file."),
    "run": Verb("run:run", RUNNING, "Run apps in the foreground, for containers."),
    "stop": Verb("stop:stop", RUNNING, "Stop apps; they stay in the list."),
    "restart": Verb("restart:restart", RUNNING, "Stop and start apps, all instances at once."),
    "reload": Verb("reload:reload", RUNNING, "Replace instances one by one, without downtime."),
    "resurrect": Verb(
        "resurrect:resurrect", RUNNING, "Start again what was running before a reboot."
    ),
    "scale": Verb("scale:scale", RUNNING, "Change the number of instances of an app."),
    "signal": Verb("signal:send_signal", RUNNING, "Send a signal to workers."),
    "trigger": Verb("trigger:trigger", RUNNING, "Run an action inside an app."),
    "reset": Verb(
        "reset:reset", RUNNING, "Set restart counters to zero and clear the list of exits."
    ),
    "delete": Verb(
        "delete:delete", RUNNING, "Stop apps and remove them from the list; log files stay."
    ),
    "list": Verb("list:list_apps", LOOKING, "List instances and their resource usage."),
    "describe": Verb("describe:describe", LOOKING, "Show everything about an app."),
    "logs": Verb("logs:logs", LOOKING, "Show log lines of apps and follow them."),
    "history": Verb("history:history", LOOKING, "Show metrics of the past, up to 30 days."),
    "events": Verb("events:events", LOOKING, "Show starts, exits, reloads and commands."),
    "alerts": Verb("alerts:alerts", LOOKING, "Show the alerts that fire; mute and test them."),
    "profile": Verb("profile:profile", LOOKING, "Show where a worker spends time or memory."),
    "metrics": Verb("metrics:metrics", LOOKING, "Print the metrics of all apps for Prometheus."),
    "serve-metrics": Verb(
        "metrics:serve_metrics", LOOKING, "Serve the metrics of all apps for Prometheus."
    ),
    "flush": Verb("flush:flush", LOOKING, "Delete the content of log files."),
    SCREEN: Verb("screen:screen", LOOKING, "Open the full-screen monitor, like monit alone."),
    "web": Verb("web:web", LOOKING, "Show the screen in a browser."),
    "config": Verb("config:config", MORE, "Check, show and import config files."),
    "init": Verb("init:init", MORE, "Write a monit.toml from the existing apps, or an example."),
    "export": Verb("export:export", MORE, "Print the apps for monit.toml, systemd, compose …"),
    "save": Verb("save:save", MORE, "Check what a reboot brings back; state is always saved."),
    "boot": Verb("boot:boot", MORE, "Start the apps and their keepers, as a unit's main process."),
    "startup": Verb("startup:startup", MORE, "Let systemd start the apps at every boot."),
    "unstartup": Verb("unstartup:unstartup", MORE, "Undo startup; the apps keep running."),
    "upgrade": Verb(
        "upgrade:upgrade", MORE, "Let the installed version of monit take over running apps."
    ),
    "hosts": Verb("hosts:hosts", MORE, "Check which other machines can be reached (--host)."),
    "bridge": Verb("bridge:bridge", MORE, "Serve monit --host on another machine, through ssh."),
    "doctor": Verb("doctor:doctor", MORE, "Check this machine and monit's own processes."),
    "demo": Verb("demo:demo", MORE, "Run a small example app to try things out."),
    "completion": Verb("completion:completion", MORE, "Print the completion script for a shell."),
}

ALIASES = {
    "ls": "list",
    "ps": "list",
    "status": "list",
    "l": "list",
    "del": "delete",
    "rm": "delete",
    "info": "describe",
    "show": "describe",
    "desc": "describe",
    "log": "logs",
    "dump": "save",
    "sendSignal": "signal",
    "monit": SCREEN,
    "dash": SCREEN,
    "dashboard": SCREEN,
}
"""Other names of the verbs, as in pm2. Its words that need more are in ``pm2_words.py``."""

OF_TARGETS = (
    "stop", "restart", "reload", "reset", "delete", "list", "describe", "logs", "flush", SCREEN,
)  # fmt: skip
"""Verbs whose arguments are targets and nothing else: completed without importing the verb."""

HARMLESS = (
    "start",
    "list",
    "describe",
    "logs",
    "history",
    "events",
    "alerts",
    "metrics",
    "profile",
    SCREEN,
    "web",
    "config",
    "init",
    "export",
    "doctor",
    "save",
    "resurrect",
    "demo",
    "completion",
)
"""Verbs that an error may suggest: a command that is repeated with one of these loses nothing."""


def find_verb(word: str) -> str | None:
    """Return the verb that ``word`` names, or None."""
    return word if word in VERBS else ALIASES.get(word)


def load_verb(name: str) -> "click.Command":
    """Import the verb ``name``."""
    module, _, attribute = VERBS[name].location.partition(":")
    import importlib  # noqa: PLC0415 — only for a verb that is called

    return getattr(importlib.import_module(f"monit_agent.cli.verbs.{module}"), attribute)
