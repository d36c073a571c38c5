"""The short way reads a command line as click does, or not at all."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from monit_agent.cli.logs.quick_words import QuickWords, read_words
from monit_agent.cli.verbs.logs import logs

WORDS = st.sampled_from([
    "web", "web/0", "all", "api-*", "@shop", "3", "localhost:web", "", "-",
    "-f", "--follow", "--no-follow", "-i", "--ignore-case", "--count", "--err", "--out", "--raw",
    "--json", "--reverse", "--fold", "--level", "error", "--since", "10m", "--", "-fi",
    "--nostream",
    "-n", "--lines", "-n5", "-n=5", "-n 5", "--lines=7", "--lines=", "--lines=x",
    "100001", "0", "-1",
    "-A", "-B2", "--context=3", "-C", "101", "٣",
    "--grep", "--grep=a.b", "--grep=", "time(out", "--grep=(", "a=b", "--grep=\udc80",
])  # fmt: skip


def _is_like(said: QuickWords, meant: dict[str, Any]) -> bool:
    grep, counts = meant["grep"] or "", meant["count"]
    names = ("lines", "ignore_case", "after", "before", "context", "only", "bare", "as_json")
    text = said.expression.pattern.pattern if said.expression else ""
    return (
        all(getattr(said, name) == meant[name] for name in names)
        and said.targets == (meant["targets"] or ("all",))
        and text == grep
        and said.counts == counts
        and said.follow == (not counts and meant["follow"] is not False)
    )


@given(st.lists(WORDS, max_size=6))
@example(["web", "-n", "100", "--no-follow", "--err"])
@example(["--grep", "a|b", "-i", "-C", "2", "--count"])
@example(["-n", "5", "-n6", "--follow", "--no-follow", "--raw"])
def test_what_is_read_is_what_click_reads(words: list[str]) -> None:
    """Each field has the value that click gives it; no wrong word is accepted."""
    said = read_words(words)
    if said is not None:
        assert _is_like(said, logs.make_context("logs", list(words)).params)


def test_the_usual_words_are_understood() -> None:
    """What people type most often takes the short way."""
    for words in (
        "", "web", "web -n 100", "web --lines 20 --no-follow", "web/0 --err --raw",
        "--grep timeout -i", "web --grep=a.*b --count", "web --json --no-follow",
    ):  # fmt: skip
        assert read_words(words.split()) is not None, words
    for words in ("--since 10m", "web --level error", "--host web1", "--reverse", "--json"):
        assert read_words(words.split()) is None, words
