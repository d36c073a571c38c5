"""The palette's commands that are not keys: the actions of the app under the cursor."""

import asyncio

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.system_commands import SystemCommandsProvider

from monit_agent.client.text.sanitize import printable
from monit_agent.wire.messages import Offer
from monit_tui.model.processes.rows import RowKey, row_name
from monit_tui.screens.overview import OverviewScreen


class OrderedCommands(SystemCommandsProvider):
    """The commands in the app's order, where Textual would list them by name."""

    async def discover(self) -> Hits:
        """Yield all commands."""
        for title, text, run, _ in self.app.get_system_commands(self.screen):
            yield DiscoveryHit(title, run, help=text)


class TriggerCommands(Provider):
    """Requests the list of actions from the app's agent each time the palette opens."""

    _key: RowKey | None = None
    _offers: tuple[Offer, ...] = ()

    async def startup(self) -> None:
        """Send the request; a read-only screen offers nothing."""
        self._answered = asyncio.Event()
        screen = self.screen
        if not isinstance(screen, OverviewScreen) or screen.read_only:
            return self._take(())
        self._key = screen.table.cursor
        if self._key is None:
            return self._take(())
        return screen.actions.request_offers(self._key, self._take)

    def _take(self, offers: tuple[Offer, ...]) -> None:
        self._offers = offers
        self._answered.set()

    async def _all(self) -> tuple[Offer, ...]:
        # not in startup(): a key typed meanwhile would cancel it and leave the palette empty
        await self._answered.wait()  # the source answers every request, within its timeout
        return self._offers

    async def discover(self) -> Hits:
        """Yield all actions."""
        for offer in await self._all():
            title = self._title(offer)
            yield DiscoveryHit(
                _with_help(Content(title), offer), lambda offer=offer: self._run(offer), title
            )

    async def search(self, query: str) -> Hits:
        """Yield the actions whose names match."""
        matcher = self.matcher(query)
        for offer in await self._all():
            title = self._title(offer)
            score = matcher.match(title)
            if score > 0:
                shown = _with_help(matcher.highlight(title), offer)
                yield Hit(score, shown, lambda offer=offer: self._run(offer), title)

    def _title(self, offer: Offer) -> str:
        who = row_name(self._key) if self._key is not None else ""
        return printable(f"trigger {offer.name}  ({who})")

    def _run(self, offer: Offer) -> None:
        if isinstance(self.screen, OverviewScreen) and self._key is not None:
            self.screen.actions.trigger_action(self._key, offer)


def _with_help(title: Content, offer: Offer) -> Content:
    """Return an entry as content: text from apps is never markup."""
    processes = f"{offer.processes} processes" if offer.processes != 1 else "1 process"
    text = printable(f"{offer.help}  {processes}".strip())
    return Content("\n").join([title, Content.styled(text, "dim")])
