"""The search of a whole log: exact numbers, places of the newest matches, more on request."""

from monit_agent.client.logs.file_search import KNOWN_PLACES, FileSearch, FoundPlace
from monit_agent.client.logs.filter import Matcher, parse_filter
from monit_agent.client.logs.rows import StreamKey
from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import local_instance

APP = "shop-aarhus-1"
KEYS = [StreamKey(local_instance(APP, number), "out") for number in (0, 1)]


def searched(source: ReplaySource, text: str, log_filter: str = "") -> FileSearch:
    """Return a search that has ended."""
    search = FileSearch(source, KEYS, Matcher(text), parse_filter(log_filter), lambda: None)
    search.start()
    wait(source, search)
    return search


def wait(source: ReplaySource, search: FileSearch) -> None:
    for _ in range(100):
        source.poll()
    assert not search.is_running


def filled(lines: int) -> ReplaySource:
    source = scenes.many(20)
    source.poll()
    for number in (0, 1):
        text = "".join(f"{number} line {n}{' tea' if n % 2 else ''}\n" for n in range(lines))
        source.stage[APP].print(number, "out", text.encode())
    return source


def older(search: FileSearch) -> list[FoundPlace]:
    """Return the matches that can be gone to, newest first."""
    places: list[FoundPlace] = []
    while (found := search.places.nearest(places[-1] if places else None, -1)) is not None:
        places.append(found)
    return places


def test_all_matches_are_counted_and_those_beyond_the_known_ones_are_fetched_on_request() -> None:
    """Of many matches the newest have places and the others are counted; asked for, older ones get
    places, and the number stays."""
    source = filled(3 * KNOWN_PLACES)
    search = searched(source, "tea")
    assert len(search) == 3 * KNOWN_PLACES
    before = older(search)
    assert len(before) < len(search)
    while search.fetch_older():
        wait(source, search)
        assert len(search) == 3 * KNOWN_PLACES
        after = older(search)
        assert len(after) > len(before)
        assert set(before) < set(after)
        before = after
    assert len(before) == len(search)
    assert [search.places.rank(place) for place in before] == list(range(1, len(before) + 1))
    back = before[-1]
    assert search.places.nearest(back, 1) == before[-2]


def test_a_search_sees_what_the_filter_shows() -> None:
    """Lines that the filter hides are not counted, and neither are those of hidden streams."""
    source = filled(1000)
    assert len(searched(source, "tea")) == 1000
    assert len(searched(source, "tea", "9")) == 2 * 1000 // 2 - len(searched(source, "tea", "!9"))
    assert len(searched(source, "tea", ":err")) == 0


def test_what_an_agent_refuses_is_said() -> None:
    """A search that cannot be done has no matches and the agent's reason."""
    source = filled(10)
    search = FileSearch(
        source,
        [StreamKey(local_instance(APP, 99), "out")],
        Matcher("tea"),
        parse_filter(""),
        lambda: None,
    )
    search.start()
    wait(source, search)
    assert len(search) == 0
    assert search.problem == f"{APP} has no instance 99"
