"""Apps as a Procfile, as systemd units, and as a compose file.

These formats know less than monit: what they cannot hold is left out, and `left_out` names it.
"""

import json
import shlex
from collections.abc import Collection, Iterable, Mapping
from signal import Signals

from monit_agent.os_text import to_unicode
from monit_agent.supervise.spec import AppSpec, RestartPolicy
from monit_agent.system.files.envfile import split_optional
from monit_agent.wire.order import read_dependency

App = tuple[AppSpec, Mapping[str, str]]
"""A spec, and the variables that were named for it."""

COMPOSE_RESTARTS = {"always": "unless-stopped", "on-failure": "on-failure", "never": "no"}
ONCE = "once"
SYSTEMD_KILL_MODES = {"mixed": "mixed", "group": "control-group", "process": "process"}


_PROGRAM = frozenset(
    {"run", "shell", "script", "module", "args", "interpreter", "interpreter-args", "cwd"}
)
_SERVICE = _PROGRAM | {
    "instances", "port", "timezone", "env-file", "user", "group", "type", "after", "restart",
    "stop-signal", "kill-timeout", "max-memory",
}  # fmt: skip
_HEALTH = frozenset(
    {"health.command", "health.interval", "health.timeout", "health.failures", "health.grace"}
)
HELD = {
    "procfile": _PROGRAM,
    "systemd": _SERVICE | {
        "restart-delay", "kill-mode", "stop-exit-codes", "wait-ready", "reload-command",
        "reload-signal",
    },
    "compose": _SERVICE | _HEALTH,
}  # fmt: skip
"""The settings that have a counterpart, by format."""


def left_out(kind: str, spec: AppSpec, keys: Iterable[str], exported: Collection[str]) -> list[str]:
    """Return those of an app's settings ``keys`` that are not written in a format; ``exported`` are
    the apps that are. Its namespace, and how it shares a port, mean nothing elsewhere."""
    silent = ("namespace", "mode")
    held = HELD[kind] - (_not_in_compose(spec, exported) if kind == "compose" else set())
    return [
        key for key in keys if key not in held and key not in silent and not key.startswith("env.")
    ]


def _not_in_compose(spec: AppSpec, exported: Collection[str]) -> set[str]:
    """Return the settings that a service has in general, and this one cannot have."""
    missing: set[str] = set()
    if spec.instances > 1:
        missing.add("port")  # a port of the machine is that of one container
    if not spec.checks.health_command:
        missing |= _HEALTH
    if not spec.worker_user:
        missing.add("group")
    if any(read_dependency(each)[0] not in exported for each in spec.after):
        missing.add("after")
    return missing


_NEWLINE = "nl=$(printf '\\n.') && nl=${nl%.} && "
"""Sets a variable to a newline, which a line of a Procfile cannot hold."""


def procfile_lines(apps: Iterable[App]) -> list[str]:
    """Return a line for each app: it changes to the folder and becomes the program."""
    lines: list[str] = []
    for spec, named in apps:
        words = ["env", *(f"{n}={v}" for n, v in named.items()), *spec.argv]
        command = " ".join(map(_shell_word, words if named else spec.argv))
        text = f"cd {_shell_word(spec.cwd)} && exec {command}"
        lines.append(f"{spec.name}: {_NEWLINE if '$nl' in text else ''}{text}")
    return lines


def _shell_word(word: str) -> str:
    """Return a word as a shell reads it from one line."""
    return '"$nl"'.join(map(shlex.quote, word.split("\n"))) if "\n" in word else shlex.quote(word)


def systemd_lines(apps: Iterable[App]) -> list[str]:
    """Return a unit for each app, one after another; a comment has the name of its file.

    An app with several instances is a template: ``systemctl start web@0 web@1``.
    """
    lines: list[str] = []
    apps = list(apps)
    instances = {spec.name: spec.instances for spec, _ in apps}
    for spec, named in apps:
        several = spec.instances > 1
        name = f"{spec.name}@.service" if several else f"{spec.name}.service"
        lines += [*([""] if lines else []), f"# /etc/systemd/system/{name}"]
        if several:
            numbers = " ".join(f"{spec.name}@{number}" for number in range(spec.instances))
            lines.append(f"# systemctl enable --now {numbers}")
        lines += ["[Unit]", f"Description={spec.name}", "After=network.target"]
        lines += [*_systemd_order(spec, instances), "", "[Service]"]
        lines += [*_service(spec, named), "", "[Install]", "WantedBy=multi-user.target"]
    return lines


def _systemd_order(spec: AppSpec, instances: Mapping[str, int]) -> list[str]:
    """Return what a unit comes after: it does not start when work that must be done has failed."""
    lines: list[str] = []
    for text in spec.after:
        app, state = read_dependency(text)
        several = instances.get(app, 1) > 1
        units = (
            [f"{app}@{n}.service" for n in range(instances[app])] if several else [f"{app}.service"]
        )
        words = " ".join(units)
        lines += [f"{'Requires' if state == 'done' else 'Wants'}={words}", f"After={words}"]
    return lines


def _service(spec: AppSpec, named: Mapping[str, str]) -> list[str]:
    policy = spec.policy
    once = spec.type == ONCE
    usual = "notify" if spec.wait_ready else "exec"
    lines = [
        *(["Type=oneshot", "RemainAfterExit=yes"] if once else [f"Type={usual}"]),
        f"User={spec.worker_user or spec.user}",
        *([f"Group={spec.worker_group}"] if spec.worker_group else []),
        f"WorkingDirectory={spec.cwd.replace('%', '%%')}",
        "ExecStart=" + " ".join(_systemd_word(word, command=True) for word in spec.argv),
    ]
    lines += _systemd_reload(policy)
    variables = _variables(spec, named)
    lines += [f"Environment={_systemd_word(f'{n}={v}')}" for n, v in variables.items()]
    for optional, path in map(split_optional, spec.env_files):
        lines.append(f"EnvironmentFile={'-' if optional else ''}{path.replace('%', '%%')}")
    lines += [
        f"Restart={'no' if once or policy.restart == 'never' else policy.restart}",
        *([f"RestartSec={policy.restart_delay_s:g}s"] if policy.restart_delay_s else []),
        f"KillSignal={Signals(policy.stop_signal).name}",
        f"KillMode={SYSTEMD_KILL_MODES[policy.kill_mode]}",
        f"TimeoutStopSec={policy.kill_timeout_s:g}s",
    ]
    if policy.stop_exit_codes:
        codes = " ".join(map(str, policy.stop_exit_codes))
        lines.append(f"RestartPreventExitStatus={codes}")
    if policy.max_memory_bytes is not None:
        lines.append(f"MemoryHigh={policy.max_memory_bytes}")
    return lines


def _systemd_reload(policy: RestartPolicy) -> list[str]:
    if policy.reload_command:
        words = (_systemd_word(word, command=True) for word in policy.reload_command)
        return [f"ExecReload={' '.join(words)}"]
    if policy.reload_signal is not None:
        return [f"ExecReload=/bin/kill -{policy.reload_signal} $MAINPID"]
    return []


def _variables(spec: AppSpec, named: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an app that are the same in each instance."""
    port = {"PORT": str(spec.port)} if spec.port is not None else {}
    return {**port, **({"TZ": spec.timezone} if spec.timezone else {}), **named}


def _systemd_word(word: str, *, command: bool = False) -> str:
    """Return a word in quotes, in which % is a specifier and, in a command, $ a variable."""
    escaped = word.replace("%", "%%")
    if command:
        escaped = escaped.replace("$", "$$")
    return json.dumps(escaped, ensure_ascii=False)


def compose_lines(apps: Iterable[App]) -> list[str]:
    """Return a compose file; strings of JSON are strings of YAML, too."""
    lines = ["services:"]
    apps = list(apps)
    specs = {spec.name: spec for spec, _ in apps}
    for spec, named in apps:
        policy = spec.policy
        variables = _variables(spec, named)
        restart = "no" if spec.type == ONCE else COMPOSE_RESTARTS[policy.restart]
        lines += [
            f"  {_compose(spec.name)}:",
            "    build: .  # the image with the program",
            f"    command: {json.dumps([_dollars(to_unicode(word)) for word in spec.argv])}",
            f"    working_dir: {_compose(spec.cwd)}",
            f"    restart: {json.dumps(restart)}",
            *_compose_user(spec),
            f"    stop_signal: {Signals(policy.stop_signal).name}",
            f"    stop_grace_period: {policy.kill_timeout_s:g}s",
        ]
        if variables:
            lines.append("    environment:")
            lines += [f"      {json.dumps(n)}: {_compose(v)}" for n, v in variables.items()]
        if spec.env_files:
            lines.append("    env_file:")
            for optional, path in map(split_optional, spec.env_files):
                entry = {"path": path, "required": False} if optional else path
                lines.append(f"      - {json.dumps(entry)}")
        if spec.instances > 1:
            lines.append(f"    scale: {spec.instances}")
        if spec.port is not None and spec.instances == 1:
            lines.append(f'    ports: ["{spec.port}:{spec.port}"]')
        if policy.max_memory_bytes is not None:
            lines.append(f"    mem_limit: {policy.max_memory_bytes}")
        lines += [*_compose_health(spec), *_compose_order(spec, specs)]
    return lines


def _compose_health(spec: AppSpec) -> list[str]:
    checks = spec.checks
    if not checks.health_command:
        return []
    words = ["CMD", *(_dollars(to_unicode(word)) for word in checks.health_command)]
    return [
        "    healthcheck:",
        f"      test: {json.dumps(words)}",
        f"      interval: {checks.health_interval_s:g}s",
        f"      timeout: {checks.health_timeout_s:g}s",
        f"      retries: {checks.health_failures}",
        f"      start_period: {checks.health_grace_s:g}s",
    ]


def _compose_order(spec: AppSpec, specs: Mapping[str, AppSpec]) -> list[str]:
    """Return what a service comes after, of the services of the file."""
    lines: list[str] = []
    for app, state in map(read_dependency, spec.after):
        if app not in specs:
            continue
        if state == "done":
            condition = "service_completed_successfully"
        else:
            is_checked = state == "ready" and specs[app].checks.health_command
            condition = "service_healthy" if is_checked else "service_started"
        lines += [f"      {_compose(app)}:", f"        condition: {condition}"]
    return ["    depends_on:", *lines] if lines else []


def _compose_user(spec: AppSpec) -> list[str]:
    if not spec.worker_user:
        return []
    group = f":{spec.worker_group}" if spec.worker_group else ""
    return [f"    user: {json.dumps(spec.worker_user + group)}"]


def _compose(text: str) -> str:
    return json.dumps(_dollars(to_unicode(text)))


def _dollars(text: str) -> str:
    """Return a text in which compose expands nothing."""
    return text.replace("$", "$$")
