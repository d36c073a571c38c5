"""`monit logs` searches: what the agents find, merged, with context, counted, and then live."""

import json
import re
from pathlib import Path

import pytest

from support.command_line import command, in_terminal, monit, script
from support.waiting import wait_until

SHOP = """\
import os, sys, time
for n in range(200):
    print(f"{n:03} GET /item/{n}", flush=True)
    if n % 50 == 10:
        print(f"ERROR {n:03} payment failed\\n  at pay\\n  at shop", file=sys.stderr, flush=True)
    time.sleep(0.001)
print("done", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
print("after\\nPAYMENT late\\nbehind", flush=True)
time.sleep(1000)
"""


@pytest.fixture(name="shop")
def _shop(home: Path, tmp_path: Path) -> Path:
    """Two instances of an app that prints some errors, and where it runs."""
    script(tmp_path, text=SHOP)
    monit("start", "app.py", "-i", "2", cwd=tmp_path)
    wait_until(lambda: monit("logs", "--no-follow", "--grep", "^done").count("done") == 2)
    assert home.exists()
    return tmp_path


def search(*words: str) -> list[str]:
    return monit("logs", "--no-follow", *words).splitlines()


def test_a_search_goes_over_all_streams_in_the_order_of_time(shop: Path) -> None:
    """The last matches of both instances come merged by time; -i ignores case."""
    found = [json.loads(line) for line in search("-i", "--grep", "PAYMENT FAILED", "--json")]
    assert [line["at"] for line in found] == sorted(line["at"] for line in found)
    assert {(line["instance"], line["line"]) for line in found} == {
        (instance, f"ERROR {n:03} payment failed")
        for instance in (0, 1)
        for n in (10, 60, 110, 160)
    }
    assert {line["level"] for line in found} == {"error"}
    last = search("app/0", "--grep", "GET", "-n", "2", "--raw")
    assert last == ["198 GET /item/198", "199 GET /item/199"]
    newest = search("app/0", "--grep", "GET", "-n", "2", "--raw", "--reverse")
    assert newest == last[::-1]
    assert shop.exists()


def test_context_is_shown_as_grep_shows_it(shop: Path) -> None:
    """Lines around a match are marked, and groups are apart."""
    found = search("app/1", "--out", "--grep", "/item/(10|20)$", "-B", "1", "-A", "2")
    assert found == [
        "app/1 - 009 GET /item/9",
        "app/1 | 010 GET /item/10",
        "app/1 - 011 GET /item/11",
        "app/1 - 012 GET /item/12",
        "--",
        "app/1 - 019 GET /item/19",
        "app/1 | 020 GET /item/20",
        "app/1 - 021 GET /item/21",
        "app/1 - 022 GET /item/22",
    ]
    assert shop.exists()


def test_a_level_brings_the_stack_along(shop: Path) -> None:
    """Lines of level error come with those that belong to them."""
    found = search("app/0", "--level", "error", "-n", "6", "--raw")
    assert found == [
        text for n in (110, 160) for text in (f"ERROR {n} payment failed", "  at pay", "  at shop")
    ]
    assert shop.exists()


def test_counts_have_a_row_for_each_stream(shop: Path) -> None:
    """--count says how many lines match, and the total; --json has an object a stream."""
    assert search("--grep", "payment|GET", "--count") == [
        "200 app/0",
        "  4 app/0 err",
        "200 app/1",
        "  4 app/1 err",
        "408 total",
    ]
    one = json.loads(monit("logs", "app/1", "--err", "--grep", "at", "--count", "--json"))
    assert one == {"host": "", "app": "app", "instance": 1, "stream": "err", "count": 8}
    assert shop.exists()


def test_stacks_and_equal_lines_are_folded(home: Path, tmp_path: Path) -> None:
    """--fold shows a traceback as its last line, and a burst once, each with its number."""
    text = """\
import time, traceback
for n in range(5):
    print(f"2026-11-30 04:00:0{n} slow query", flush=True)
for n in range(2):
    try:
        [][3]
    except IndexError:
        traceback.print_exc()
print("end", flush=True)
time.sleep(1000)
"""
    script(tmp_path, text=text)
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "end" in monit("logs", "--no-follow"))
    size = monit("logs", "--err", "--no-follow", "--raw").count("\n") // 2
    expected = [
        "2026-11-30 04:00:00 slow query  (5 times)",
        f"IndexError: list index out of range  ({size} lines, 2 times)",
        "end",
    ]
    for words in (("-n", "50"), ("--since", "1h")):
        found = [line.partition(" | ")[2] for line in monit("logs", "--fold", *words).splitlines()]
        assert sorted(found) == sorted(expected)
    found = [json.loads(line) for line in monit("logs", "--err", "--fold", "--json").splitlines()]
    assert [(each["count"], each["lines"]) for each in found] == [(2, size)]
    assert home.exists()


def test_times_bound_what_is_shown(shop: Path) -> None:
    """--since and --until show what was printed between them, to the line."""
    lines = [json.loads(line) for line in search("app/0", "--out", "-n", "500", "--json")]
    times = sorted({line["at"] for line in lines})
    since, until = times[len(times) // 3], times[2 * len(times) // 3]
    expected = [line["line"] for line in lines if since <= line["at"] < until]
    options = ("--since", _iso(since), "--until", _iso(until))
    assert search("app/0", "--out", "--raw", *options) == expected
    assert search("app/0", "--out", "--raw", *options, "--reverse") == expected[::-1]
    assert search("app/0", "--out", "--raw", *options, "-n", "3") == expected[-3:]
    assert shop.exists()


def _iso(at: float) -> str:
    from datetime import UTC, datetime

    # a microsecond earlier: the index has nanoseconds
    return datetime.fromtimestamp(at - 2e-6, tz=UTC).isoformat()


def test_a_search_is_followed_with_the_same_choice(shop: Path) -> None:
    """After what was found, new lines that match come with their context, and no others."""
    follower = in_terminal("logs", "app/0", "--grep", "payment", "-i", "-C", "1")
    follower.expect("160 payment failed")
    (shop / "go").write_text("")
    follower.expect(r"after\s+\S*app/0 .*PAYMENT late\s+\S*app/0 .*behind")
    follower.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--grep", "(a"), "not a regular expression"),
        (("--until", "1s", "-f"), "drop --follow"),
        (("-C", "500"), "100"),
        (("--level", "bad"), "error"),
    ],
)
def test_wrong_options_are_refused(home: Path, words: tuple[str, ...], says: str) -> None:
    """The message says what is wrong; nothing is read."""
    done = command("logs", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert home.exists()


def test_a_bad_expression_ends_with_a_reason(home: Path, tmp_path: Path) -> None:
    """An expression that would take years is given up, and the message says how to mend it."""
    text = "import time\nfor n in range(30): print('a' * 3000 + '!')\nprint('end', flush=True)\n"
    script(tmp_path, text=text + "time.sleep(1000)\n")
    monit("start", "app.py", cwd=tmp_path)
    wait_until(lambda: "end" in monit("logs", "--no-follow"))
    done = command("logs", "--no-follow", "--grep", "(a+)+$")
    assert done.returncode == 1
    assert re.search(r"app/0: the expression takes too long for \d+ lines", done.stderr)
    assert home.exists()
