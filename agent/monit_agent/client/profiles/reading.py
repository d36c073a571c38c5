"""Reading what profilers wrote. A worker may claim anything: what is of another form is refused."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


class BadProfileError(ValueError):
    """The profile is not of the form that it should be."""


def decode_profile(raw: bytes, kind: type[T]) -> T:
    """Return JSON as a ``kind``; raise `BadProfileError`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadProfileError(f"the profile cannot be read: {error}") from error
