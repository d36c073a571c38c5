"""The options of an app, one row each: START HERE TO ADD ONE.

From this table are made

* the flags of ``monit start`` and their help (``cli/options/start_options.py``),
* the parsing of their values, by ``kind`` (``config/values.py``),
* the spec that the keeper gets (``config/app.py``),
* the settings that `monit describe` and the screen list (``client/text/settings.py``),
* the keys of config files, and those that pm2 users know.

Rows are data, and this module imports nothing of ours: everybody may read it.
"""

from typing import Literal, NamedTuple

Kind = Literal[
    "text", "namespace", "instances", "port", "socket", "variable", "variable name",
    "size", "duration", "count", "signal", "kill mode", "mode", "exit codes", "cron",
    "watch pattern", "url", "command", "yes or no", "restart", "size or none", "time or none",
    "file", "alert rule", "variable pattern", "type", "dependency", "webhook", "notices",
    "watch path", "instance variable", "zone", "user", "group",
    "log place", "reload command",
]  # fmt: skip
"""What a value is: how it is parsed and written."""

Apply = Literal["live", "reload", "restart", "new app"]
"""What applying a changed value needs: nothing that touches a process, a rolling reload,
stop and start, or another app."""

MIB = 1024 * 1024


class Option(NamedTuple):
    """One thing that a user can say about an app."""

    key: str
    """Its name in a config file; a dot leads into a table (``health.url``)."""
    flags: tuple[str, ...]
    """Its names on the command line."""
    metavar: str
    """What stands for the value in the help; "" for a flag without a value."""
    kind: Kind
    group: str
    """Heading in the help."""
    help: str
    apply: Apply
    example: str
    """A value as a user writes it."""
    field: str = ""
    """Where the value is found in `AppSpec` and in `AppRecord`; "" when it is in neither."""
    label: str = ""
    """Its name in `monit describe` and on the screen; "" when it is not listed there."""
    pm2: tuple[str, ...] = ()
    """pm2's keys of the same meaning."""
    implies: str = ""
    """The value that a flag without a value stands for."""
    switch: tuple[str, str] | None = None
    """A further flag, which has no value, and the value that it stands for."""
    several: bool = False
    """Whether the flag may be repeated."""
    least: float = 0.0
    most: float = float("inf")
    """Bounds of a count, a size in bytes, a duration in seconds."""
    replaces: str = ""
    """Key of an option that this one takes the place of."""
    shown_with: tuple[str, ...] = ()
    """Keys of which one must be set for this one to matter; () for none."""

    @property
    def parameter(self) -> str:
        """Return the key as a Python name."""
        return self.key.replace("-", "_").replace(".", "_")

    @property
    def all_flags(self) -> tuple[str, ...]:
        """Return its flags with the one that has no value."""
        return (*self.flags, self.switch[0]) if self.switch else self.flags


APP, PORTS, ENVIRONMENT = "App", "Ports", "Environment and probe"
RESTARTS, STOPPING, RELOADING = "Restarts", "Stopping", "Reloading"
READINESS, HEALTH, LOGS, ALERTS = "Readiness", "Health checks", "Logs", "Alerts"
READY_CHECKS = ("ready.url", "ready.command")
HOOKS = ("alerts.command", "alerts.webhook")
HEALTH_CHECKS = ("health.url", "health.command")

OPTIONS: tuple[Option, ...] = (
    # ------------------------------------------------------------ App
    Option(
        "module", ("-m", "--module"), "MODULE", "text", APP,
        "Run a Python module, as python -m does.",
        apply="reload", example="http.server",
    ),
    Option(
        "name", ("-n", "--name"), "NAME", "text", APP,
        "Name of the app. [default: name of the script]",
        apply="new app", example="web", field="name", pm2=("name",),
    ),
    Option(
        "namespace", ("--namespace",), "NAME", "namespace", APP,
        "Group that the app belongs to; the target @NAME means all apps in it.",
        apply="live", example="shop", field="namespace", label="namespace", pm2=("namespace",),
    ),
    Option(
        "instances", ("-i", "--instances"), "N|max", "instances", APP,
        "Number of instances; max means one per CPU core, -1 one less.",
        apply="live", example="2", field="instances", label="instances", pm2=("instances",),
    ),
    Option(
        "cwd", ("--cwd",), "FOLDER", "text", APP,
        "Working directory of the workers. [default: current directory]",
        apply="reload", example="/", field="cwd", label="cwd", pm2=("cwd",),
    ),
    Option(
        "interpreter", ("--interpreter",), "PROGRAM", "text", APP,
        "Program that runs the script; none runs the script itself. [default: by extension]",
        apply="reload", example="python3", field="interpreter", label="interpreter",
        pm2=("exec_interpreter", "interpreter"),
    ),
    Option(
        "user", ("--user",), "USER", "user", APP,
        "Run the workers and the check commands as this user, with HOME, USER, LOGNAME, SHELL and "
        "the groups of a login. Only root can do that.",
        apply="restart", example="nobody", field="worker_user", label="runs as",
        pm2=("uid", "user"),
    ),
    Option(
        "group", ("--group",), "GROUP", "group", APP,
        "Run the workers with this group instead of the user's own. Only root can do that.",
        apply="restart", example="nogroup", field="worker_group", label="group",
        pm2=("gid", "group"),
    ),
    Option(
        "type", ("--once",), "", "type", APP,
        "Run the app once: with exit code 0 it is done, with any other it has failed; it is not "
        "restarted.",
        apply="live", example="once", field="type", label="type", implies="once",
    ),
    Option(
        "after", ("--after",), "APP[=STATE]", "dependency", APP,
        "Start when another app is started, ready (its instances are online) or done (its work is "
        "finished); ready if no STATE is given. Can be repeated.",
        apply="live", example="db=ready", field="after", label="after", several=True,
    ),
    # ------------------------------------------------------------ Ports
    Option(
        "port", ("--port",), "N", "port", PORTS,
        "Port of the app; workers find it in PORT, and are online when they accept connections on "
        "it.",
        apply="restart", example="8000", field="port", label="port", pm2=("port",),
    ),
    Option(
        "mode", ("--mode",), "fork|cluster", "mode", PORTS,
        "Who opens the ports: in fork each worker its own (and a Node program may use Node's "
        "cluster itself), in cluster monit, for all workers. [default: by the program]",
        apply="restart", example="cluster", field="chosen_mode", label="chosen mode",
        pm2=("exec_mode",),
    ),
    Option(
        "increment-var", ("--increment-var",), "NAME", "variable name", PORTS,
        "Environment variable that is one higher in each instance; with PORT, each instance gets "
        "a port of its own.",
        apply="restart", example="PORT", field="increment", label="increment var",
        pm2=("increment_var",),
    ),
    Option(
        "listen", ("--listen",), "[HOST:]PORT|unix:PATH", "socket", PORTS,
        "Open a listening socket and pass it to the workers (LISTEN_FDS). Can be repeated.",
        apply="reload", example="127.0.0.1:8000", field="listen", label="listen", several=True,
    ),
    # ------------------------------------------------------------ Environment and probe
    Option(
        "env", ("--env",), "NAME=VALUE", "variable", ENVIRONMENT,
        "Set an environment variable; it stays until the app is deleted. Can be repeated.",
        apply="reload", example="DEBUG=1", pm2=("env",), several=True,
    ),
    Option(
        "env-file", ("--env-file",), "FILE", "text", ENVIRONMENT,
        "Read environment variables from a file, one per line, and again before each start of a "
        "worker. --env wins. A file with ? before its path may be missing. Can be repeated.",
        apply="reload", example="/dev/null", several=True,
    ),
    Option(
        "inherit-env", ("--no-inherit-env",), "", "yes or no", ENVIRONMENT,
        "Inherit nothing from the shell but PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ, "
        "TMPDIR and the active environment of Python.",
        apply="reload", example="no", field="inherit_env", label="inherit env", implies="no",
    ),
    Option(
        "drop-env", ("--drop-env",), "NAME", "variable pattern", ENVIRONMENT,
        "Do not inherit this variable from the shell; * at either end stands for anything, as in "
        "'AWS_*'. What --env and --env-file set stays. Can be repeated.",
        apply="reload", example="AWS_*", field="drop_env", label="drop env",
        pm2=("filter_env",), several=True,
    ),
    Option(
        "instance-var", ("--instance-var",), "NAME", "instance variable", ENVIRONMENT,
        "Set this variable to the number of the instance, too; it is in MONIT_INSTANCE and "
        "NODE_APP_INSTANCE anyway.",
        apply="reload", example="WORKER_NUMBER", field="instance_var", label="instance var",
        pm2=("instance_var",),
    ),
    Option(
        "timezone", ("--timezone",), "ZONE", "zone", ENVIRONMENT,
        "Time zone of the workers (their TZ) and of --cron, such as Europe/Berlin. [default: TZ of "
        "the workers, else that of the machine]",
        apply="reload", example="Europe/Berlin", field="timezone", label="timezone",
    ),
    Option(
        "probe", ("--no-probe",), "", "yes or no", ENVIRONMENT,
        "Run the workers without the probe: no heap and no event loop figures "
        "(sets MONIT_PROBE=0).",
        apply="reload", example="no", implies="no",
    ),
    Option(
        "probe-http", ("--no-http",), "", "yes or no", ENVIRONMENT,
        "Do not measure HTTP requests, which costs about a microsecond each "
        "(sets MONIT_PROBE_HTTP=0).",
        apply="reload", example="no", implies="no",
    ),
    # ------------------------------------------------------------ Restarts
    Option(
        "restart", ("--restart",), "WHEN", "restart", RESTARTS,
        "Restart the app when it exits: always, never, or on-failure (not after exit code 0). "
        "An app that fails and is not restarted is errored.",
        apply="live", example="on-failure", field="policy.restart", label="restart",
        pm2=("autorestart",), switch=("--no-autorestart", "never"),
    ),
    Option(
        "stop-exit-codes", ("--stop-exit-codes",), "CODES", "exit codes", RESTARTS,
        "Exit codes after which the app is not restarted, such as 0,3.",
        apply="live", example="0,3", field="policy.stop_exit_codes", label="stop exit codes",
        pm2=("stop_exit_codes",),
    ),
    Option(
        "max-restarts", ("--max-restarts",), "N", "count", RESTARTS,
        "Number of failed starts in a row after which monit gives up.",
        apply="live", example="3", field="policy.max_restarts", label="max restarts",
        pm2=("max_restarts",), most=10_000,
    ),
    Option(
        "backoff", ("--backoff",), "TIME", "duration", RESTARTS,
        "Time from a failed start to the next one; it doubles each time.",
        apply="live", example="1s", field="policy.backoff_first_s", label="backoff",
        pm2=("exp_backoff_restart_delay",), least=0.01, most=3600.0,
    ),
    Option(
        "backoff-max", ("--backoff-max",), "TIME", "duration", RESTARTS,
        "Longest time from a failed start to the next one.",
        apply="live", example="1m", field="policy.backoff_cap_s", label="backoff max",
        least=0.01, most=3600.0,
    ),
    Option(
        "restart-delay", ("--restart-delay",), "TIME", "duration", RESTARTS,
        "Wait this long before each restart of a worker that exited; after a failed start, the "
        "longer of this and the backoff.",
        apply="live", example="2s", field="policy.restart_delay_s", label="restart delay",
        pm2=("restart_delay",), most=3600.0,
    ),
    Option(
        "min-uptime", ("--min-uptime",), "TIME", "duration", RESTARTS,
        "Uptime after which a worker without a port or a check counts as online.",
        apply="live", example="5s", field="policy.min_uptime_s", label="min uptime",
        pm2=("min_uptime",),
    ),
    Option(
        "max-memory", ("--max-memory",), "SIZE", "size", RESTARTS,
        "Restart a worker that uses more memory than this, such as 300M; at 1.5 times as much a "
        "worker that still grows is restarted at once.",
        apply="live", example="300M", field="policy.max_memory_bytes", label="max memory",
        pm2=("max_memory_restart",), least=MIB,
    ),
    Option(
        "cron", ("--cron",), "PATTERN", "cron", RESTARTS,
        "Restart at these times, such as '0 4 * * *' (every day at 04:00), in the time zone of the "
        "app (--timezone, or its TZ).",
        apply="live", example="0 4 * * *", field="policy.cron", label="cron",
        pm2=("cron_restart", "cron"),
    ),
    Option(
        "watch", ("--watch-path",), "PATH", "watch path", RESTARTS,
        "Restart when this file, or a file in this folder, changes. Hidden files, what .gitignore "
        "names, logs, databases, dependencies and the like do not count. Can be repeated.",
        apply="live", example="src", field="watch_paths", label="watch", pm2=("watch",),
        several=True, switch=("--watch", "yes"),
    ),
    Option(
        "watch-ignore", ("--ignore-watch",), "PATTERN", "watch pattern", RESTARTS,
        "Ignore files with --watch, in the syntax of .gitignore: 'data/', '*.json'; '!dist/' "
        "watches what is ignored otherwise. Can be repeated.",
        apply="live", example="data/", field="watch_ignore", label="ignore watch",
        pm2=("ignore_watch",), several=True, shown_with=("watch",),
    ),
    Option(
        "watch-delay", ("--watch-delay",), "TIME", "duration", RESTARTS,
        "With --watch, restart when nothing has changed for this long.",
        apply="live", example="2s", field="watch_delay_s", label="watch delay",
        pm2=("watch_delay",), shown_with=("watch",), least=0.1, most=3600.0,
    ),
    Option(
        "restart-stuck", ("--restart-stuck",), "TIME", "duration", RESTARTS,
        "Restart a worker whose event loop is blocked for this long, such as 30s.",
        apply="live", example="30s", field="checks.restart_stuck_s", label="restart stuck",
        least=3.0,  # only after 2.5 s is a Node program's silence told from a late report
    ),
    # ------------------------------------------------------------ Stopping
    Option(
        "stop-signal", ("--stop-signal",), "SIGNAL", "signal", STOPPING,
        "Signal that asks a worker to stop.",
        apply="live", example="INT", field="policy.stop_signal", label="stop signal",
    ),
    Option(
        "kill-timeout", ("--kill-timeout",), "TIME", "duration", STOPPING,
        "Time that a worker has to stop before it is killed.",
        apply="live", example="30s", field="policy.kill_timeout_s", label="kill timeout",
        pm2=("kill_timeout",),
    ),
    Option(
        "kill-mode", ("--kill-mode",), "MODE", "kill mode", STOPPING,
        "Who gets the stop signal: mixed (the main process, then what it leaves behind), group "
        "(all processes at once) or process (the main process only; the others keep running).",
        apply="live", example="group", field="policy.kill_mode", label="kill mode",
        pm2=("treekill",),
    ),
    # ------------------------------------------------------------ Reloading
    Option(
        "reload-command", ("--reload-command",), "COMMAND", "reload command", RELOADING,
        "Command by which the program reloads itself: monit reload runs it for each instance "
        "instead of replacing the worker, and fails if it exits with a non-zero code. It runs "
        "without a shell; MAINPID, MONIT_INSTANCE and PORT are set. Where a variable or another "
        "setting of the worker has changed, the worker is replaced. none removes it.",
        apply="live", example="nginx -s reload", field="policy.reload_command",
        label="reload command", replaces="reload-signal",
    ),
    Option(
        "reload-signal", ("--reload-signal",), "SIGNAL", "signal", RELOADING,
        "Signal by which the program reloads itself, such as HUP: monit reload sends it to the "
        "main process. The program does not report the result: a worker that still runs after "
        "--min-uptime counts as reloaded.",
        apply="live", example="HUP", field="policy.reload_signal", label="reload signal",
        replaces="reload-command",
    ),
    # ------------------------------------------------------------ Readiness
    Option(
        "wait-ready", ("--wait-ready",), "", "yes or no", READINESS,
        "Count a worker as online only after it sends READY=1 (sd_notify) or "
        "process.send('ready') (Node).",
        apply="live", example="yes", field="wait_ready", label="wait ready",
        pm2=("wait_ready",), implies="yes",
    ),
    Option(
        "ready.url", ("--ready-url",), "URL", "url", READINESS,
        "Count a worker as online only after this URL answers with status 200 to 399, such as "
        "http://127.0.0.1:{port}/health or unix:SOCKET:/PATH.",
        apply="live", example="http://127.0.0.1:8000/", field="checks.ready_url",
        label="ready URL", replaces="ready.command",
    ),
    Option(
        "ready.command", ("--ready-command",), "COMMAND", "command", READINESS,
        "Count a worker as online only after this command exits with 0. It runs without a shell; "
        "MONIT_PID, MONIT_INSTANCE and PORT are set.",
        apply="live", example="redis-cli ping", field="checks.ready_command",
        label="ready command", replaces="ready.url",
    ),
    Option(
        "listen-timeout", ("--listen-timeout",), "TIME", "duration", READINESS,
        "Time that a worker has to become ready, with a port, --wait-ready or a ready check.",
        apply="live", example="1m", field="policy.listen_timeout_s", label="listen timeout",
        pm2=("listen_timeout",), shown_with=("wait-ready", *READY_CHECKS),
    ),
    # ------------------------------------------------------------ Health checks
    Option(
        "health.url", ("--health-url",), "URL", "url", HEALTH,
        "Restart a worker when this URL does not answer with status 200 to 399; none removes the "
        "check.",
        apply="live", example="http://127.0.0.1:8000/", field="checks.health_url",
        label="health URL", replaces="health.command",
    ),
    Option(
        "health.command", ("--health-command",), "COMMAND", "command", HEALTH,
        "Restart a worker when this command does not exit with 0.",
        apply="live", example="redis-cli ping", field="checks.health_command",
        label="health command", replaces="health.url",
    ),
    Option(
        "health.interval", ("--health-interval",), "TIME", "duration", HEALTH,
        "Time between two health checks.",
        apply="live", example="5s", field="checks.health_interval_s", label="health interval",
        least=0.5, shown_with=HEALTH_CHECKS,
    ),
    Option(
        "health.timeout", ("--health-timeout",), "TIME", "duration", HEALTH,
        "Time that a ready or health check has to answer.",
        apply="live", example="5s", field="checks.health_timeout_s", label="check timeout",
        least=0.1, shown_with=(*READY_CHECKS, *HEALTH_CHECKS),
    ),
    Option(
        "health.failures", ("--health-failures",), "N", "count", HEALTH,
        "Number of failed checks in a row after which a worker is restarted.",
        apply="live", example="2", field="checks.health_failures", label="health failures",
        least=1, most=1000, shown_with=HEALTH_CHECKS,
    ),
    Option(
        "health.grace", ("--health-grace",), "TIME", "duration", HEALTH,
        "Time that a worker is online before its first health check.",
        apply="live", example="10s", field="checks.health_grace_s", label="health grace",
        shown_with=HEALTH_CHECKS,
    ),
    # ------------------------------------------------------------ Logs
    Option(
        "log.to", ("--log-to",), "PLACE", "log place", LOGS,
        "Where what the workers print goes: file, journald (the journal of systemd), stdout (with "
        "monit run, which prints it) or none.",
        apply="live", example="journald", field="log.to", label="log to",
    ),
    Option(
        "log.max-size", ("--log-max-size",), "SIZE", "size or none", LOGS,
        "Size at which a log file is rotated; none leaves that to another program.",
        apply="live", example="50M", field="log.max_size_bytes", label="log max size",
        least=64 * 1024,  # a smaller file is rotated more often than it is written to
    ),
    Option(
        "log.max-files", ("--log-max-files",), "N", "count", LOGS,
        "Number of rotated files that are kept of each stream of an instance; 0 keeps all.",
        apply="live", example="20", field="log.max_files", label="log max files", most=100_000,
    ),
    Option(
        "log.max-age", ("--log-max-age",), "TIME", "time or none", LOGS,
        "Time after which a rotated file is removed.",
        apply="live", example="7d", field="log.max_age_s", label="log max age", least=60.0,
    ),
    Option(
        "log.max-total", ("--log-max-total",), "SIZE", "size or none", LOGS,
        "Size of all log files of the app together; the oldest are removed beyond it.",
        apply="live", example="1G", field="log.max_total_bytes", label="log max total",
        least=MIB,
    ),
    Option(
        "log.out", ("--log-out",), "FILE|none", "file", LOGS,
        "File for standard output of instance 0; instance 1 has -1 before the extension, and so "
        "on. none keeps nothing. [default: in the folder of the app]",
        apply="reload", example="/var/log/web.log", field="log.out", label="log out",
        pm2=("out_file", "output", "out_log"),
    ),
    Option(
        "log.err", ("--log-err",), "FILE|none", "file", LOGS,
        "File for standard error; the same as --log-out makes one stream of both.",
        apply="reload", example="/var/log/web.err.log", field="log.err", label="log err",
        pm2=("error_file", "error", "err_file", "err_log"),
    ),
    Option(
        "log.compress", ("--no-log-compress",), "", "yes or no", LOGS,
        "Do not compress rotated files.",
        apply="live", example="no", field="log.compress", label="log compress", implies="no",
    ),
    # ------------------------------------------------------------ Alerts
    Option(
        "alerts.rules", ("--alert",), "NAME=RULE", "alert rule", ALERTS,
        "Fire an alert, such as 'slow=http_p95_ms > 500 for 1m'. A rule takes the place of the "
        "default one of its name; 'loop-lag=off' switches that off. Can be repeated.",
        apply="live", example="slow=http_p95_ms > 500 for 1m", field="alerts.rules",
        label="alert rules", several=True,
    ),
    Option(
        "alerts.command", ("--alert-command",), "COMMAND", "command", ALERTS,
        "Run this command for each notice, which is JSON on its standard input. It runs without a "
        "shell, for at most 10 seconds.",
        apply="live", example="/usr/local/bin/page --team web", field="alerts.command",
        label="alert command",
    ),
    Option(
        "alerts.webhook", ("--alert-webhook",), "URL", "webhook", ALERTS,
        "Send each notice to this URL, as JSON by POST; none removes it. The URL is shown nowhere.",
        apply="live", example="https://hooks.example.org/T0/secret", field="alerts.webhook",
        label="alert webhook",
    ),
    Option(
        "alerts.webhook-ca", ("--alert-webhook-ca",), "FILE|none", "file", ALERTS,
        "Trust the certificates in this file (PEM) too, such as that of the company's authority.",
        apply="live", example="/etc/ssl/company-ca.pem", field="alerts.webhook_ca",
        label="alert webhook ca", shown_with=("alerts.webhook",),
    ),
    Option(
        "alerts.on", ("--alert-on",), "LIST", "notices", ALERTS,
        "What notices are sent about: alert, and the events exited, errored, ready, reload_failed "
        "and unhealthy.",
        apply="live", example="alert,reload_failed", field="alerts.on", label="alert on",
        shown_with=HOOKS,
    ),
    Option(
        "alerts.grace", ("--alert-grace",), "TIME", "duration", ALERTS,
        "Time after a start, a restart or a reload in which only alerts about exits fire.",
        apply="live", example="2m", field="alerts.grace_s", label="alert grace",
    ),
)  # fmt: skip

BY_KEY = {option.key: option for option in OPTIONS}

FIXED = ("name", "cwd", "interpreter", "module")
"""Keys that say what an app is: an app keeps them until it is started again from its script."""
