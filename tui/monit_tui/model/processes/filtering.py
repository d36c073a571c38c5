"""Which rows match a filter and the targets of the command line. Pure."""

from monit_agent.client.process_trees import processes_of
from monit_agent.client.targets import means_app, means_instance
from monit_agent.client.view import AppView, InstanceView
from monit_tui.model.processes.condition import ClockReading, instance_condition


def is_targeted(app: AppView, instance: int | None, targets: tuple[str, ...]) -> bool:
    """Return whether a target names this app or instance; without targets, all are named."""
    if instance is None:
        return not targets or any(means_app(app, target) for target in targets)
    return not targets or any(means_instance(app, instance, target) for target in targets)


def matches_words(app: AppView, view: InstanceView, words: list[str], now: ClockReading) -> bool:
    """Return whether all words match an instance."""
    text = _text(app, view, now)
    return all(word_matches(text, app, word) for word in words)


def matching_pids(
    app: AppView, view: InstanceView, words: list[str], now: ClockReading
) -> frozenset[int]:
    """Return the pids of processes for which all words match the instance or the process."""
    processes = processes_of(view)
    if not processes:
        return frozenset()
    text = _text(app, view, now)
    texts = {each.pid: f"{text} {each.name} {each.pid}" for each in processes}
    return frozenset(
        pid for pid, each in texts.items() if all(word_matches(each, app, word) for word in words)
    )


def word_matches(text: str, app: AppView, word: str) -> bool:
    """Return whether ``word`` matches: in ``text``, ``!`` not in it, ``@`` in the namespace."""
    if word.startswith("!") and len(word) > 1:
        return not word_matches(text, app, word[1:])
    if word.startswith("@"):
        return app.record is not None and app.record.namespace.casefold().startswith(word[1:])
    return word in text.casefold()


def _text(app: AppView, view: InstanceView, now: ClockReading) -> str:
    pid = "" if view.record.pid is None else f" {view.record.pid}"
    condition = instance_condition(app, view, now)
    return f"{view.identity} {condition.word}{pid}"
