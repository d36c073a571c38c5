"""Apps as the text of a monit.toml."""

from collections.abc import Iterable, Mapping
from typing import Any

from monit_agent.config.files.entries import AppEntry
from monit_agent.config.files.toml_writer import setting_key, toml_key, toml_value

HEAD = ["version = 1"]


def entries_text(entries: Iterable[AppEntry], profiles: Mapping[str, list[AppEntry]]) -> list[str]:
    """Return the lines of a file with these apps; ``profiles`` has them as each profile does."""
    lines = list(HEAD)
    for entry in entries:
        own = {key: item.value for key, item in entry.items.items()}
        lines += ["", *table_lines(entry.name, own)]
        for profile, others in profiles.items():
            other = next((each for each in others if each.name == entry.name), entry)
            differs = {
                key: item.value
                for key, item in other.items.items()
                if key not in own or own[key] != item.value
            }
            if differs:
                header = f"[{toml_key('apps', entry.name, 'profiles', profile)}]"
                lines += ["", header, *_pairs(differs)]
    return lines


def apps_text(apps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of a file with the values of these apps."""
    return [
        *HEAD,
        *(line for name, values in apps.items() for line in ("", *table_lines(name, values))),
    ]


def table_lines(name: str, values: Mapping[str, Any]) -> list[str]:
    """Return the table of one app."""
    return [f"[{toml_key('apps', name)}]", *_pairs(values)]


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{setting_key(key)} = {toml_value(value)}" for key, value in values.items()]
