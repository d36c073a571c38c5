# pyright: basic
"""The app's own metrics, and the actions that a program can be requested to do.

Loaded with the first full report, or with the first action.
"""

import sys

from _monit_probe.basics import API_FILE, Faults, is_loading, load, quiet

METRICS, ACTIONS = 100, 50
BUILT_IN = {"gc": "Collect garbage.", "stacks": "Show what every thread is doing."}
"""Actions of every program."""


class AppPart:
    """What this process offers of its own, and the actions that run in it."""

    def __init__(self, probe, has_actions):
        self._probe, self._has_actions = probe, has_actions
        self._prometheus = None
        self._faults = 0
        self._runner = None

    def reset(self):
        """Start without actions: this process is new, perhaps the child of a fork."""
        profiles = self._profiles()
        if profiles is not None:
            profiles.end()
        self._runner = None

    # -- reports

    def report(self, now):
        """Return the app's part of a report."""
        api = _api()
        metrics = quiet(self._prometheus_metrics)(now) or {}
        if api is not None:
            metrics = dict(metrics, **(quiet(api._report_metrics)(now) or {}))
            self._count_faults(api._Faults)
        return {
            "metrics": dict(list(metrics.items())[-METRICS:]),
            "actions": [{"name": name, "help": text} for name, text in self._offered(api)],
        }

    def report_received(self):
        """Note that the last report was received: histograms report what comes after it."""
        api = _api()
        if api is not None:
            quiet(api._report_received)()
        if self._prometheus is not None:
            self._prometheus.growth.received()

    def _count_faults(self, of_api):
        new = of_api.count - self._faults
        if new:
            self._faults += new
            Faults.count += new
            Faults.last = of_api.last

    def _prometheus_metrics(self, now):
        module = sys.modules.get("prometheus_client.metrics")
        if module is None or is_loading(module):
            return {}
        if self._prometheus is None:
            load("prometheus")
            from _monit_probe.prometheus import RegistryReader

            self._prometheus = RegistryReader()
        return self._prometheus.read(now)

    def _offered(self, api):
        """Return (name, help) of each action."""
        if not self._has_actions:
            return []
        offered = dict(BUILT_IN)
        if api is not None:
            offered.update((name, action.help) for name, action in list(api._actions.items()))
        return list(offered.items())[-ACTIONS:]

    # -- actions

    def start_actions(self, path):
        """Start what is requested in the file at ``path``."""
        if self._runner is None:
            load("actions")
            from _monit_probe.actions import ActionRunner

            self._runner = ActionRunner(self._probe, _actions)
        self._runner.start_requested(path)

    def send_answers(self, send):
        """Send the results of actions, each in a report of its own; those that are not received
        are kept."""
        answers = self._runner.answers if self._runner is not None else ()
        while answers and send({"answers": [answers[0]]}):
            answers.popleft()

    def sample(self, now):
        """Sample for a profile, if one is being made."""
        profiles = self._profiles()
        if profiles is not None:
            profiles.sample(now)

    def sample_at(self):
        """Return when `sample` must be called; None without a profile."""
        profiles = self._profiles()
        return profiles.sample_at() if profiles is not None else None

    def _profiles(self):
        return self._runner.profiles if self._runner is not None else None

    def expects_answer(self):
        """Return whether a result is likely to come soon."""
        return self._runner is not None and self._runner.expects_answer()


def _api():
    """Return `monit_probe` if the program has imported it; no other module of that name."""
    module = sys.modules.get("monit_probe")
    is_ours = getattr(module, "__file__", None) == API_FILE
    return module if is_ours and not is_loading(module) else None


def _actions():
    """Return the program's own actions by name."""
    api = _api()
    return dict(api._actions) if api is not None else {}
