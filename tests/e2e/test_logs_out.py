"""The recipes of docs/logs-out.md: a log shipper gets every line once, and knows whose it is."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from support.command_line import MONIT, monit, script
from support.waiting import wait_until

RECIPES = Path(__file__).parents[2] / "examples" / "logs"
HOME = "/srv/monit"
SBIN = os.environ["PATH"] + ":/usr/sbin"
RSYSLOG = shutil.which("rsyslogd", path=SBIN)
SYSLOG_NG = shutil.which("syslog-ng", path=SBIN)
BLOCKS, BLOCK = 5, 4000
IN_BLOCKS = """\
import os, sys, time
for block in range(5):
    while not os.path.exists(sys.argv[1] + str(block)):
        time.sleep(0.02)
    for number in range(4000 * block, 4000 * (block + 1)):
        print("line", number, "x" * 50)
    sys.stdout.flush()
print("done", file=sys.stderr)
time.sleep(1000)
"""
"""Prints 230 KB at a time: a file that is rotated twice before a shipper has seen it is lost to
those that look for files."""
GROWING = ("0.out.log", "12.err.log")
OTHERS = ("0.out.0000000000123456.log", "0.out.0000000000123456.log.gz", "0.out.idx")

pytestmark = pytest.mark.usefixtures("home")


@contextmanager
def _shipper(words: list[str], folder: Path) -> Iterator[None]:
    """Run a log shipper; what it says is in the test's output when that fails."""
    with (folder / "shipper.log").open("w+") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()
            log.seek(0)
            print(log.read())


def _recipe(name: str, folder: Path, home: Path) -> str:
    """Return a recipe for a home that writes to ``monit.json`` in a folder."""
    text = (RECIPES / name).read_text().replace(HOME, str(home))
    return text.replace("/var/log/monit.json", str(folder / "monit.json"))


def _rsyslog(folder: Path, home: Path) -> list[str]:
    assert RSYSLOG is not None
    config, work = folder / "rsyslog.conf", folder / "work"
    work.mkdir()
    text = _recipe("rsyslog.conf", folder, home)
    config.write_text(f'global(workDirectory="{work}")\n{text}')
    return [RSYSLOG, "-n", "-i", str(folder / "pid"), "-f", str(config)]


def _syslog_ng(folder: Path, home: Path) -> list[str]:
    assert SYSLOG_NG is not None
    config = folder / "syslog-ng.conf"
    text = _recipe("syslog-ng.conf", folder, home).replace(
        "monit logs", f"{shlex.join(MONIT)} logs"
    )
    config.write_text(text)
    places = "-R", str(folder / "persist"), "-p", str(folder / "pid"), "-c", str(folder / "ctl")
    return [SYSLOG_NG, "-F", "--no-caps", "-f", str(config), *places]


SHIPPERS = {"rsyslog": (RSYSLOG, _rsyslog), "syslog-ng": (SYSLOG_NG, _syslog_ng)}


@pytest.mark.parametrize("name", SHIPPERS)
def test_a_shipper_gets_every_line_once(name: str, tmp_path: Path, home: Path) -> None:
    """Files are rotated by rename a few times meanwhile."""
    program, command = SHIPPERS[name]
    if program is None:
        pytest.skip(f"{name} is not installed here")
    path, go = str(script(tmp_path, "numbers.py", IN_BLOCKS)), f"{tmp_path}/go-"
    out = tmp_path / "monit.json"

    def shipped(app: str) -> int:
        return out.read_bytes().count(f'"{app}"'.encode()) if out.exists() else 0

    with _shipper(command(tmp_path, home), tmp_path):
        monit("start", str(script(tmp_path)), "--name", "first", "--min-uptime", "0.1s")
        wait_until(lambda: shipped("first"), what="the shipper reads")
        size = "--log-max-size", "256k", "--log-max-files", "0"
        monit("start", path, "--name", "web", "--min-uptime", "0.1s", *size, "--", go)
        for block in range(1, BLOCKS + 1):
            Path(f"{go}{block - 1}").touch()
            wait_until(lambda block=block: shipped("web") >= block * BLOCK, what=f"block {block}")
        everything = BLOCKS * BLOCK + 1  # and the line of standard error
        wait_until(lambda: shipped("web") >= everything, what="all lines")
    lines = [row for row in map(json.loads, out.read_text().splitlines()) if row["app"] == "web"]
    rotated = list(home.glob("apps/web/logs/0.out.0*"))
    assert len(rotated) > 2
    assert {str(each["instance"]) for each in lines} == {"0"}
    assert [each["line"] for each in lines if each["stream"] == "err"] == ["done"]
    numbers = [each["line"].split()[1] for each in lines if each["stream"] == "out"]
    assert numbers == [str(n) for n in range(BLOCKS * BLOCK)]


def _patterns(text: str) -> list[str]:
    return re.findall(rf"{HOME}/[^\s,\"']+\.log", text)


@pytest.mark.parametrize("name", ["rsyslog.conf", "vector.yaml", "fluent-bit.yaml", "config.alloy"])
def test_a_recipe_reads_the_files_that_grow(name: str) -> None:
    """It matches those, and no rotated one: that would be read twice."""
    patterns = _patterns((RECIPES / name).read_text())
    assert len(patterns) == 2

    def is_read(file: str) -> bool:
        return any(fnmatch(f"{HOME}/apps/web/logs/{file}", each) for each in patterns)

    assert all(map(is_read, GROWING))
    assert not any(map(is_read, OTHERS))


EXPRESSIONS = {
    "vector.yaml": r"r'(/apps/.*?)'\)",
    "fluent-bit.yaml": r"regex: '(/apps/.*?)'",
    "config.alloy": r'expression = "(/apps/.*?)"',
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_recipe_knows_whose_line_it_is(name: str) -> None:
    """Its expression finds app, instance and stream in a path."""
    (expression,) = re.findall(EXPRESSIONS[name], (RECIPES / name).read_text())
    plain = re.sub(r"\(\?<(?=[a-z])", "(?P<", expression)
    found = re.search(plain, f"{HOME}/apps/my-web/logs/12.err.log")
    assert found is not None
    assert found.groupdict() == {"app": "my-web", "instance": "12", "stream": "err"}


@pytest.mark.parametrize("name", ["vector.yaml", "vector-stream.yaml", "fluent-bit.yaml"])
def test_a_recipe_is_yaml_whose_parts_are_connected(name: str) -> None:
    """What it names as an input or a parser is in the file."""
    recipe = yaml.safe_load((RECIPES / name).read_text())
    if "pipeline" in recipe:
        tags = {each["tag"] for each in recipe["pipeline"]["inputs"]}
        later = [*recipe["pipeline"]["filters"], *recipe["pipeline"]["outputs"]]
        assert {each["match"] for each in later} == tags
        parsers = {each["name"] for each in recipe["parsers"]}
        assert {each["parser"] for each in recipe["pipeline"]["filters"]} == parsers
        return
    parts = {**recipe["sources"], **recipe.get("transforms", {}), **recipe["sinks"]}
    inputs = [name for part in parts.values() for name in part.get("inputs", [])]
    assert {*inputs} <= {*parts}


EACH = """\
import os, sys, time
n = os.environ["MONIT_INSTANCE"]
while not os.path.exists(sys.argv[1]):
    print("waiting", flush=True)
    time.sleep(0.1)
for number in range(5000):
    print(n, number, "x" * 50)
print("done", flush=True)
time.sleep(1000)
"""


def test_one_file_for_all_instances(tmp_path: Path) -> None:
    """docs/logs.md: an app whose output is the log of another one, whole lines, each once."""
    merged, go = tmp_path / "all.log", tmp_path / "go"
    path = str(script(tmp_path, text=EACH))
    monit("start", path, "--name", "web", "-i", "2", "--min-uptime", "0.1s", "--", str(go))
    command = [*MONIT, "logs", "web", "--follow", "--lines", "0"]
    monit("start", "--name", "web-all", "--log-out", str(merged), "--", *command)

    def lines() -> list[str]:
        return merged.read_text().splitlines() if merged.exists() else []

    wait_until(lambda: {each.split()[0] for each in lines()} == {"web/0", "web/1"}, what="both")
    go.touch()
    wait_until(lambda: sum(each.endswith("done") for each in lines()) == 2, what="both are done")
    for instance in ("0", "1"):
        found = [each.split() for each in lines() if each.startswith(f"web/{instance}")]
        numbers = [words[-2] for words in found if words[-3:-2] == [instance]]
        assert numbers == [str(n) for n in range(5000)]


def test_the_command_of_the_stream_runs(tmp_path: Path) -> None:
    """It prints one object a line for each line from now on."""
    recipe = yaml.safe_load((RECIPES / "vector-stream.yaml").read_text())
    words = recipe["sources"]["monit"]["command"]
    monit("start", str(script(tmp_path)), "--name", "web", "--min-uptime", "0.1s")
    process = subprocess.Popen([*MONIT, *words[1:]], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert (line["app"], line["instance"], line["stream"]) == ("web", 0, "out")
    process.kill()
    process.communicate()
