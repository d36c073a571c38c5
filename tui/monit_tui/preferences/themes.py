"""Themes of the user: a TOML file each, with a colour for each role that differs from its base.

A fault is described in words, and what is right in the file is used.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

from monit_tui.palettes import THEMES, Palette
from monit_tui.text.contrast import LEGIBLE, contrast

FOLDER = "themes"
"""Its name in the config folder."""

MOST_BYTES = 64 * 1024
"""A larger file is none of ours: a theme with a comment for each role takes 2 kB."""

MOST_THEMES = 50
"""Files that are read at start, a millisecond each."""

ROLES: tuple[str, ...] = tuple(name for name in Palette._fields if name != "hues")

NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")

MOST_HUES = 12
"""Colours of instances: more are not told apart."""

TEXTS = ("text", "accent", "ok", "warn", "bad", "info")
"""Roles of texts that stand on every ground."""

FORMS = '"#5fafff", a number from 0 to 255, a name such as "bright_red", or "default"'


class UserThemes(NamedTuple):
    """What the files have."""

    palettes: dict[str, Palette]
    problems: list[str]


def load_themes(config: str) -> UserThemes:
    """Return the themes in a config folder."""
    folder = os.path.join(config, FOLDER)
    found = UserThemes({}, [])
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))
    except (FileNotFoundError, NotADirectoryError):
        return found
    except OSError as error:
        return UserThemes({}, [f"{folder} cannot be read ({error.strerror})"])
    for name in names[:MOST_THEMES]:
        where = os.path.join(folder, name)
        palette, problems = _load(where)
        found.problems.extend(f"{where}: {problem}" for problem in problems)
        if palette is not None:
            found.palettes[name.removesuffix(".toml")] = palette
    return found


def _load(path: str) -> tuple[Palette | None, list[str]]:
    theme = os.path.basename(path).removesuffix(".toml")
    if theme in THEMES:
        return None, [f"{theme} is a theme of monit; give the file another name"]
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            return None, [f"larger than {MOST_BYTES // 1024} kB"]
        return read_theme(tomllib.loads(raw.decode()))
    except OSError as error:
        return None, [f"cannot be read ({error.strerror})"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, [f"is not TOML ({error})"]


def read_theme(table: Mapping[str, Any]) -> tuple[Palette, list[str]]:
    """Return the palette of a theme's table, and what is wrong with it."""
    problems: list[str] = []
    base = table.get("base", "dark")
    if base not in THEMES:
        problems.append(f"base {base!r} is no theme; choose from {', '.join(THEMES)}")
        base = "dark"
    colours: dict[str, Any] = {}
    for role, value in table.items():
        if role == "base":
            continue
        try:
            colours[role] = _hues(value) if role == "hues" else _colour(_role(role), value)
        except ValueError as error:
            problems.append(str(error))
    palette = THEMES[base]._replace(**colours)
    return palette, problems + faint_texts(palette)


def _role(name: str) -> str:
    if name in ROLES:
        return name
    near = get_close_matches(name, [*ROLES, "hues", "base"], n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}?" if near else f"the roles are {', '.join(ROLES)}, hues"
    raise ValueError(f"there is no role {name!r}; {guess}")


def _hues(value: object) -> tuple[str, ...]:
    every = cast("list[object]", value) if isinstance(value, list) else []
    if not 0 < len(every) <= MOST_HUES:
        raise ValueError(f"hues must be a list of 1 to {MOST_HUES} colours")
    return tuple(_colour("hues", one) for one in every)


def _colour(role: str, value: object) -> str:
    """Return a colour as Rich writes it; "" for the terminal's own."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        if text in {"", "default"}:
            return ""
        if _HEX.fullmatch(text) or text.removeprefix("bright_") in NAMES:
            return text
        if text.isascii() and text.isdecimal() and len(text) < 4 and int(text) < 256:
            return f"color({int(text)})"
    raise ValueError(f"{role} = {value!r} is no colour; write {FORMS}")


def faint_texts(palette: Palette) -> list[str]:
    """Return which texts of a palette are hard to read, on the grounds of which colour is known.

    The sixteen colours and the page are the terminal's own, so nothing is known of them.
    """
    grounds = {"surface": palette.surface, "raised": palette.raised, "cursor": palette.cursor,
               "cursor_idle": palette.cursor_idle}  # fmt: skip
    faint: list[str] = []
    for ground, below in grounds.items():
        on_bar = ground != "surface"
        for role in (*TEXTS, *(() if ground.startswith("cursor") else ("dim",))):
            colour: str = getattr(palette, role)
            if role == "text" and on_bar:
                colour = palette.bar_text or colour
            if not (_known(colour) and _known(below)):
                continue
            ratio = contrast(colour, below)
            if ratio < LEGIBLE:
                faint.append(
                    f"{role} on {ground} has a contrast of {ratio:.1f}; {LEGIBLE} is legible"
                )
    return faint


def _known(colour: str) -> bool:
    if colour.startswith("color("):
        return int(colour[6:-1]) >= 16
    return colour.startswith("#")
