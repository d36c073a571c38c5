"""What the pages for people say about this repository is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = (
    "SECURITY.md",
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "agent/README.md", "agent/PROTOCOL.md",
    "tui/README.md", "agent/monit_agent/probe/README.md", "docs/servers.md", "docs/faults.md",
    "docs/alerts.md", "docs/boot.md", "docs/configuration.md", "docs/containers.md",
    "docs/from-pm2.md", "docs/hosts.md", "docs/deploy.md", "docs/prometheus.md",
    "docs/profiles.md", "docs/api.md", "docs/logs-out.md",
)  # fmt: skip
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
CODE_PATH = re.compile(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|cjs|md|sh))?)`")
BASES = (".", "agent", "agent/monit_agent", "agent/monit_agent/probe", "tui/monit_tui")
"""Folders from which the pages name files."""


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link to a file of this repository leads to one."""
    path = ROOT / page
    targets = LINK.findall(path.read_text())
    assert [each for each in targets if not (path.parent / each).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "agent/README.md", "tui/README.md"])
def test_named_files_and_rooms_exist(page: str) -> None:
    """Every path in code style names a file or a room."""
    path = ROOT / page
    named = CODE_PATH.findall(path.read_text())
    bases = [path.parent, *(ROOT / base for base in BASES)]
    missing = [each for each in named if not any((base / each).exists() for base in bases)]
    assert named
    assert missing == []


def test_the_tests_of_faults_exist() -> None:
    """Each test that the page of faults names is in the file to which its link leads."""
    page = ROOT / "docs" / "faults.md"
    named = re.findall(r"\[(test_\w+)\]\(([^)]+)\)", page.read_text())
    missing = [
        (name, path)
        for name, path in named
        if f"def {name}(" not in (page.parent / path).read_text()
    ]
    assert len(named) > 50
    assert missing == []
