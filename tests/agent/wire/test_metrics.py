"""The names of figures, and samples as columns."""

import msgspec
import pytest

from monit_agent.wire.messages import MetricsPart, Sample
from monit_agent.wire.metric_columns import columns_of
from monit_agent.wire.metrics import FIGURES, INTEGERS, figure, named_value
from support.samples import samples_of

PARTS = ("tree", "heap", "collector", "scheduling", "loop", "http")
WITHOUT_HISTORY = {
    ("heap", "source"), ("heap", "limit_bytes"), ("heap", "limit_percent"),
    ("loop", "type"), ("loop", "pid"),
}  # fmt: skip


def _all_fields() -> set[tuple[str, str]]:
    types = {field.name: field.type for field in msgspec.structs.fields(Sample)}
    found: set[tuple[str, str]] = set()
    for part in PARTS:
        (kind,) = [
            each
            for each in getattr(types[part], "__args__", (types[part],))
            if each is not type(None)
        ]
        found.update((part, field) for field in kind.__struct_fields__)
    return found


def test_every_figure_of_a_part_has_a_name_and_a_history() -> None:
    """A figure that is added to a record and forgotten in the table would be in no chart."""
    named = {place for place in FIGURES.values() if place[0]}

    assert named == _all_fields() - WITHOUT_HISTORY
    assert FIGURES.keys() >= INTEGERS


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_goes_into_a_column_and_back(name: str) -> None:
    """Each name finds the figure that it was made from, whole numbers as such."""
    value = 7 if name in INTEGERS else 7.25
    part = MetricsPart(instance=0, at=(1.0, 2.0), figures={name: (None, value)})
    empty, sample = samples_of(part)

    assert empty == Sample(at=1.0)
    assert figure(sample, name) == value
    assert columns_of([empty, sample]) == part.figures


def test_what_is_unknown_has_no_value() -> None:
    """A name of a part that is missing is None; a name that does not exist is an error."""
    assert named_value(Sample(at=1.0), "loop_type") is None
    with pytest.raises(KeyError):
        named_value(Sample(at=1.0), "nothing")
