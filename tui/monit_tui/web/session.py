"""One screen of one browser: ``python -m monit_tui.web.session JSON``, started by the server.

The argument is an object: ``home``, ``targets``, ``read_only`` and ``hosts``.
"""

import json
import os
import signal
import sys
import threading

from monit_agent.client.hosts.names import Host
from monit_tui import terminal

EXIT_S = 2.0
"""How long the screen may take to close after its server has gone."""

os.environ["TEXTUAL_FPS"] = "30"  # Textual reads it while it is imported; as over ssh

# ruff: noqa: E402
from textual.drivers.web_driver import WebDriver
from textual.messages import ExitApp

from monit_tui.app import MonitApp, open_source
from monit_tui.model.view_state import load_state
from monit_tui.preferences.files import load_preferences
from monit_tui.terminal import TerminalFeatures


class BrowserDriver(WebDriver):
    """Textual's driver of a browser, which closes the screen when its server has gone."""

    def run_input_thread(self) -> None:
        """Read until the input ends."""
        super().run_input_thread()
        self._app.post_message(ExitApp())
        timer = threading.Timer(EXIT_S, os._exit, [1])
        timer.daemon = True
        timer.start()


def main(argument: str) -> int:
    """Show the screen until the browser closes it."""
    options = json.loads(argument)
    home: str = options["home"]
    view, problem = load_state(home)
    os.environ["COLORFGBG"] = "15;0"  # the page is dark
    source = open_source(home, tuple(Host(*each) for each in options["hosts"]))
    app = MonitApp(
        source, read_only=options["read_only"], targets=tuple(options["targets"]),
        at=TerminalFeatures(), view=view, problem=problem, driver=BrowserDriver, in_browser=True,
        preferences=load_preferences(os.environ),
    )  # fmt: skip
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        app.run()
    finally:
        source.close()
    return app.return_code or 0


if __name__ == "__main__":
    terminal.end_process(main(sys.argv[1]))
