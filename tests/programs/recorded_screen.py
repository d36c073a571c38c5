"""The screen on a replayed scene; appends a line to a file for each action that it is asked for.

A line has the class of the widget, a space, and the handler: ``ProcessTable move('up')``.
"""

import os
import sys
from typing import Any

import monit_tui.app as screen
from monit_agent.replay import scenes

PATH, SCENE = sys.argv[1:]


def record(line: str) -> None:
    """Append a line."""
    with open(PATH, "a", encoding="utf-8") as file:
        file.write(line)


class RecordedApp(screen.MonitApp):
    """Records, and does everything else as the screen does."""

    CSS_PATH = os.path.join(os.path.dirname(screen.__file__), "app.tcss")

    async def run_action(self, action: Any, default_namespace: Any = None, namespaces: Any = None):
        record(f"{type(default_namespace).__name__} {action}\n")
        return await super().run_action(action, default_namespace, namespaces)


if __name__ == "__main__":
    screen.MonitApp = RecordedApp
    sys.exit(screen.show(getattr(scenes, SCENE)(real_time=True))[0])
