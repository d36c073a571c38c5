"""Parametrize over many values of which `make test` runs a few and `make test-full` all."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def matrix(values: Iterable[Any], quick: Iterable[Any]) -> list[Any]:
    """Return parameters for all ``values``; those not in ``quick`` run only in the full matrix."""
    quick = list(quick)
    values = list(values)
    assert all(each in values for each in quick), (quick, values)
    return [
        value if value in quick else pytest.param(*_arguments(value), marks=pytest.mark.full)
        for value in values
    ]


def _arguments(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def diagonal(rows: Iterable[Any], columns: Iterable[Any], quick: Sequence[Any]) -> list[Any]:
    """Return parameters for all pairs; each row runs quickly once, with a ``quick`` column.

    The quick columns take turns, so that all of them have their share of the rows.
    """
    columns = list(columns)
    return [
        pytest.param(
            row, column, marks=[] if column == quick[place % len(quick)] else [pytest.mark.full]
        )
        for place, row in enumerate(rows)
        for column in columns
    ]
