"""Text with its traits as escape sequences, for the colours that a terminal shows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from monit_tui.palettes import MANY_COLOURS, TextTraits, Tone, ToneParts
from monit_tui.text.clusters import UNSURE, clusters, sure_parts

NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

ATTRIBUTES = (("bold", "1"), ("dim", "2"), ("underline", "4"), ("reverse", "7"))

RESET = "\x1b[0m"

TraitParts = Sequence[tuple[str, TextTraits]]


class Colours(NamedTuple):
    """What the terminal shows."""

    shown: int
    none: bool = False
    """Whether the user wants none: bold and reversed text stays."""


def move_to(x: int, y: int) -> str:
    """Return the sequence that moves the cursor to a cell; both count from 0."""
    return f"\x1b[{y + 1};{x + 1}H"


def begin_traits(traits: TextTraits, colours: Colours) -> str:
    """Return the sequence that begins text with these traits, after a reset."""
    codes = [code for name, code in ATTRIBUTES if getattr(traits, name)]
    if not colours.none:
        codes += _colour(traits.colour, 30, colours.shown)
        codes += _colour(traits.ground, 40, colours.shown)
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _colour(colour: str, base: int, count: int) -> list[str]:
    """Return the codes of a colour of a `Palette`; ``base`` is 30 for text, 40 for its ground."""
    if not colour:
        return []
    if colour.startswith("#"):
        if count > MANY_COLOURS:
            red, green, blue = bytes.fromhex(colour[1:])
            return [f"{base + 8};2;{red};{green};{blue}"]
        return [f"{base + 8};5;{_nearest(colour)}"]
    if colour.startswith("color("):
        number = int(colour[6:-1])
        if number >= 16:
            return [f"{base + 8};5;{number}"]
    else:
        bright = 8 if colour.startswith("bright_") else 0
        number = bright + NAMES.index(colour.removeprefix("bright_"))
    return [str(base + number if number < 8 else base + 60 + number - 8)]


def _nearest(colour: str) -> int:
    """Return the nearest of the 256 colours; only themes of the user need it."""
    from rich.color import Color, ColorSystem  # noqa: PLC0415 - start-up time

    return Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).number or 0


def traits_of(
    parts: ToneParts, tones: Mapping[Tone, TextTraits], below: TextTraits
) -> list[tuple[str, TextTraits]]:
    """Return the traits of the pieces of a line, on top of ``below``."""
    return [(text, tones[tone].over(below)) for text, tone in parts]


def line_bytes(
    place: tuple[int, int], parts: TraitParts, width: int, fill: TextTraits, colours: Colours
) -> str:
    """Return what writes a line of exactly ``width`` cells at ``place``; longer text is cut, the
    rest is filled with blanks."""
    x, y = place
    end = x + width
    sent = [move_to(x, y)]
    for text, traits in [*parts, (" " * width, fill)]:
        shown, cells = _cut(text, end - x)
        if not shown:
            continue
        begin = begin_traits(traits, colours)
        sent.append(begin)
        sent += _placed(shown, x, y)
        x += cells
        sent.append(RESET if begin else "")
    return "".join(sent)


def _cut(text: str, width: int) -> tuple[str, int]:
    """Return the part of a text that fits ``width`` cells, and how many it takes; half of a wide
    character becomes a blank."""
    if text.isascii():
        return text[:width], min(len(text), width)
    shown, used = "", 0
    for cluster, cells in clusters(text):
        if used + cells > width:
            blanks = width - used
            return shown + " " * blanks, used + blanks
        shown, used = shown + cluster, used + cells
    return shown, used


def _placed(text: str, x: int, y: int) -> Iterator[str]:
    """Yield a text, and the place of what stands behind characters that terminals may give another
    width."""
    if UNSURE.search(text) is None:
        yield text
        return
    for part, unsure in sure_parts(text):
        yield part
        x += sum(cells for _, cells in clusters(part))
        if unsure:
            yield move_to(x, y)
