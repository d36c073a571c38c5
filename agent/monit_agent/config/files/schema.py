"""The JSON Schema of monit.toml, made from the tables of keys, for editors.

Draft 7, which the TOML extensions of editors read.
"""

from typing import Any

from monit_agent.config.files.keys import PROGRAM_KEYS, TABLES
from monit_agent.config.formats.native import ROOT_KEYS, VERSION
from monit_agent.config.options import OPTIONS, Option
from monit_agent.supervise.spec import LOG_PLACES, RESTARTS, TYPES
from monit_agent.wire.order import STATES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WORDS: Schema = {"type": "array", "items": TEXT, "minItems": 1}
NUMBER_OR_TEXT: Schema = {"type": ["integer", "string"]}
DURATION: Schema = {
    "anyOf": [{"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+\s*$"},
              {"const": 0}, {"const": "0"}]
}  # fmt: skip

KINDS: dict[str, Schema] = {
    "instances": {"anyOf": [{"type": "integer"}, {"const": "max"}, {"type": "string"}]},
    "port": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, TEXT]},
    "socket": NUMBER_OR_TEXT,
    "signal": NUMBER_OR_TEXT,
    "user": NUMBER_OR_TEXT,
    "group": NUMBER_OR_TEXT,
    "size": TEXT,
    "duration": DURATION,
    "size or none": {"anyOf": [TEXT, {"const": 0}]},
    "time or none": {"anyOf": [*DURATION["anyOf"], {"const": "none"}]},
    "exit codes": {
        "anyOf": [NUMBER_OR_TEXT, {"type": "array", "items": NUMBER_OR_TEXT, "minItems": 1}]
    },
    "command": {"anyOf": [TEXT, WORDS]},
    "reload command": {"anyOf": [TEXT, WORDS]},
    "yes or no": {"type": "boolean"},
    "log place": {"enum": list(LOG_PLACES)},
    "restart": {"enum": list(RESTARTS)},
    "type": {"enum": list(TYPES)},
    "kill mode": {"enum": ["mixed", "group", "process"]},
    "notices": {"anyOf": [TEXT, WORDS]},
    "alert rule": {"type": "object", "additionalProperties": TEXT},
}
"""Schemas of the kinds of values; the others are text."""

AFTER: Schema = {"type": "object", "additionalProperties": {"enum": list(STATES)}}

ENV: Schema = {
    "type": "object",
    "description": "Environment variables.",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}


def config_schema() -> Schema:
    """Return the schema of a whole file."""
    app = {"allOf": [{"$ref": "#/definitions/app"}]}
    root = {
        "version": {"const": VERSION, "description": "Version of this format."},
        "namespace": {"type": "string", "description": "Namespace of the apps of this file."},
        "include": {
            "anyOf": [TEXT, {"type": "array", "items": TEXT}],
            "description": "Other files with apps, relative to this one; * and ** are patterns.",
        },
        "alerts": {
            "allOf": [{"$ref": "#/definitions/settings/properties/alerts"}],
            "description": "Alerts of all apps of this and included files.",
        },
        "defaults": {**app, "description": "Settings of all apps of this and included files."},
        "apps": {
            "type": "object",
            "description": "The apps by name.",
            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$"},
            "additionalProperties": app,
        },
    }
    profiles = {"type": "object", "additionalProperties": {"$ref": "#/definitions/settings"}}
    settings = _settings()
    described = {**profiles, "description": "What differs with --profile NAME."}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "monit.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: root[key] for key in ROOT_KEYS},
        "definitions": {
            "settings": _table(settings),
            "app": _table({**settings, "profiles": described}),
        },
    }


def _settings() -> Schema:
    found: Schema = {}
    for row in PROGRAM_KEYS:
        words = {"type": "array", "items": TEXT} if row.may_be_empty else WORDS
        types = [{"string": TEXT, "words": words, "boolean": {"type": "boolean"}}[t]
                 for t in row.types]  # fmt: skip
        _add(found, row.key, {**(types[0] if len(types) == 1 else {"anyOf": types}),
                              "description": row.help})  # fmt: skip
    for option in OPTIONS:
        if option.key not in ("name", "env"):
            _add(found, option.key, _value(option))
    for table in TABLES:
        found[table] = _table(found[table])
    return {**found, "env": ENV}


def _value(option: Option) -> Schema:
    if option.kind == "dependency":
        return {"anyOf": [AFTER, TEXT, WORDS], "description": key_help(option)}
    if option.kind == "watch path":
        return {"anyOf": [{"type": "boolean"}, TEXT, WORDS], "description": key_help(option)}
    one = KINDS.get(option.kind, TEXT)
    if option.kind == "count":
        one = {"type": "integer", "minimum": int(option.least), "maximum": int(option.most)}
    if option.several and option.kind != "alert rule":
        one = {"anyOf": [one, {"type": "array", "items": one}]}
    return {**one, "description": key_help(option)}


def key_help(option: Option) -> str:
    """Return the help of the option without what is true of its flag only."""
    text = option.help.replace(" Can be repeated.", "").partition(" [default")[0]
    if option.implies == "no":
        text = "true, or false: " + text[0].lower() + text[1:]
    if option.key == "type":
        text = "service, or once: " + text[0].lower() + text[1:]
    if option.key == "watch":
        text = (
            "Restart when a file changes: true for those in the working directory, or a list of "
            f"files and folders. {text.partition('. ')[2]}"
        )
    if option.key == "alerts.rules":
        text = (
            'Table of rules that fire alerts, by name: slow = "http_p95_ms > 500 for 1m". A rule '
            'takes the place of the default one of its name; loop-lag = "off" switches that off.'
        )
    return text


def _add(found: Schema, key: str, schema: Schema) -> None:
    table, dot, name = key.rpartition(".")
    (found.setdefault(table, {}) if dot else found)[name] = schema


def _table(properties: Schema) -> Schema:
    """Return a table of these keys, each of which may have underscores."""
    snake = {key.replace("-", "_"): value for key, value in properties.items()}
    return {"type": "object", "additionalProperties": False, "properties": {**snake, **properties}}
