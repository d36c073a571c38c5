"""What the palette offers beside the keys: the actions of the app under the cursor."""

import asyncio

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from monit_agent.wire.messages import Offer
from monit_tui.format import printable
from monit_tui.rows import RowKey, name_of
from monit_tui.screens.overview import OverviewScreen


class TriggerCommands(Provider):
    """Asks the app's agent what can be triggered, each time the palette opens."""

    _key: RowKey | None = None
    _offers: tuple[Offer, ...] = ()

    async def startup(self) -> None:
        """Ask; nothing is offered where only looking is allowed."""
        self._answered = asyncio.Event()
        screen = self.screen
        if not isinstance(screen, OverviewScreen) or screen.read_only:
            return self._take(())
        self._key = screen.table.cursor
        if self._key is None:
            return self._take(())
        return screen.acting.offers(self._key, self._take)

    def _take(self, offers: tuple[Offer, ...]) -> None:
        self._offers = offers
        self._answered.set()

    async def _all(self) -> tuple[Offer, ...]:
        # not in startup(): a key typed meanwhile would cancel it, and the palette stay empty
        await self._answered.wait()  # the source gives every question an answer, in time
        return self._offers

    async def discover(self) -> Hits:
        """List them all."""
        for offer in await self._all():
            title = self._title(offer)
            yield DiscoveryHit(
                _with_help(Content(title), offer), lambda offer=offer: self._run(offer), title
            )

    async def search(self, query: str) -> Hits:
        """Find them by their names."""
        matcher = self.matcher(query)
        for offer in await self._all():
            title = self._title(offer)
            score = matcher.match(title)
            if score > 0:
                shown = _with_help(matcher.highlight(title), offer)
                yield Hit(score, shown, lambda offer=offer: self._run(offer), title)

    def _title(self, offer: Offer) -> str:
        who = name_of(self._key) if self._key is not None else ""
        return printable(f"trigger {offer.name}  ({who})")

    def _run(self, offer: Offer) -> None:
        if isinstance(self.screen, OverviewScreen) and self._key is not None:
            self.screen.acting.trigger(self._key, offer)


def _with_help(title: Content, offer: Offer) -> Content:
    """Give the entry as content: what apps say of themselves is never markup."""
    processes = f"{offer.processes} processes" if offer.processes != 1 else "1 process"
    text = printable(f"{offer.help}  {processes}".strip())
    return Content("\n").join([title, Content.styled(text, "dim")])
