"""Series as a scraper would read them, and what the files for Prometheus name."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from support.command_line import monit

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "prometheus"
NAME = re.compile(r"\bmonit_[a-z0-9_]+\b")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Value by name and sorted labels."""


def parse(text: str) -> Series:
    """Return all series in a text."""
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def scraped(*words: str) -> Series:
    """Return what ``monit metrics`` prints."""
    return parse(monit("metrics", *words))


def value(series: Series, name: str, **labels: str) -> float | None:
    """Return the sum of all series of this name that have these labels; None without any."""
    found = [
        number
        for (each, facts), number in series.items()
        if each == name and labels.items() <= dict(facts).items()
    ]
    return sum(found) if found else None


def dashboard_queries() -> list[str]:
    """Return the queries of the dashboard: panels, annotations and variables."""
    dashboard = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    panels = [each["expr"] for panel in dashboard["panels"] for each in panel["targets"]]
    marks = [each["expr"] for each in dashboard["annotations"]["list"]]
    variables = [each["query"]["query"] for each in dashboard["templating"]["list"]]
    return [*panels, *marks, *variables]
