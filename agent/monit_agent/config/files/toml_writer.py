"""Writing TOML: the few forms that `monit config show`, `import`, `init` and `export` need.

tomlkit can do this too, but takes 25 ms to import, for what 30 lines do; `tomllib` only reads.
"""

import json
import re
from typing import Any, cast

from monit_agent.os_text import to_unicode

_BYTES = re.compile("[\U0010fe80-\U0010feff]")
"""Characters that stand for bytes (``os_text.py``): invisible, so they are written as escapes."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(*parts: str) -> str:
    """Return a dotted key; parts that need it are in quotes."""
    return ".".join(part if _BARE.fullmatch(part) else toml_value(part) for part in parts)


def toml_value(value: Any) -> str:
    """Return a string, number, boolean, list or table on one line."""
    if isinstance(value, str):
        text = json.dumps(to_unicode(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        return _BYTES.sub(lambda found: f"\\U{ord(found[0]):08X}", text)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(each) for each in cast("list[Any]", value)) + "]"
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        pairs = ", ".join(f"{toml_key(key)} = {toml_value(each)}" for key, each in table.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return str(value)


def setting_key(key: str) -> str:
    """Return the key of a setting: ``health.url``, ``env.NAME``, ``after.APP``."""
    table, _, app = key.partition(".")
    return toml_key(table, app) if table == "after" and app else toml_key(*key.split("."))
