"""Keys that were pressed before the screen could carry them out."""

from textual.events import Key


class EarlyKeys:
    """Keeps keys in their order until they are released."""

    def __init__(self) -> None:
        self._kept: list[Key] | None = []

    def keep(self, event: Key) -> bool:
        """Keep a key; return False once they are released."""
        if self._kept is None:
            return False
        self._kept.append(event)
        return True

    def release(self) -> list[Key]:
        """Return the keys that were kept, and keep no more."""
        kept, self._kept = self._kept or [], None
        return kept
