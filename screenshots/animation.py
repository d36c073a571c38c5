"""Several pictures of a screen as one SVG that moves, by CSS alone.

A row that is the same in several frames is there once, with the times in which it is visible. Who
asks for less motion, and what knows no animations, gets one frame that stands.
"""

import re
from typing import NamedTuple

ROW_HEIGHT, FIRST_BASELINE, FIRST_RECT = 24.4, 20.0, 1.5
"""Of Textual's SVG: the height of a row, and where the first one's text and ground are."""

STYLE = re.compile(r"\.terminal-[\w-]+-(r\d+) \{ ([^}]*) \}")
TEXT = re.compile(r'<text class="terminal-[\w-]+-(r\d+)" x="([\d.]+)" y="([\d.]+)"(.*?</text>)')
RECT = re.compile(r'<rect fill="[^"]*" x="[\d.]+" y="([\d.]+)"[^>]*crispEdges"/>')
CLIPPED = re.compile(r' clip-path="[^"]*"')
HEAD = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
FAMILY = re.compile(r"font-family: ([^;]*monospace);")


class MovingFrame(NamedTuple):
    """A picture, how long it stands, and what the window's title says meanwhile."""

    svg: str
    seconds: float
    caption: str


class Span(NamedTuple):
    """The frames from ``first`` to before ``last``."""

    first: int
    last: int


def animate(frames: list[MovingFrame], still: int) -> str:
    """Return the frames as one SVG; ``still`` is the frame that is seen without animation."""
    styles: dict[str, str] = {}
    rows = [_rows_of(frame.svg, styles) for frame in frames]
    titles = [_escaped(frame.caption) for frame in frames]
    size = HEAD.search(frames[0].svg)
    family = FAMILY.search(frames[0].svg)
    if size is None or family is None:
        raise ValueError("this is no SVG of Textual's")
    width, height = float(size[1]), float(size[2])
    parts: list[tuple[Span, str]] = []
    for row in sorted(set().union(*rows)):
        contents = [each.get(row, "") for each in rows]
        parts += [(span, contents[span.first]) for span in _spans(contents)]
    captions = [
        (span, f'<text class="title" x="{width / 2:g}" y="27">{titles[span.first]}</text>')
        for span in _spans(titles)
    ]
    spans = sorted({span for span, _ in [*parts, *captions]})
    names = {span: f"s{number}" for number, span in enumerate(spans)}
    whole = Span(0, len(frames))

    def placed(span: Span, content: str) -> str:
        return content if span == whole else f'<g class="{names[span]}">{content}</g>'

    css = "\n".join([
        f"text {{ font: 20px {family[1]}; white-space: pre }}",
        ".title { font: bold 18px arial, sans-serif; fill: #c5c8c6; text-anchor: middle }",
        *(f".{name} {{ {text} }}" for text, name in styles.items()),
        *_timing([span for span in spans if span != whole], names, frames, still),
    ])  # fmt: skip
    dots = "".join(
        f'<circle cx="{26 + 22 * number}" cy="22" r="7" fill="{colour}"/>'
        for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">'
        f"<style>{css}</style>"
        f'<rect fill="#292929" stroke="#8888" x="1" y="1" width="{width - 2:g}" '
        f'height="{height - 2:g}" rx="8"/>{dots}'
        f'{"".join(placed(*each) for each in captions)}<g transform="translate(9, 41)">'
        f"{''.join(placed(*each) for each in parts if each[1])}</g></svg>\n"
    )


def _rows_of(svg: str, styles: dict[str, str]) -> dict[int, str]:
    """Return the content of each row; styles that look the same have one name in all frames."""
    own: dict[str, str] = {}
    for name, text in STYLE.findall(svg):
        own[name] = styles.setdefault(text, f"c{len(styles)}")
    rows: dict[int, str] = {}
    for found in RECT.finditer(svg):
        row = round((float(found[1]) - FIRST_RECT) / ROW_HEIGHT)
        rows[row] = rows.get(row, "") + found[0]
    for found in TEXT.finditer(svg):
        name, x, y, rest = found.groups()
        rest = CLIPPED.sub("", rest)  # its name differs from frame to frame
        row = round((float(y) - FIRST_BASELINE) / ROW_HEIGHT)
        rows[row] = rows.get(row, "") + f'<text class="{own[name]}" x="{x}" y="{y}"{rest}'
    return rows


def _spans(contents: list[str]) -> list[Span]:
    """Return the longest stretches of equal contents."""
    spans: list[Span] = []
    first = 0
    for number in range(1, len(contents) + 1):
        if number == len(contents) or contents[number] != contents[first]:
            spans.append(Span(first, number))
            first = number
    return spans


def _timing(
    spans: list[Span], names: dict[Span, str], frames: list[MovingFrame], still: int
) -> list[str]:
    """Return the rules that show each span in its time, and without animation the still frame."""
    ends = [0.0]
    for frame in frames:
        ends.append(ends[-1] + frame.seconds)
    total = ends[-1]
    rules: list[str] = []
    for span in spans:
        start, end = 100 * ends[span.first] / total, 100 * ends[span.last] / total
        steps = [(0.0, "hidden"), (start, "visible"), (end, "hidden")]
        steps = [step for step in steps if step[0] < 100]
        if start == 0.0:
            del steps[0]
        if not span.first <= still < span.last:
            rules.append(f".{names[span]} {{ visibility: hidden }}")
        text = " ".join(f"{at:.3f}% {{ visibility: {what} }}" for at, what in steps)
        rules.append(f"@keyframes {names[span]} {{ {text} }}")
    moving = " ".join(
        f".{names[span]} {{ animation: {total:g}s step-end infinite {names[span]} }}"
        for span in spans
    )
    return [*rules, f"@media (prefers-reduced-motion: no-preference) {{ {moving} }}"]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
