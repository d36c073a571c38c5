"""The table of options: each row is complete, and what is made from it agrees."""

import os
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pytest

from monit_agent.cli.main import monit
from monit_agent.cli.options.start_options import help_text, used_settings
from monit_agent.cli.verbs.start import start
from monit_agent.client.text.settings import format_setting, setting_pairs
from monit_agent.config.app import DERIVED, SWITCHED_OFF, Launch, default_value, make_launch
from monit_agent.config.options import BY_KEY, OPTIONS, Apply, Option
from monit_agent.config.values import PARSERS, parse_option
from monit_agent.supervise.appstate import App
from monit_agent.supervise.records import app_record
from monit_agent.supervise.spec import AlertOptions, AppSpec, Checks, LogSettings, RestartPolicy
from monit_agent.wire.messages import AppRecord

NOT_OPTIONS = {
    "script", "argv", "args", "user", "version", "mode", "runtime", "env_named", "env_files",
    "umask", "created_at", "origin_file",
    "other",  # what only a newer monit knows
    "policy.restart_window_s", "policy.stable_after_s",
}  # fmt: skip
"""Fields of the spec that no option sets directly."""

PM2_KEYS = {
    "name", "namespace", "instances", "cwd", "exec_interpreter", "interpreter", "port",
    "increment_var", "env", "autorestart", "stop_exit_codes", "max_restarts", "min_uptime",
    "max_memory_restart", "cron_restart", "cron", "watch", "ignore_watch", "kill_timeout",
    "out_file", "output", "out_log", "error_file", "error", "err_file", "err_log",
    "filter_env", "exp_backoff_restart_delay", "restart_delay", "watch_delay", "instance_var",
    "uid", "gid", "user", "group",
    "treekill", "wait_ready", "listen_timeout", "exec_mode",
}  # fmt: skip
"""pm2's keys (lib/API/schema.json of pm2 7) that have a counterpart today."""

BASE = {"health.interval": "health.url", "health.failures": "health.url",
        "health.grace": "health.url", "health.timeout": "health.url",
        "listen-timeout": "ready.url", "increment-var": "port",
        "watch-ignore": "watch", "watch-delay": "watch", "alerts.on": "alerts.webhook",
        "alerts.webhook-ca": "alerts.webhook"}  # fmt: skip
"""Options that matter only together with another."""

rows = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)


def _settings(option: Option) -> dict[str, Any]:
    """Return the option's example, with the option that it needs."""
    used = [BY_KEY[BASE[option.key]]] if option.key in BASE else []
    values = {each.key: parse_option(each, each.example) for each in (*used, option)}
    return {key: (value,) if BY_KEY[key].several else value for key, value in values.items()}


def _launch(folder: Path, settings: dict[str, Any]) -> Launch:
    (folder / "app.py").touch()
    target = None if "module" in settings else "app.py"
    return make_launch(target, (), settings, {"PATH": os.environ["PATH"]}, str(folder))


def _record(spec: AppSpec) -> AppRecord:
    """Return what clients get of an app."""
    record = msgspec.convert(app_record(App(), spec, 1), AppRecord, strict=False)
    return msgspec.structs.replace(record, instances=spec.instances)


@rows
def test_a_row_is_complete(option: Option) -> None:
    """Flag, help, parser, class of change; a label exactly where there is a value to show."""
    assert option.flags[-1].startswith("--")
    assert option.help[0].isupper()
    assert option.help.removesuffix("]").rpartition(" [default")[0].endswith(".") or (
        option.help.endswith(".")
    )
    assert option.kind in PARSERS
    assert option.apply in get_args(Apply)
    assert bool(option.metavar) != bool(option.implies)
    assert bool(option.label) == bool(option.field) or option.key == "name"
    assert option.field or option.key in {"module", "env", "env-file", *SWITCHED_OFF}
    for key in (option.replaces, *option.shown_with):
        assert not key or key in BY_KEY


def test_keys_flags_and_labels_are_unique() -> None:
    """No two rows have a name in common."""
    assert len(BY_KEY) == len(OPTIONS)
    flags = [flag for option in OPTIONS for flag in option.all_flags]
    labels = [option.label for option in OPTIONS if option.label]
    assert len(set(flags)) == len(flags)
    assert len(set(labels)) == len(labels)


def test_every_field_of_the_spec_has_a_row_or_is_no_option() -> None:
    """A new field of the spec needs a row in the table."""
    fields = {*AppSpec._fields} - {"policy", "checks", "log", "alerts"}
    fields |= {f"policy.{name}" for name in RestartPolicy._fields}
    fields |= {f"checks.{name}" for name in Checks._fields}
    fields |= {f"log.{name}" for name in LogSettings._fields}
    fields |= {f"alerts.{name}" for name in AlertOptions._fields}
    assert {option.field for option in OPTIONS if option.field} == fields - NOT_OPTIONS


def test_keys_of_pm2_are_known() -> None:
    """Each key of pm2 that means something today leads to one row."""
    found = [key for option in OPTIONS for key in option.pm2]
    assert sorted(found) == sorted(PM2_KEYS)


@rows
def test_help_names_the_flag_and_the_default_of_the_spec(option: Option) -> None:
    """``start --help`` lists each flag with its help and the value that counts without it."""
    text = " ".join(start.get_help(click.Context(start, **monit.context_settings)).split())
    assert option.flags[-1] in text
    assert " ".join(help_text(option).split()) in text
    default = default_value(option) if option.field and not option.implies else None
    if default not in (None, "", ()) and option.key not in DERIVED:
        assert f"[default: {format_setting(option, default)}]" in text


@rows
def test_the_command_line_reads_the_example(option: Option) -> None:
    """The flag with its example gives the same setting as the parser of the row."""
    value = [] if option.implies else [option.example]
    context = start.make_context("start", [option.flags[-1], *value], **monit.context_settings)
    parameters = {key: value for key, value in context.params.items() if key != "targets"}
    assert used_settings(parameters) == {option.key: _settings(option)[option.key]}


@rows
def test_spec_record_and_describe_agree(option: Option, tmp_path: Path) -> None:
    """The value arrives in the spec, reaches the clients, and is listed under its label."""
    settings = _settings(option)
    launch = _launch(tmp_path, settings)
    if option.key in SWITCHED_OFF:
        assert launch.named[SWITCHED_OFF[option.key]] == "0"
    if not option.field:
        return
    if option.key not in DERIVED:
        assert attrgetter(option.field)(launch.spec) == settings[option.key]
    record = _record(launch.spec)
    value = attrgetter(option.field)(record)
    assert value not in (None, "", ())
    if option.label:
        assert dict(setting_pairs(record))[option.label] == format_setting(option, value)


def test_what_is_not_set_is_not_listed(tmp_path: Path) -> None:
    """Settings of checks that an app does not have are left out, defaults are not."""
    labels = dict(setting_pairs(_record(_launch(tmp_path, {}).spec)))
    assert labels["max restarts"] == "16"
    assert labels["restart"] == "always"
    assert not {"health interval", "check timeout", "listen timeout", "max memory"} & {*labels}
