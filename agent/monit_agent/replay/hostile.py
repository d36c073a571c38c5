"""A scene whose names and output were made to break a terminal or to look like its own text.

App names are checked by the keeper, so what is hostile comes from where nobody checks:
namespace, version, script, arguments, reasons, and above all what workers print.
"""

from collections.abc import Iterator

from monit_agent.replay.app import Play, ReplayedApp
from monit_agent.replay.source import START, ReplaySource
from monit_agent.supervise.appstate import App
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import DesiredState, Now, Slot, Status, Worker
from monit_agent.wire.messages import (
    HeapFigures,
    InstanceRecord,
    LoopFigures,
    Metric,
    Sample,
    TreeFigures,
)

LONG_LINE_BYTES = 50 * 1024 * 1024

LINES = (
    b"plain line before the storm",
    b"[bold red]not markup[/] [@click=app.quit]nor a link[/] [link=https://x.example]x[/link]",
    b"unbalanced [/bold] [ [[ ]] \\[ [/]",
    b"\x1b[2J\x1b[H cleared the screen and went home",
    b"\x1b[31mred \x1b[1mbold \x1b[38;5;208morange \x1b[38;2;10;200;30mgreen \x1b[0mplain",
    b"\x1b[38;5;9999;;;m\x1b[;;m\x1b[999999999999m numbers that are too large",
    b"\x1b]0;owned title\x07 title, \x1b]52;c;cm0gLXJmIH4=\x07 clipboard, \x1b]8;;http://x\x07link",
    b"\x1b[?1049h\x1b[?25l\x1b[?1003h alternate screen, no cursor, mouse",
    b"\x1bP+q544e\x1b\\ \x1b_apc\x1b\\ \x1b^pm\x1b\\ \x1bc device control and reset",
    b"\xc2\x9b31m C1 control sequence introducer \x9b32m and as a bare byte \xc2\x9d0;x\xc2\x9c",
    "bidi \u202egnp.exe\u202c \u2066isolate\u2069 \u200fmark \u061c".encode(),
    b"NUL \x00 bell \x07 backspace abc\x08\x08\x08xyz delete \x7f vertical \x0b form \x0c feed",
    b"invalid \xff\xfe\xc0\xaf \xed\xa0\x80 \xf5\x80\x80\x80 cut \xe2\x82",
    "wide 茶葉蛋 緑茶 🍵🫖 family 👩‍👩‍👧 flag 🇯🇵 skin 👍🏽".encode(),
    ("zalgo t" + "\u0335\u0321\u0336\u0301" * 30 + "ea e\u0301 a\u030a").encode(),
    "line\u2028separator para\u2029graph nel\u0085 zero\u200bwidth\ufeff soft\u00adhyphen".encode(),
    b"tab\tstops\there\t\tand\tthere",
    b'{"level":"info","msg":"[/] \\u001b[2J \\u202e","n":1e999,"deep":'
    + b"[" * 500
    + b"]" * 500
    + b"}",
    b'{"level": "error", "msg": "half an object"',
    b"",
    b"   ",
    b"\r\n",
)


def hostile(*, real_time: bool = False) -> ReplaySource:
    """Play an app full of markup, escapes and bytes that are no text.

    After half a second it draws a progress bar with carriage returns, after two it prints a
    piece of a line of 50 MiB without a newline.
    """
    source = ReplaySource(real_time=real_time)
    app = _app()
    app.play_past(START - 60)
    for place, line in enumerate(LINES):
        app.print(0, "err" if place % 3 == 2 else "out", line + b"\n", START - 60 + place)
    app.supervisor.record_event(
        "requested", 0, "[reverse]restart[/] \x1b[2J by \u202enobody", "[bold]mallory[/]:1"
    )
    source.enter(app)
    source.play(_chatter(app), after_s=0.25)
    source.play(_progress(app), after_s=0.5)
    source.play(_long_line(app), after_s=2.0)
    return source


def _app() -> ReplayedApp:
    spec = AppSpec(
        name="shop.-_." + "x" * 56,
        namespace="[bold]ns[/]\x1b[31m",
        version="1.0\n[@click=app.quit]x[/]\u202e",
        script="/srv/[red]shop[/]/\x1b]0;x\x07.py",
        args=("--title=[/]", "a\tb\nc", "茶" * 40, ""),
        argv=("python3", "[blink]"),
        interpreter="py\x00thon\x9b31m",
        cwd="/srv/" + "very-long-folder/" * 30,
        user="[u]root[/u]",
        instances=2,
        created_at=START - 4000,
    )
    started = Now(START - 3999, START - 3999)
    well = Slot(
        0, 0, Status.ONLINE, DesiredState.RUNNING, ready=True, worker=Worker(4001, 4001, started)
    )
    ill = Slot(
        1, 2**31, Status.ERRORED, DesiredState.RUNNING, restarts=10**9,
        reason="[bold red]exec failed[/]: \x1b[2J\u202e" + "long " * 80,
    )  # fmt: skip
    return ReplayedApp(spec, _vitals, running=App((well, ill)))


def _vitals(record: InstanceRecord, at: float) -> Sample:
    """Numbers at the edge of what a screen expects."""
    return Sample(
        at=at,
        pid=record.pid,
        tree=TreeFigures(cpu_percent=12800.0, rss_bytes=2**50, threads=10**6, fds=0),
        heap=HeapFigures(used_bytes=2**40, size_bytes=1, usage_percent=1e9),
        loop=LoopFigures(lag_p95_ms=float("inf"), lag_max_ms=float("nan")),
        metrics={"[bold]orders[/]\x1b[2J": Metric(value=float("nan"), unit="\u202e[/]")},
    )


def _chatter(app: ReplayedApp) -> Play:
    for turn in _forever():
        app.print(0, "out", LINES[turn % len(LINES)] + b"\n")
        yield 0.25


def _progress(app: ReplayedApp) -> Play:
    for turn in _forever():
        percent = turn % 101
        bar = b"#" * (percent // 5)
        app.print(0, "out", b"\rbrewing [%-20s] %3d%%" % (bar, percent))
        if percent == 100:
            app.print(0, "out", b"\n")
        yield 0.1


def _long_line(app: ReplayedApp) -> Play:
    piece = b"no end in sight " * 4096
    for _ in range(LONG_LINE_BYTES // len(piece)):
        app.print(0, "err", piece)
        yield 0.002


def _forever() -> Iterator[int]:
    turn = 0
    while True:
        yield turn
        turn += 1
