"""What is wrong with the order of the apps in a file: unknown apps, cycles, and what never ends."""

from collections.abc import Iterator, Sequence

from monit_agent.config.files.entries import AppEntry, Item
from monit_agent.config.files.faults import Fault, did_you_mean
from monit_agent.wire.order import Dependency, find_cycle, read_dependency, with_dependencies


def with_needed(entries: Sequence[AppEntry], names: Sequence[str]) -> list[str]:
    """Return the names, and those of the apps that they come after; all where none is given."""
    after = {entry.name: [each for each, _ in _dependencies(entry)] for entry in entries}
    return with_dependencies(names, after)


def order_faults(entries: Sequence[AppEntry]) -> Iterator[Fault]:
    """Yield the faults in what the apps come after."""
    by_name = {entry.name: entry for entry in entries}
    after = {entry.name: [each for each, _ in _dependencies(entry)] for entry in entries}
    for entry in entries:
        for dependency, item in _dependencies(entry):
            text = _fault_text(dependency, by_name)
            if text is not None:
                yield Fault(item.place, f"[{entry.name}] after: {text}")
    cycle = find_cycle(after)
    if cycle:
        entry = by_name[cycle[0]]
        place = next(item.place for each, item in _dependencies(entry) if each.app == cycle[1])
        yield Fault(place, f"[{entry.name}] after: the apps wait for each other: {_path(cycle)}")


def _path(cycle: Sequence[str]) -> str:
    return " → ".join(cycle)


def _dependencies(entry: AppEntry) -> Iterator[tuple[Dependency, Item]]:
    for key, item in entry.items.items():
        if key.startswith("after."):
            yield read_dependency(item.setting), item


def _fault_text(dependency: Dependency, by_name: dict[str, AppEntry]) -> str | None:
    other = by_name.get(dependency.app)
    if other is None:
        return (
            f"there is no app {dependency.app!r} in this file"
            f"{did_you_mean(dependency.app, list(by_name))}"
        )
    if dependency.state == "done" and not _ends(other):
        return (
            f"{dependency.app} is never done, because it is restarted when it exits; "
            f'write type = "once" into [apps.{dependency.app}]'
        )
    return None


def _ends(entry: AppEntry) -> bool:
    """Return whether the app may exit for good by itself."""
    items = entry.items
    once = "type" in items and items["type"].setting == "once"
    ends = "restart" in items and items["restart"].setting != "always"
    return once or ends or "stop-exit-codes" in items
