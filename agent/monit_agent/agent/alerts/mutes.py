"""What is muted, and until when. Pure."""

from monit_agent.wire.messages import AlertMute


class Mutes:
    """The mutes of one app; times are those of the wall clock."""

    def __init__(self) -> None:
        self.current: tuple[AlertMute, ...] = ()
        self._rules: frozenset[str | None] = frozenset()

    def restore(self, mutes: tuple[AlertMute, ...]) -> None:
        """Take over what an agent before this one knew."""
        self.current = mutes
        self._rules = frozenset(each.rule for each in mutes)

    def set(self, mute: AlertMute, wall: float) -> None:
        """Mute a rule, or all, until a time; one that is over ends the mute, or all mutes."""
        others = tuple(each for each in self.current if each.rule != mute.rule)
        if mute.until > wall:
            self.restore((*others, mute))
        else:
            self.restore(() if mute.rule is None else others)

    def forget_old(self, wall: float) -> bool:
        """Drop what is over; return whether there was any."""
        kept = tuple(each for each in self.current if each.until > wall)
        ended = len(kept) < len(self.current)
        if ended:
            self.restore(kept)
        return ended

    def is_muted(self, rule: str) -> bool:
        """Return whether nothing is announced of a rule."""
        return bool(self._rules) and (None in self._rules or rule in self._rules)
