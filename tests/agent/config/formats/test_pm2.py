"""pm2's ecosystem files and Procfiles: the same processes as under pm2."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from monit_agent.config.app import Launch
from monit_agent.config.files.config import Config, make_launches, read_config
from monit_agent.config.files.faults import ConfigFaultsError, Fault
from monit_agent.config.formats.pm2 import Pm2Config
from monit_agent.config.formats.pm2_keys import KNOWN, snake_case
from monit_agent.config.values import cpu_cores
from support.servers import NODE_MODULES

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "FROM_SHELL": "4"}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not in PATH")


def _config(folder: Path, name: str, text: str, profile: str | None = None) -> Config:
    (folder / "app.js").touch()
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "worker.py").touch()
    (folder / name).write_text(text)
    return read_config(str(folder / name), profile, ENVIRON)


def _launches(config: Config) -> dict[str, Launch]:
    return {launch.spec.name: launch for launch in make_launches(config, ENVIRON)}


def _programs(folder: Path) -> Path:
    """Return a folder to be PATH, in which node and bun can be run."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("node", "bun"):
        (programs / name).symlink_to("/bin/true")
    return programs


def _faults(config: Config) -> list[str]:
    with pytest.raises(ConfigFaultsError) as error:
        make_launches(config, ENVIRON)
    return [_plain(fault) for fault in error.value.faults]


def _plain(fault: Fault) -> str:
    return f"{fault.place.line}: {fault.text}"


SHOP = {
    "apps": [
        {
            "name": "api", "script": "app.js", "args": "--port 'a b'", "instances": 2,
            "exec_mode": "cluster", "max_memory_restart": "1G", "kill_timeout": 1600,
            "listen_timeout": "8s", "min_uptime": 5000, "max_restarts": 10, "watch": False,
            "ignore_watch": ["node_modules"], "autorestart": False, "stop_exit_codes": [0, 3],
            "cron_restart": "0 4 * * *", "wait_ready": True, "namespace": "shop",
            "env": {"PORT": 3000, "DEBUG": True, "NONE": None, "DOLLAR": "a$b %s # \" '",
                    "DEEP": {"list": [1, "é"]}},
            "env_production": {"DEBUG": "no"}, "node_args": "--max-old-space-size=64",
        },
        {"name": "worker", "script": "worker.py", "cwd": "./sub", "interpreter": "python3"},
    ]
}  # fmt: skip


@pytest.mark.parametrize("name", ["eco.json", "eco.config.js", "eco.config.mjs", "eco.yaml"])
def test_keys_and_units_of_pm2(name: str, tmp_path: Path) -> None:
    """Names, arguments, instances, folders and times mean what they mean in pm2, in each syntax."""
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    before = {"js": "module.exports = ", "mjs": "export default "}.get(name.rpartition(".")[2], "")
    text = before + json.dumps(SHOP, indent=1)
    found = _launches(_config(tmp_path, name, text))
    api, worker = found["api"].spec, found["worker"].spec
    assert api.argv[1:] == (
        "--max-old-space-size=64", str(tmp_path / "app.js"), "--port", "a b",
    )  # fmt: skip
    assert (api.instances, api.mode, api.namespace, api.cwd) == (
        2,
        "cluster",
        "shop",
        str(tmp_path),
    )
    assert api.policy.max_memory_bytes == 1024**3
    assert (api.policy.kill_timeout_s, api.policy.listen_timeout_s) == (1.6, 8)
    assert (api.policy.min_uptime_s, api.policy.max_restarts) == (5, 10)
    assert (api.policy.restart, api.policy.stop_exit_codes) == ("never", (0, 3))
    assert (api.policy.cron, api.wait_ready, api.watch_paths) == ("0 4 * * *", True, ())
    assert found["api"].named == {
        "PORT": "3000", "DEBUG": "true", "NONE": "null", "DOLLAR": "a$b %s # \" '",
        "DEEP": '{"list":[1,"é"]}',
    }  # fmt: skip
    assert (worker.cwd, worker.script) == (f"{tmp_path}/sub", f"{tmp_path}/sub/worker.py")
    production = _launches(_config(tmp_path, name, text, "production"))
    assert production["api"].named["DEBUG"] == "no"
    assert production["api"].named["PORT"] == "3000"


@pytest.mark.parametrize(
    ("app", "name", "argv"),
    [
        ({"script": "app.js"}, "app", ["node", "{}/app.js"]),
        ({"script": "./app.js", "name": "My App!"}, "My-App", ["node", "{}/app.js"]),
        ({"script": "sleep", "args": ["9", "8"]}, "sleep", ["sleep", "9", "8"]),
        ({"script": "sleep", "args": "9", "interpreter": "none"}, "sleep", ["sleep", "9"]),
        ({"script": "sleep 9"}, "sleep", ["sleep", "9"]),
        ({"name": "x", "script": "sleep 9 && true"}, "x", ["bash", "-c", "sleep 9 && true"]),
        ({"script": "worker.py", "cwd": "sub"}, "worker", ["python3", "{}/sub/worker.py"]),
        ({"script": "start", "args": "-p 1"}, "start", ["node", "{}/start", "-p", "1"]),
        ({"exec": "app.js", "nodeArgs": ["-r", "x"]}, "app", ["node", "-r", "x", "{}/app.js"]),
        ({"script": "app.js", "execInterpreter": "bash"}, "app", ["bash", "{}/app.js"]),
    ],
)
@needs_node
def test_what_runs(app: dict[str, Any], name: str, argv: list[str], tmp_path: Path) -> None:
    """Scripts, commands, shell text and interpreters are found as pm2 finds them."""
    (tmp_path / "start").touch()
    ((found, launch),) = _launches(_config(tmp_path, "e.json", json.dumps({"apps": [app]}))).items()
    assert found == name
    assert os.path.basename(launch.spec.argv[0]) == argv[0]
    assert list(launch.spec.argv[1:]) == [word.replace("{}", str(tmp_path)) for word in argv[1:]]


@pytest.mark.parametrize(
    "wrapped",
    ["[APP]", "APP", '{"apps": APP}', '{"apps": [APP]}', '{"pm2": [APP]}', "// x\n[APP,]"],
)
def test_shapes_of_the_file(wrapped: str, tmp_path: Path) -> None:
    """One app, a list, and both below apps or pm2 are accepted."""
    text = wrapped.replace("APP", '{"name": "a", "script": "app.js"}')
    assert list(_launches(_config(tmp_path, "e.json", text))) == ["a"]


def test_instances_max_and_negative(tmp_path: Path) -> None:
    """0 and max are one per core, as text too."""
    for value in (0, "max", "0"):
        text = json.dumps({"apps": [{"script": "app.js", "instances": value}]})
        assert _launches(_config(tmp_path, "e.json", text))["app"].spec.instances == cpu_cores()


@pytest.mark.parametrize(
    ("keys", "mode"),
    [
        ({}, "fork"),
        ({"instances": 1}, "cluster"),
        ({"instances": 1, "exec_mode": "fork"}, "fork"),
        ({"instances": 2, "interpreter": "bun"}, "fork"),
        ({"instances": 2, "exec_mode": "cluster", "increment_var": "PORT"}, "fork"),
    ],
)
def test_the_mode_that_pm2_takes(keys: dict[str, Any], mode: str, tmp_path: Path) -> None:
    """A number of instances of a Node script means cluster; a port for each of them means fork."""
    app = {"script": "app.js", "env": {"PORT": 3000}, **keys}
    config = _config(tmp_path, "eco.json", json.dumps({"apps": [app]}))
    environ = {**ENVIRON, "PATH": str(_programs(tmp_path))}
    (launch,) = make_launches(config, environ)
    assert launch.spec.mode == mode


WRONG = """\
module.exports = { apps: [
  { name: "a", script: "missing.js",
    kill_timeout: "soon", instances: "many",
    env: { "A B": 1, C: 123456789012345678901 },
    user: "somebody-else" },
  { name: "b", script: "app.js", max_memory_restart: true, cron_restart: "daily" },
  { name: "b", script: "app.js" },
  3, {},
] }
"""


def test_all_faults_have_their_lines(tmp_path: Path) -> None:
    """Wrong values, missing scripts, names that are there twice: all in one run."""
    beginnings = [
        "2: [a] script: missing.js: no such script",
        "3: kill_timeout: 'soon' is not a duration",
        "3: instances: 'many' is not a number of instances",
        "4: env: 'A B' is not the name",
        "4: env.C: the number is too large",
        "5: [a] user: there is no user somebody-else",
        "6: max_memory_restart: true is not a size",
        "6: cron_restart: 'daily' is not a cron pattern",
        "7: two apps are called 'b'",
        "8: an app is an object",
        "8: an app needs script or name",
    ]
    faults = _faults(_config(tmp_path, "e.config.js", WRONG))
    for fault, beginning in zip(faults, beginnings, strict=True):
        assert fault.startswith(beginning), fault


def test_watched_paths_count_from_the_working_directory(tmp_path: Path) -> None:
    """As in pm2; true is the directory itself."""
    apps = [
        {"name": "a", "script": "app.js", "cwd": "sub", "watch": ["lib", "/etc/x"]},
        {"name": "b", "script": "app.js", "watch": True},
    ]
    (tmp_path / "sub" / "x").mkdir(parents=True)
    (tmp_path / "sub" / "app.js").touch()
    found = _launches(_config(tmp_path, "e.json", json.dumps(apps)))
    assert found["a"].spec.watch_paths == (f"{tmp_path}/sub/lib", "/etc/x")
    assert found["b"].spec.watch_paths == (str(tmp_path),)


def test_every_key_of_pm2_is_known() -> None:
    """Those of pm2's own schema have a counterpart, an answer, or no effect."""
    schema = NODE_MODULES / "pm2" / "lib" / "API" / "schema.json"
    if not schema.exists():
        pytest.skip("pm2 is not installed for the tests")
    keys = {snake_case(key) for key in json.loads(schema.read_text())} - {"^env_\\S*$"}
    assert keys - {*KNOWN} == set()


def test_what_has_no_effect_is_named_once(tmp_path: Path) -> None:
    """A key of pm2 without a counterpart is a note with the way out; harmless ones are silent."""
    app = {"script": "app.js", "log_file": "x", "instanses": 2, "time": True, "vizion": False,
           "merge_logs": True, "shutdown_with_message": True,
           "autostart": False}  # fmt: skip
    apps = [{**app, "name": "a"}, {**app, "name": "b"}]
    config = _config(tmp_path, "e.json", json.dumps({"apps": apps, "deploy": {}}))
    notes = " ".join(note.text for note in config.notes)
    assert len(config.notes) == 4
    assert "unknown key 'instanses' has no effect; did you mean 'instances'?" in notes
    for key in ("log_file", "shutdown_with_message", "autostart"):
        assert f"{key}" in notes
    assert set(_launches(config)) == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("e.json", '{"apps": [}', "1: '}' is no JSON value"),
        ("e.json", '{"apps": process}', "1: 'process' is no JSON value"),
        ("e.json", "", "1: the text ends too early"),
        ("e.json", "{}", "None: there are no apps in this file"),
        ("e.json", '{"services": {}}', "None: this is a file of Docker Compose"),
        ("e.json", '{"apps": 3}', "1: apps is neither a list nor an object"),
        ("e.json", '{"apps": []}', "None: there is no app in this file"),
        ("e.yaml", "apps: [", "1: not valid YAML"),
        ("e.yaml", "apps: !!python/object/apply:os.system ['true']", "is not allowed"),
    ],
)
def test_files_that_are_none(name: str, text: str, why: str, tmp_path: Path) -> None:
    """What is no ecosystem file is named as what it is; YAML makes no objects of Python."""
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    fault = _faults(_config(tmp_path, name, text))[0]
    assert why in fault


def test_yaml_that_names_itself_is_bounded(tmp_path: Path) -> None:
    """A few lines that expand to billions of values are refused."""
    pytest.importorskip("yaml")
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)
    ]
    assert "more than 100000 values" in _faults(_config(tmp_path, "e.yaml", "\n".join(lines)))[0]


# ---------------------------------------------------------------- computed by Node


COMPUTED = {
    "function.config.js": "module.exports = () => ({ apps: [{ script: 'app.js' }] })",
    "promise.config.js": "module.exports = Promise.resolve({ apps: [{ script: 'app.js' }] })",
    "module.config.mjs": "const apps = [{ script: 'app.js' }]\nexport default { apps }",
    "named.config.mjs": "export const apps = [{ script: 'app.js' }]",
    "noisy.config.js": "console.log('{\"apps\": 1}'); console.error('x'.repeat(1e6));"
                       "setInterval(() => {}, 1e3); module.exports = [{ script: 'app' + '.js' }]",
    "folder.config.cjs": "const { join } = require('path')\n"
                         "module.exports = [{ script: join(__dirname, 'app.js'), name: 'app' }]",
}  # fmt: skip


@needs_node
@pytest.mark.parametrize("name", COMPUTED)
def test_computed_files(name: str, tmp_path: Path) -> None:
    """Functions, promises, both kinds of modules, timers and noise on stdout are no obstacle."""
    config = _config(tmp_path, name, COMPUTED[name])
    assert _launches(config)["app"].spec.script == str(tmp_path / "app.js")


@needs_node
def test_the_environment_and_what_json_cannot_hold(tmp_path: Path) -> None:
    """process.env is that of the command; functions and Infinity are left out with a note."""
    text = (
        "module.exports = [{ script: 'app.js', instances: process.env.FROM_SHELL,\n"
        "  max_restarts: Infinity, hook() {} }]"
    )
    config = _config(tmp_path, "e.config.js", text)
    assert _launches(config)["app"].spec.instances == 4
    assert [note.text.partition(":")[0] for note in config.notes] == ["max_restarts", "hook"]


@needs_node
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("process.exit(0)", "None: the file ended its process (code 0) before it exported"),
        ("\nthrow new Error('no database')", "2: Error: no database"),
        ("const a = ;", "1: SyntaxError"),
        ("require('nosuchmodule')", "run npm install in"),
        ("require('fs').writeFileSync('made', '')", "cannot start programs or write files"),
        ("require('child_process').execSync('touch made')", "cannot start programs or write"),
    ],
)
def test_files_that_fail(text: str, why: str, tmp_path: Path) -> None:
    """The error has its line, and the file can neither start programs nor write files."""
    assert why in _faults(_config(tmp_path, "e.config.js", text))[0]
    assert not (tmp_path / "made").exists()


@needs_node
def test_a_file_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout Node is killed and the fault says so."""
    monkeypatch.setattr("monit_agent.config.formats.node_values.TIMEOUT_S", 0.5)
    text = f"while ('{tmp_path.name}') {{}}"
    assert "did not finish within" in _faults(_config(tmp_path, "e.config.js", text))[0]
    running = [
        path.read_bytes()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if os.access(path, os.R_OK)
    ]
    assert not any(str(tmp_path).encode() in each for each in running)


def test_without_node_the_fault_names_what_needs_it(tmp_path: Path) -> None:
    """Literals need no Node; the first expression that does is named with its line."""
    path = tmp_path / "e.config.js"
    path.write_text("module.exports = [\n { script: process.env.X }]")
    (fault,) = Pm2Config(str(path), {"PATH": "/nowhere"}).faults
    assert "'process.env.X' (line 2) needs node, which is not in PATH" in fault.text


@needs_node
@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
@pytest.mark.parametrize(
    ("owner", "mode", "why"),
    [(65534, 0o644, "root does not run it"), (0, 0o666, "root would run what it says: chmod o-w")],
)
def test_root_runs_no_file_that_others_can_change(
    owner: int, mode: int, why: str, tmp_path: Path
) -> None:
    """A file of another user is not run as root; one with literals only is read."""
    path = tmp_path / "e.config.js"
    path.write_text(f"require('fs'); module.exports = [{{ script: '{tmp_path}' }}]")
    path.chmod(mode)
    os.chown(path, owner, owner)
    (fault,) = Pm2Config(str(path), ENVIRON).faults
    assert why in fault.text


# ---------------------------------------------------------------- Procfile


def test_a_procfile(tmp_path: Path) -> None:
    """Each line is an app with its own PORT and the variables of .env."""
    (tmp_path / ".env").write_text("SECRET=a$b\n")
    text = "# apps\nweb: sleep $PORT\n\nworker-1: sleep 'a b'\n"
    found = _launches(_config(tmp_path, "Procfile", text))
    assert found["web"].spec.argv[1:] == ("-c", "sleep $PORT")
    assert found["worker-1"].spec.args == ("a b",)
    assert [found[name].named for name in ("web", "worker-1")] == [
        {"PORT": "5000"},
        {"PORT": "5100"},
    ]
    assert found["web"].spec.env_files == (str(tmp_path / ".env"),)
    (tmp_path / ".env").write_text("PORT=8000\n")
    assert _launches(_config(tmp_path, "Procfile.dev", text))["worker-1"].named == {"PORT": "8100"}


def test_the_release_of_a_procfile(tmp_path: Path) -> None:
    """It runs once, before the others; alone it is an app like any other."""
    text = "web: sleep 1\nrelease: sleep 2\nworker: sleep 3\n"
    found = _launches(_config(tmp_path, "Procfile", text))
    assert {name: launch.spec.after for name, launch in found.items()} == {
        "web": ("release=done",),
        "release": (),
        "worker": ("release=done",),
    }
    assert [name for name, launch in found.items() if launch.spec.type == "once"] == ["release"]
    (alone,) = _launches(_config(tmp_path, "Procfile.dev", "release: sleep 2\n")).values()
    assert alone.spec.type != "once"


def test_faults_of_a_procfile(tmp_path: Path) -> None:
    """A line without a command, a name twice and an impossible name are named with their lines."""
    text = "web sleep 1\nweb: sleep 1\nweb: sleep 2\nall: sleep 3\nx: nosuchcommand\n"
    beginnings = ["1: 'web sleep 1' is not", "3: 'web' is there twice", "4: 'all' means every app",
                  "5: [x] run: nosuchcommand"]  # fmt: skip
    faults = _faults(_config(tmp_path, "Procfile", text))
    for fault, beginning in zip(faults, beginnings, strict=True):
        assert fault.startswith(beginning), fault


MERGED = {
    "two": ({"instances": 2, "merge_logs": True, "out_file": "all.log"}, True),
    "in camel case": ({"instances": "max", "combineLogs": True, "errorFile": "all.log"}, True),
    "one": ({"instances": 1, "merge_logs": True, "out_file": "all.log"}, False),
    "no file of the user's": ({"instances": 2, "merge_logs": True}, False),
    "no log": ({"instances": 2, "merge_logs": True, "out_file": "/dev/null"}, False),
    "not merged": ({"instances": 2, "merge_logs": False, "out_file": "all.log"}, False),
}


@pytest.mark.parametrize("name", MERGED)
def test_one_log_of_several_instances_is_a_note(name: str, tmp_path: Path) -> None:
    """Lines that pm2 writes to one file of the user are in several here: where, what to do."""
    keys, is_noted = MERGED[name]
    apps = [{"name": "web", "script": "app.js", **keys}]
    config = _config(tmp_path, "ecosystem.json", json.dumps({"apps": apps}))
    assert any("-- monit logs NAME" in note.text for note in config.notes) is is_noted
    assert set(_launches(config)) == {"web"}


@pytest.mark.parametrize(
    ("pattern", "cron"),
    [("0 30 4 * * *", "30 4 * * *"), ("30 0 * * 1", "30 0 * * 1"), ("59 * * * * *", "* * * * *")],
)
def test_a_cron_pattern_with_seconds(pattern: str, cron: str, tmp_path: Path) -> None:
    """It is common in pm2's files; monit restarts in that minute."""
    apps = [{"name": "web", "script": "app.js", "cron_restart": pattern}]
    config = _config(tmp_path, "ecosystem.json", json.dumps({"apps": apps}))
    assert _launches(config)["web"].spec.policy.cron == cron


def test_a_cron_pattern_of_many_seconds_is_a_fault(tmp_path: Path) -> None:
    """A restart every five seconds has no counterpart; true is written as in the file."""
    app = {"name": "web", "script": "app.js", "cron_restart": "*/5 * * * * *", "kill_timeout": True}
    (cron, time) = _faults(_config(tmp_path, "ecosystem.json", json.dumps({"apps": [app]})))
    assert "'*/5 * * * * *' is not a cron pattern: it does not have five fields" in cron
    assert "kill_timeout: true is not a time" in time
