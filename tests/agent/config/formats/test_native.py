"""monit.toml: what its layers make of an app, and everything that can be wrong with it."""

import os
from pathlib import Path
from typing import Any

import pytest

from monit_agent.config.app import Launch
from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.config.files.config import check_config, make_launches, read_config
from monit_agent.config.files.entries import make_item, read_item
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.files.find import find_config
from monit_agent.config.files.keys import APP_KEYS
from monit_agent.config.options import OPTIONS, Option
from monit_agent.config.values import parse_option

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}


def _write(folder: Path, text: str, name: str = "monit.toml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def _launches(path: str, profile: str | None = None, *names: str) -> dict[str, Launch]:
    found = make_launches(read_config(path, profile, ENVIRON), ENVIRON, names)
    return {launch.spec.name: launch for launch in found}


def _faults(path: str, profile: str | None = None) -> list[str]:
    with pytest.raises(ConfigFaultsError) as error:
        make_launches(read_config(path, profile, ENVIRON), ENVIRON)
    return [
        f"{os.path.basename(fault.place.path)}:{fault.place.line}: {fault.text}"
        for fault in error.value.faults
    ]


LAYERS = """\
version = 1
namespace = "shop"
[defaults]
env = { LEVEL = "info", SHARED = "yes" }
kill-timeout = "5s"
[apps.web]
run = "sleep 1000"
env.LEVEL = "debug"
listen = ["8001", "8002"]
ready.url = "http://127.0.0.1:1/"
[apps.web.profiles.production]
instances = 4
listen = ["8003"]
ready.command = "true"
env = { LEVEL = "warning" }
[apps.job]
run = ["sleep", "$HOME *"]
namespace = "jobs"
"""


def test_layers_merge_tables_and_replace_lists(tmp_path: Path) -> None:
    """Defaults, app, profile and local file follow each other; what one replaces is gone."""
    path = _write(tmp_path, LAYERS)
    web = _launches(path)["web"]
    assert (web.spec.instances, web.spec.namespace, web.spec.listen) == (
        1,
        "shop",
        (":8001", ":8002"),
    )
    assert (web.named["LEVEL"], web.named["SHARED"]) == ("debug", "yes")
    assert web.spec.policy.kill_timeout_s == 5
    production = _launches(path, "production")["web"]
    assert (production.spec.instances, production.spec.listen) == (4, (":8003",))
    assert production.spec.checks.ready_command == ("true",)
    assert production.spec.checks.ready_url == ""
    assert (production.named["LEVEL"], production.named["SHARED"]) == ("warning", "yes")
    _write(tmp_path, '[apps.web]\nrun = "sleep 2"\nenv.LEVEL = "local"\n', "monit.local.toml")
    local = _launches(path, "production")["web"]
    assert (local.named["LEVEL"], local.spec.args, local.spec.instances) == ("local", ("2",), 4)
    assert _launches(path)["job"].spec.namespace == "jobs"


def test_words_arrive_as_they_are_written(tmp_path: Path) -> None:
    """No shell and no expansion touches a list of words or the value of a variable."""
    hostile = "$HOME %s # = \" ' \\ \n*"
    text = f"[apps.a]\nrun = ['sleep', '''{hostile}''']\nenv.X = '''{hostile}'''\n"
    launch = _launches(_write(tmp_path, text))["a"]
    assert launch.spec.args == (hostile,)
    assert launch.named["X"] == hostile


@pytest.mark.parametrize("nothing", ['""', "[]"])
def test_a_profile_takes_arguments_away(nothing: str, tmp_path: Path) -> None:
    """No arguments are a value as others are; a command without a word is none."""
    text = (
        '[apps.a]\nscript = "app.py"\nargs = ["-v"]\ninterpreter-args = "-u"\n'
        f"[apps.a.profiles.plain]\nargs = {nothing}\ninterpreter-args = {nothing}\n"
    )
    script = tmp_path / "app.py"
    script.touch()
    spec = _launches(_write(tmp_path, text), "plain")["a"].spec
    assert spec.argv[1:] == (str(script),)
    _write(tmp_path, f"[apps.a]\nrun = {nothing}\n")
    with pytest.raises(BadInputError):
        _launches(_write(tmp_path, f"[apps.a]\nrun = {nothing}\n"))


def test_what_runs(tmp_path: Path) -> None:
    """A string is split, a script has arguments and those of its interpreter, shell runs text."""
    (tmp_path / "app.py").touch()
    path = _write(
        tmp_path,
        "[apps.split]\nrun = \"sleep 'a b'\"\n"
        '[apps.script]\nscript = "app.py"\nargs = "a \'b c\'"\ninterpreter-args = ["-X", "dev"]\n'
        '[apps.module]\nmodule = "http.server"\nargs = ["8000"]\ninterpreter_args = "-u"\n'
        '[apps.shell]\nrun = "sleep 1 && sleep 2"\nshell = true\n',
    )
    found = {name: launch.spec for name, launch in _launches(path).items()}
    assert found["split"].args == ("a b",)
    assert found["script"].argv[1:] == ("-X", "dev", str(tmp_path / "app.py"), "a", "b c")
    assert found["module"].argv[1:] == ("-u", "-m", "http.server", "8000")
    assert found["shell"].argv[1:] == ("-c", "sleep 1 && sleep 2")


def test_paths_count_from_the_folder_of_the_file_they_stand_in(tmp_path: Path) -> None:
    """Scripts, folders, env files and sockets of an included file are found beside it."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "one.py").touch()
    (tmp_path / "apps" / "one.env").write_text("A=1\n")
    (tmp_path / "all.env").write_text("B=2\n")
    _write(
        tmp_path,
        '[apps.one]\nscript = "one.py"\nenv-file = "one.env"\nlisten = "unix:one.sock"\n',
        "apps/one.toml",
    )
    path = _write(tmp_path, 'include = ["apps/*.toml"]\n[defaults]\nenv-file = "all.env"\n')
    one = _launches(path)["one"]
    assert one.spec.cwd == str(tmp_path / "apps")
    assert one.spec.script == str(tmp_path / "apps" / "one.py")
    assert one.spec.listen == (f"unix:{tmp_path}/apps/one.sock",)
    assert one.spec.env_files == (f"{tmp_path}/apps/one.env",)  # lists replace


def test_pyproject_has_the_same_tables(tmp_path: Path) -> None:
    """[tool.monit] of a pyproject.toml is read, and its faults have their lines."""
    path = _write(
        tmp_path,
        '[project]\nname = "x"\n[tool.monit.apps.web]\nrun = "sleep 1"\n',
        "pyproject.toml",
    )
    assert list(_launches(path)) == ["web"]
    assert find_config(str(tmp_path)) == (path, [])
    _write(tmp_path, "[tool.monit.apps.web]\nrum = 1\n", "pyproject.toml")
    (fault,) = _faults(path)
    assert fault.startswith("pyproject.toml:2: unknown key 'rum' in [tool.monit.apps.web]; did you")


def test_only_a_pyproject_with_the_table_is_found(tmp_path: Path) -> None:
    """A pyproject.toml without [tool.monit] is no config file; monit.toml comes first."""
    pyproject = _write(tmp_path, '[project]\nname = "x"\n', "pyproject.toml")
    assert find_config(str(tmp_path)) == (None, [])
    assert "there is no [tool.monit]" in _faults(pyproject)[0]
    monit = _write(tmp_path, "")
    _write(tmp_path, "[tool.monit]\n", "pyproject.toml")
    assert find_config(str(tmp_path)) == (monit, [pyproject])


ALL_WRONG = """\
version = 2
nmaespace = "x"
[defaults]
probe = "no"
[apps.web]
run = "nosuchcommand x"
instanses = 2
kill-timeout = 5000
max-memory = 300
cwd = "nowhere"
env-file = ["no.env", "neither.env"]
env = { "A B" = 1, OK = [1] }
health = { intervall = "3s", failures = 0 }
[apps.two]
script = "x.py"
run = "sleep 1"
name = "three"
[apps.three]
run = "sleep 1"
watch-ignore = "data/"
ready.url = "http://127.0.0.1:{port}/"
args = "x"
[apps.none]
[apps.all]
run = "sleep 1"
[apps.shell]
run = "sleep $TIME"
[apps.three.profiles.p]
port = 99999
[apps.mem]
run = "sleep 1"
max_memory = "1M"
max-memory = "2M"
"""


def test_all_faults_are_found_in_one_run(tmp_path: Path) -> None:
    """Unknown keys, wrong values, missing files and contradictions, each with its line."""
    faults = _faults(_write(tmp_path, ALL_WRONG))
    beginnings = [
        "monit.toml:1: version 2",
        "monit.toml:2: unknown key 'nmaespace' in this file; did you mean 'namespace'?",
        'monit.toml:4: probe: "no" is neither true nor false',
        "monit.toml:6: [web] run: nosuchcommand: no such command",
        "monit.toml:7: unknown key 'instanses' in [apps.web]; did you mean 'instances'?",
        "monit.toml:8: kill-timeout: 5000 has no unit",
        "monit.toml:9: max-memory: 300 has no unit",
        "monit.toml:10: [web] cwd ",
        "monit.toml:11: [web] env-file: ",
        "monit.toml:11: [web] env-file: ",
        "monit.toml:12: env: 'A B' is not the name of a variable",
        "monit.toml:12: env.OK: the value is neither text nor a number",
        "monit.toml:13: unknown key 'intervall' in [apps.web.health]; did you mean 'interval'?",
        "monit.toml:13: health.failures: '0' is not a number from 1 to 1000",
        "monit.toml:16: run: an app has run or script or module",
        "monit.toml:17: the name of an app is that of its table",
        "monit.toml:20: [three] watch-ignore: there is nothing to ignore",
        "monit.toml:21: [three] ready.url http://127.0.0.1:{port}/: the app has no port",
        "monit.toml:22: [three] args: not used with run",
        "monit.toml:23: [none] there is nothing to run",
        "monit.toml:24: 'all' means every app",
        "monit.toml:27: [shell] run: this needs a shell",
        "monit.toml:29: port: '99999' is not a port",
        "monit.toml:33: max-memory: stands twice",
    ]
    for fault, beginning in zip(faults, beginnings, strict=True):
        assert fault.startswith(beginning), (fault, beginning)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("[apps.web]\nrun = sleep 1\n", 2, "not valid TOML"),
        ("[apps.web]\nrun = 'a'\n[apps.web]\n", 3, "not valid TOML"),
        ("[apps.web]\nrun = ['a',", 2, "not valid TOML"),
        ("apps = 3", 1, "write a table"),
        ("[apps]\nweb = 'x'", 2, "write a table"),
        ("apps.a.profiles.p = 1", 1, "write a table"),
        ("include = [3]", 1, "include: 3 is not the path"),
        ("include = 'no.toml'", 1, "no.toml: No such file"),
        ("instances = 2\n[apps]", 1, "settings of an app stand below [apps.NAME]"),
        ("x = " + "[" * 5000, None, "nested too deeply"),
        ("", None, "there is no app"),
    ],
)
def test_faults_of_the_whole_file(text: str, line: int | None, why: str, tmp_path: Path) -> None:
    """What is not TOML, and what stands in the wrong place, is named with its line."""
    fault = _faults(_write(tmp_path, text))[0]
    assert fault.startswith(f"monit.toml:{line}: ")
    assert why in fault


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and files without end, are refused."""
    path = tmp_path / "monit.toml"
    path.write_bytes(b"# one\n# \xff\n")
    assert "monit.toml:2: not UTF-8 text" in _faults(str(path))[0]
    assert "more than 1048576 bytes" in _faults("/dev/zero")[0]


def test_an_app_in_two_files_is_a_fault_that_names_both(tmp_path: Path) -> None:
    """Two included files with an app of one name are refused; a circle of includes is not."""
    _write(tmp_path, 'include = "monit.toml"\n[apps.web]\nrun = "sleep 1"\n', "a.toml")
    path = _write(tmp_path, 'include = ["a.toml"]\n[apps.job]\nrun = "sleep 1"\n')
    assert list(_launches(path)) == ["job", "web"]
    _write(tmp_path, '[apps.web]\nrun = "sleep 1"\n', "b.toml")
    _write(tmp_path, 'include = ["[ab].toml"]\n')
    (fault,) = _faults(path)
    assert fault.startswith("b.toml:1: app 'web' exists already: ")
    assert "a.toml:2" in fault


def test_profiles_must_exist(tmp_path: Path) -> None:
    """A profile that no app has is a fault, and the nearest one is named."""
    (fault,) = _faults(_write(tmp_path, LAYERS), "prodcution")
    assert "there is no profile 'prodcution'" in fault
    assert "did you mean 'production'?" in fault


def test_the_local_file_changes_only_apps_that_exist(tmp_path: Path) -> None:
    """A misspelled app in monit.local.toml is not a new app."""
    path = _write(tmp_path, LAYERS)
    _write(tmp_path, "[apps.wbe]\ninstances = 3\n", "monit.local.toml")
    (fault,) = _faults(path)
    assert fault.startswith("monit.local.toml:1: there is no app 'wbe' in ")
    assert fault.endswith("did you mean 'web'?")


ALERTS = """\
[alerts]
grace = "2m"
rules = { loop-lag = "off", slow = "http_p95_ms > 1s" }
[defaults.alerts]
rules.big = "rss_bytes > 1G"
[apps.web]
run = "sleep 1000"
[apps.web.alerts.rules]
slow = "http_p95_ms > 500 for 2m"
[apps.web.profiles.quiet.alerts]
grace = "10m"
rules.stuck = "off"
[apps.job]
run = "sleep 1000"
"""


def test_rules_of_alerts_merge_by_name(tmp_path: Path) -> None:
    """Those of the file count for all of its apps, and an app changes one by its name."""
    path = _write(tmp_path, ALERTS)
    alerts = {name: launch.spec.alerts for name, launch in _launches(path).items()}
    assert alerts["job"].grace_s == 120.0
    assert sorted(alerts["job"].rules) == [
        "big=rss_bytes > 1G", "loop-lag=off", "slow=http_p95_ms > 1s",
    ]  # fmt: skip
    assert "slow=http_p95_ms > 500 for 2m" in alerts["web"].rules
    assert len(alerts["web"].rules) == 3
    quiet = _launches(path, "quiet")["web"].spec.alerts
    assert quiet.grace_s == 600.0
    assert "stuck=off" in quiet.rules


def test_all_faults_of_alerts_are_found_with_the_nearest_right_name(tmp_path: Path) -> None:
    """Keys, names of rules, metrics, numbers and times, each on its line."""
    text = """\
[alerts]
gracee = "1m"
[alerts.rules]
a = "http_p95 > 5"
b = "rss_bytes > lots"
lop-lag = "off"
c = 7
"d d" = "off"
[apps.web]
run = "sleep 1"
[apps.web.alerts]
rules = "slow"
grace = 60
"""
    faults = _faults(_write(tmp_path, text))
    expected = [
        "monit.toml:2: unknown key 'gracee' in [alerts]; did you mean 'grace'?",
        "did you mean 'http_p95_ms'?",
        "'lots' is not a number that rss_bytes can have",
        "6: alerts.rules.lop-lag: there is no rule 'lop-lag' to switch off; did you mean 'loop-",
        "monit.toml:7: alerts.rules.c: 7 is not text; write it in quotes",
        "'d d' cannot name a rule",
        "monit.toml:12: alerts.rules: write a table",
        "60 has no unit",
    ]
    assert len(faults) == len(expected)
    for fault, part in zip(faults, expected, strict=True):
        assert part in fault


def test_check_covers_all_profiles(tmp_path: Path) -> None:
    """What is wrong only with a profile is found without naming the profile."""
    text = '[apps.a]\nrun = "sleep 1"\n[apps.a.profiles.p]\ncwd = "nowhere"\n'
    path = _write(tmp_path, text)
    assert _launches(path)
    with pytest.raises(ConfigFaultsError, match=r"nowhere: no such folder"):
        check_config(path, None, ENVIRON)


def test_apps_are_chosen_by_name(tmp_path: Path) -> None:
    """Only the named apps are made; a name that the file does not have is an error."""
    path = _write(tmp_path, LAYERS)
    assert list(_launches(path, None, "job")) == ["job"]
    with pytest.raises(TargetNotFoundError, match=r"has no app 'jbo'.*did you mean 'job'"):
        _launches(path, None, "jbo")


def _in_a_file(option: Option) -> Any:
    """Return the example of an option as a value of a TOML file."""
    if option.kind == "yes or no":
        return option.example == "yes"
    return int(option.example) if option.kind in ("count", "port") else option.example


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o.key not in ("name", "env")], ids=lambda o: o.key
)
def test_every_option_is_a_key(option: Option) -> None:
    """The example of each row means the same in a file as on the command line."""
    item = make_item(option.key, _in_a_file(option), Place("/monit.toml", 1))
    value = parse_option(option, option.example)
    assert item.setting == ((value,) if option.several else value)
    assert option.key.partition(".")[0] in APP_KEYS


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o.key not in ("name", "env")], ids=lambda o: o.key
)
@pytest.mark.parametrize(
    "value", [None, "", [], {}, {"a": 1}, [[]], 1.5, "\x00", ["\x00"]], ids=str
)
def test_no_key_takes_any_value(option: Option, value: Any) -> None:
    """A value of a type that a key does not have is a fault, never a Python error."""
    faults: list[Fault] = []
    item = read_item(option.key, value, Place("/monit.toml", 1), faults)
    assert (item is None) == bool(faults)
    assert item is None or (option.several and value == [])
