"""What a user types as a value means what it says, or is refused with advice."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.config import values
from monit_agent.config.errors import BadInputError
from monit_agent.config.options import BY_KEY


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("200M", 200 * 1024**2),
        ("1G", 1024**3),
        ("512k", 512 * 1024),
        ("1.5G", 1536 * 1024**2),
        ("200MB", 200 * 1024**2),
        ("200 MiB", 200 * 1024**2),
        ("1048576", 1048576),
        ("10b", 10),
    ],
)
def test_sizes_mean_what_pm2_users_expect(text: str, size: int) -> None:
    """Sizes take K, M, G and T as powers of 1024, and a plain number as bytes."""
    assert values.parse_size(text) == size


@given(st.integers(1, 10**6), st.sampled_from(["k", "K", "m", "M", "g", "G", "t", "T"]))
def test_every_whole_size_is_exact(number: int, unit: str) -> None:
    """A whole number with a unit is exactly that many powers of 1024."""
    assert values.parse_size(f"{number}{unit}") == number * 1024 ** ("kmgt".index(unit.lower()) + 1)


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_a_clear_refusal(text: str) -> None:
    """No text makes the parsers fail in any other way than with advice for the user."""
    for parse in (
        values.parse_size,
        lambda text: values.parse_option(BY_KEY["max-memory"], text),
        values.parse_duration,
        values.parse_signal,
        values.parse_kill_mode,
        values.parse_exit_codes,
        values.parse_variable,
        values.parse_cron,
        values.parse_namespace,
        lambda text: values.parse_instances(text, 4),
        lambda text: values.parse_scale(text or "x", 2),
    ):
        try:
            parse(text)
        except BadInputError as error:
            assert str(error)  # noqa: PT017 — either way is right


@pytest.mark.parametrize("text", ["", "M", "-1M", "1X", "1e9", "nan", "200 M B", "٣M"])
def test_a_size_that_is_none_is_refused_with_an_example(text: str) -> None:
    """A size that cannot be read is refused, and the refusal shows how to write one."""
    with pytest.raises(BadInputError, match="200M"):
        values.parse_size(text)


def test_a_memory_limit_without_its_unit_is_noticed() -> None:
    """``--max-memory 200`` is not taken for 200 bytes, which would always restart the app."""
    with pytest.raises(BadInputError, match="200 bytes"):
        values.parse_option(BY_KEY["max-memory"], "200")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10), ("2m", 120), ("1h30m", 5400), ("1d", 86400), ("0", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    """Durations carry their unit and may be put together."""
    assert values.parse_duration(text) == pytest.approx(seconds)


@given(st.integers(0, 10_000), st.sampled_from([("ms", 0.001), ("s", 1.0), ("m", 60.0)]))
def test_every_whole_duration_is_right(number: int, unit: tuple[str, float]) -> None:
    """A number with a unit is that many of it."""
    assert values.parse_duration(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


def test_a_duration_without_unit_is_refused_because_pm2_means_milliseconds() -> None:
    """A bare number is refused and both readings are offered."""
    with pytest.raises(BadInputError, match="3000s, or 3000ms"):
        values.parse_duration("3000")


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "10 s", "9999d", "1s2"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    """Durations that cannot be read, or are absurd, are refused."""
    with pytest.raises(BadInputError):
        values.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"), [("3", 3), ("max", 4), ("MAX", 4), ("0", 4), ("-1", 3), ("-9", 1)]
)
def test_instances(text: str, count: int) -> None:
    """``max`` is one a core, a negative number leaves cores free, at least one remains."""
    assert values.parse_instances(text, 4) == count


@pytest.mark.parametrize("text", ["", "two", "1.5", "1001", "99999999999"])
def test_instances_that_make_no_sense_are_refused(text: str) -> None:
    """Neither words nor thousands of instances are taken."""
    with pytest.raises(BadInputError, match="instances"):
        values.parse_instances(text, 4)


@pytest.mark.parametrize(("text", "count"), [("4", 4), ("+2", 5), ("-1", 2), ("-2", 1)])
def test_scale_is_absolute_or_relative(text: str, count: int) -> None:
    """``scale`` takes N, +N and -N."""
    assert values.parse_scale(text, 3) == count


@pytest.mark.parametrize("text", ["0", "-3", "+9999", "x", "--2", "1.0"])
def test_scale_to_nothing_or_too_much_is_refused(text: str) -> None:
    """At least one instance stays, and at most as many as are allowed."""
    with pytest.raises(BadInputError, match="instances"):
        values.parse_scale(text, 3)


@pytest.mark.parametrize("text", ["HUP", "SIGHUP", "hup", "sighup", "1"])
def test_signals_by_name_and_number(text: str) -> None:
    """A signal may be written with or without SIG, in any case, or as its number."""
    assert values.parse_signal(text) == signal.SIGHUP


@pytest.mark.parametrize("text", ["", "SIG", "FOO", "0", "999", "-1", "²"])
def test_a_signal_that_is_none_is_refused(text: str) -> None:
    """Names and numbers that are no signal here are refused."""
    with pytest.raises(BadInputError, match="not a signal"):
        values.parse_signal(text)


@pytest.mark.parametrize(
    ("text", "mode"),
    [("mixed", "mixed"), (" Group ", "group"), ("process", "process"),
     ("false", "process"), ("true", "mixed")],
)  # fmt: skip
def test_kill_modes(text: str, mode: str) -> None:
    """The three words, and the two values of pm2's treekill."""
    assert values.parse_kill_mode(text) == mode


def test_exit_codes() -> None:
    """Exit codes come as a list with commas, once each, in order."""
    assert values.parse_exit_codes("3, 0,3") == (0, 3)
    with pytest.raises(BadInputError, match="0 to 255"):
        values.parse_exit_codes("256")


def test_variables() -> None:
    """``NAME=VALUE`` keeps the value as it is, also with = in it and when it is empty."""
    assert values.parse_variable("A=b=c d") == ("A", "b=c d")
    assert values.parse_variable("A=") == ("A", "")
    for wrong in ("A", "=b", "1A=b", "A-B=c"):
        with pytest.raises(BadInputError, match="NAME=VALUE"):
            values.parse_variable(wrong)


def test_cron_patterns_have_five_fields() -> None:
    """A cron pattern with another number of fields is refused with an example."""
    assert values.parse_cron("0 4 * * 1-5") == "0 4 * * 1-5"
    with pytest.raises(BadInputError, match="five fields"):
        values.parse_cron("@daily")
