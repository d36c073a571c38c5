"""What a filter and the targets of the command line let through. Pure."""

from fnmatch import fnmatchcase

from monit_agent.client.trees import processes_of
from monit_agent.client.view import AppView, InstanceView
from monit_tui.condition import Now, instance_condition


def matches_target(app: AppView, instance: int | None, target: str) -> bool:
    """Tell whether ``web``, ``web/0``, ``@namespace``, ``all`` or a glob names this."""
    if target == "all":
        return True
    if target.startswith("@"):
        return app.record is not None and app.record.namespace == target[1:]
    if fnmatchcase(app.name, target):
        return True
    return instance is not None and fnmatchcase(f"{app.name}/{instance}", target)


def targeted(app: AppView, instance: int | None, targets: tuple[str, ...]) -> bool:
    """Tell whether the command line named this; without targets it named everything."""
    return not targets or any(matches_target(app, instance, target) for target in targets)


def matches(app: AppView, view: InstanceView, words: list[str], now: Now) -> bool:
    """Tell whether what is said of an instance has all these words."""
    text = _text(app, view, now)
    return all(says(text, app, word) for word in words)


def hits(app: AppView, view: InstanceView, words: list[str], now: Now) -> frozenset[int]:
    """Give the processes that match by what is said of their instance and of themselves."""
    processes = processes_of(view)
    if not processes:
        return frozenset()
    text = _text(app, view, now)
    said = {each.pid: f"{text} {each.name} {each.pid}" for each in processes}
    return frozenset(
        pid for pid, each in said.items() if all(says(each, app, word) for word in words)
    )


def says(text: str, app: AppView, word: str) -> bool:
    """Tell whether ``word`` is in ``text``: ``!word`` is not, ``@word`` begins the namespace."""
    if word.startswith("!") and len(word) > 1:
        return not says(text, app, word[1:])
    if word.startswith("@"):
        return app.record is not None and app.record.namespace.casefold().startswith(word[1:])
    return word in text.casefold()


def _text(app: AppView, view: InstanceView, now: Now) -> str:
    pid = "" if view.record.pid is None else f" {view.record.pid}"
    condition = instance_condition(app, view, now)
    return f"{app.name}/{view.identity.instance} {condition.word}{pid}"
