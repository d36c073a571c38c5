"""What OpenTelemetry in an app says of itself, and the revision of a release."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command_line import monit, row, rows, script
from support.otlp_receiver import OtlpReceiver, Received, otlp_receiver
from support.programs import program
from support.prometheus import EXAMPLES, scraped
from support.waiting import wait_until

APP = """\
import json, time
from opentelemetry.sdk.resources import Resource
print("resource", json.dumps(dict(Resource.create().attributes)), flush=True)
time.sleep(1000)
"""
QUIET = "import time\ntime.sleep(1000)\n"

pytestmark = pytest.mark.usefixtures("home")


def _resources(count: int) -> list[dict[str, Any]]:
    """Return what the SDK of each worker so far has taken for its resource."""

    def found() -> list[dict[str, Any]]:
        log = monit("logs", "web", "--no-follow", "-n", "1000", "--raw")
        lines = [line for line in log.splitlines() if line.startswith("resource ")]
        return [json.loads(line.partition(" ")[2]) for line in lines] if len(lines) >= count else []

    return wait_until(found, what=f"{count} workers printed their resources")


def test_a_worker_is_the_same_service_after_a_restart(tmp_path: Path) -> None:
    """Its SDK says name and id; each instance has its own id, which metrics have too."""
    path = str(script(tmp_path, text=APP))
    python = "--interpreter", sys.executable  # which has the SDK
    monit(
        "start",
        path,
        *python,
        "--name",
        "web",
        "-i",
        "2",
        "--namespace",
        "shop",
        "--min-uptime",
        "0.1s",
    )
    first = _resources(2)
    assert {each["service.name"] for each in first} == {"web"}
    assert {each["service.namespace"] for each in first} == {"shop"}
    ids = {each["service.instance.id"] for each in first}
    assert len(ids) == 2
    monit("restart", "web")
    assert {each["service.instance.id"] for each in _resources(4)} == ids
    labels = [dict(facts) for name, facts in scraped() if name == "monit_instance_info"]
    assert {each["service_instance_id"] for each in labels} == ids


def test_what_the_user_set_is_kept(tmp_path: Path) -> None:
    """What is missing is added to it."""
    path = str(script(tmp_path, text=APP))
    python = "--interpreter", sys.executable  # which has the SDK
    mine = "OTEL_RESOURCE_ATTRIBUTES=service.name=shop,team=blue"
    monit("start", path, *python, "--name", "web", "--env", mine, "--min-uptime", "0.1s")
    (resource,) = _resources(1)
    assert (resource["service.name"], resource["team"]) == ("shop", "blue")
    assert resource["service.instance.id"]


def _sent(receiver: OtlpReceiver, kind: str, count: int) -> list[Received]:
    """Wait until so many workers have sent something of a kind, and return it."""

    def arrived() -> list[Received]:
        assert receiver.problems == []
        found = receiver.received(kind)
        return found if len(found) >= count else []

    return wait_until(arrived, what=f"{count} workers sent their {kind}")


def test_what_an_app_sends_by_otlp_is_from_the_service_that_monit_knows(tmp_path: Path) -> None:
    """Its spans, metrics and log records arrive with name, namespace, version and an id, which is
    the one in monit's own metrics, and the same after a restart."""
    (tmp_path / "REVISION").write_text("4f2a91c0de37\n")
    path = str(script(tmp_path, "web.py", program("telemetry.py")))
    with otlp_receiver() as receiver:
        target = f"OTEL_EXPORTER_OTLP_ENDPOINT={receiver.url}"
        mine = "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test"
        words = "-i", "2", "--namespace", "shop", "--env", target, "--env", mine
        python = "--interpreter", sys.executable  # which has the SDK
        monit("start", path, *python, *words, "--min-uptime", "0.1s", cwd=tmp_path)
        first = {kind: _sent(receiver, kind, 2) for kind in ("traces", "metrics", "logs")}
        monit("restart", "web")
        later = {kind: _sent(receiver, kind, 4) for kind in first}
    assert [each.message.scope_spans[0].spans[0].name for each in first["traces"]] == ["work"] * 2
    ids = {each.attributes["service.instance.id"] for each in first["traces"]}
    labels = [dict(facts) for name, facts in scraped() if name == "monit_instance_info"]
    assert ids == {each["service_instance_id"] for each in labels}
    assert len(ids) == 2
    expected = {
        "service.name": "web",
        "service.namespace": "shop",
        "service.version": "4f2a91c0de37",
        "vcs.ref.head.revision": "4f2a91c0de37",
        "deployment.environment.name": "test",
    }
    for kind, found in later.items():
        assert {each.attributes["service.instance.id"] for each in found} == ids, kind
        for each in found:
            assert expected.items() <= each.attributes.items()


def _release(folder: Path, name: str) -> None:
    release = folder / "releases" / name
    release.mkdir(parents=True)
    script(release, "web.py", QUIET)
    (release / "REVISION").write_text(name + "\n")
    (folder / "new").symlink_to(f"releases/{name}")
    (folder / "new").replace(folder / "current")


def test_the_revision_is_that_of_the_worker(tmp_path: Path) -> None:
    """A new link changes nothing before the reload; list, describe and metrics agree."""
    _release(tmp_path, "one")
    current = str(tmp_path / "current")
    monit("start", f"{current}/web.py", "--cwd", current, "--min-uptime", "0.1s")
    wait_until(lambda: row("web")["revision"] == "one", what="the revision is known")
    _release(tmp_path, "two")
    assert row("web")["revision"] == "one"
    monit("reload", "web")
    wait_until(lambda: row("web")["revision"] == "two", what="the new revision is known")
    assert "two" in monit("describe", "web")
    labels = [dict(facts) for name, facts in scraped() if name == "monit_instance_info"]
    assert [each["revision"] for each in labels] == ["two"]


def test_without_a_release_there_is_no_revision(tmp_path: Path) -> None:
    """Unknown is null."""
    path = str(script(tmp_path, text=QUIET))
    monit("start", path, "--name", "web", "--min-uptime", "0.1s", cwd=tmp_path)
    wait_until(lambda: row("web")["rss_bytes"], what="it was sampled")
    assert [each["revision"] for each in rows("web")] == [None]


def test_the_collector_reads_the_endpoint() -> None:
    """The recipe scrapes where `serve-metrics` listens, and connects only what it defines."""
    recipe = yaml.safe_load((EXAMPLES / "otel-collector.yaml").read_text())
    (job,) = recipe["receivers"]["prometheus"]["config"]["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9209"]}]
    for pipeline in recipe["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert {*names} == {*recipe[kind]}
