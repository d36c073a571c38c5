"""`contextlib.suppress` without `contextlib`, which takes a tenth of a megabyte in every keeper."""


class suppress:  # noqa: N801  called as the library's is
    """Leave a ``with`` block quietly when one of ``kinds`` is raised in it."""

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, self._kinds)
