"""SGR, the escape sequences that colour text: parsed and written."""

import re
from typing import NamedTuple

Colour = int | tuple[int, int, int] | None
"""One of the terminal's 256 colours, a truecolor triple, or None for the default."""


class TextStyle(NamedTuple):
    """Colours and attributes of a piece of text."""

    fg: Colour = None
    bg: Colour = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False
    stand_in: bool = False
    """True for text that was not printed but stands for a control character."""


PLAIN = TextStyle()
STAND_IN = TextStyle(dim=True, stand_in=True)

_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}


def _changes() -> dict[int, dict[str, bool | int | None]]:
    """Return what each code without arguments sets."""
    table: dict[int, dict[str, bool | int | None]] = {
        code: {name: True} for code, name in _ON.items()
    }
    table |= {code + 20: {name: False} for code, name in _ON.items()}
    table[21] = {"underline": True}  # double underline
    table[22] = {"bold": False, "dim": False}
    table[39], table[49] = {"fg": None}, {"bg": None}
    for index in range(8):
        table[30 + index], table[40 + index] = {"fg": index}, {"bg": index}
        table[90 + index], table[100 + index] = {"fg": index + 8}, {"bg": index + 8}
    return table


_CHANGES = _changes()
_NUMBER = re.compile(r"\d{0,5}")


def apply_sgr(parameters: str, style: TextStyle) -> TextStyle:
    """Return ``style`` as changed by ``ESC [ parameters m``; unknown codes are ignored."""
    fields = parameters.split(";")
    at = 0
    while at < len(fields):
        head, *inside = fields[at].split(":")
        code = _number(head)
        at += 1
        if code in (38, 48):
            if not inside:
                inside = fields[at : at + 4]
                at += _colour_length(inside)
                colour = _colour(inside)
            else:
                # 38:2:<colour space>:r:g:b, where many leave the colour space out
                short = inside[0] == "2" and len(inside) > 4
                colour = _colour([inside[0], *inside[2:]] if short else inside)
            if colour is not None:
                style = style._replace(**{"fg" if code == 38 else "bg": colour})
        else:
            style = _simple(code, inside, style)
    return style


def with_sgr(text: str, style: TextStyle) -> str:
    """Return ``text`` between the SGR of ``style`` and a reset."""
    codes = [str(code) for code, name in _ON.items() if getattr(style, name)]
    codes += _colour_codes(style.fg, 38) + _colour_codes(style.bg, 48)
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes else text


def _simple(code: int, inside: list[str], style: TextStyle) -> TextStyle:
    if code == 0:
        return PLAIN
    if code == 4 and inside[:1] == ["0"]:
        return style._replace(underline=False)
    changes = _CHANGES.get(code)
    return style._replace(**changes) if changes else style


def _colour_length(fields: list[str]) -> int:
    return {"5": 2, "2": 4}.get(fields[0] if fields else "", 1)


def _colour(fields: list[str]) -> Colour:
    numbers = [_number(field) for field in fields]
    if numbers[:1] == [5] and len(numbers) > 1 and numbers[1] < 256:
        return numbers[1]
    if numbers[:1] == [2] and len(numbers) > 3 and max(numbers[1:4]) < 256:
        return (numbers[1], numbers[2], numbers[3])
    return None


def _colour_codes(colour: Colour, code: int) -> list[str]:
    if colour is None:
        return []
    if isinstance(colour, tuple):
        return [f"{code};2;{colour[0]};{colour[1]};{colour[2]}"]
    if colour < 8:
        return [str(code - 8 + colour)]
    if colour < 16:
        return [str(code + 52 + colour - 8)]
    return [f"{code};5;{colour}"]


def _number(field: str) -> int:
    found = _NUMBER.fullmatch(field)
    return int(found[0] or 0) if found else -1
