"""The actions of the registry as Textual bindings."""

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from monit_tui.keys.actions import REGISTRY, KeyAction, KeyScope
from monit_tui.keys.names import PRIORITY_IDS


def bindings_of(scope: KeyScope) -> list[BindingType]:
    """Return the bindings of the widget that handles the keys of ``scope``."""
    return make_bindings(action for action in REGISTRY if action.scope == scope)


def make_bindings(actions: Iterable[KeyAction]) -> list[BindingType]:
    """Return the bindings of actions, with the actions' ids."""
    return [
        Binding(
            key, action.handler, action.label, show=False, id=action.id,
            priority=action.id in PRIORITY_IDS,
        )
        for action in actions
        for key in action.keys
    ]  # fmt: skip
