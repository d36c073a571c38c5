"""No config file, however odd, is answered with a Python error."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monit_agent.config.files.config import make_launches, open_foreign, read_config
from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.config.files.keys import APP_KEYS
from monit_agent.config.files.toml_writer import toml_key, toml_value
from monit_agent.config.formats.pm2_keys import KNOWN

ENVIRON = {"PATH": os.environ["PATH"]}

ODD = ["10s", "300M", "max", "sleep 1", "/", "..", "unix:x", "A=1", "0", "\0", " "]
KEYS = st.text(max_size=3)
ANY: st.SearchStrategy[Any] = st.recursive(
    KEYS | st.booleans() | st.integers(-2, 2**40) | st.floats(-1, 1) | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["web", "a b", "all", "", "ü", "a.b"])


def _read(name: str, text: str) -> None:
    """Read a file; faults are fine, and each has a text of one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        faults = [Fault(Place(str(path)), "none")]
        try:
            if name.endswith((".conf", ".yaml")):
                open_foreign(str(path), ENVIRON)
            else:
                make_launches(read_config(str(path), None, ENVIRON), ENVIRON)
        except ConfigFaultsError as error:
            faults = error.faults
        assert faults
        assert all(fault.text for fault in faults)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["version", "namespace", "include", "defaults"]), ANY, max_size=2
    ),
    st.dictionaries(NAMES, ANY | st.dictionaries(st.sampled_from(APP_KEYS), ANY), max_size=2),
)
def test_any_toml(root: dict[str, Any], apps: dict[str, Any]) -> None:
    """Any value under any key of monit.toml is used or is a fault."""
    lines = [f"{toml_key(key)} = {toml_value(value)}" for key, value in root.items()]
    _read("monit.toml", "\n".join([*lines, f"apps = {toml_value(apps)}"]))


@settings(max_examples=50)
@given(
    ANY | st.lists(st.dictionaries(st.sampled_from(["name", "script", *KNOWN]), ANY), max_size=2)
)
def test_any_ecosystem_file(apps: Any) -> None:
    """Any value under any key of pm2 is used or is a fault."""
    _read("ecosystem.json", json.dumps({"apps": apps}))


PROCESS = ("command", "working_dir", "environment", "replicas", "availability", "shutdown",
           "readiness_probe", "liveness_probe", "namespace", "depends_on")  # fmt: skip
INNER = ("restart", "max_restarts", "signal", "timeout_seconds", "exec", "http_get", "port")


@settings(max_examples=50)
@given(
    st.dictionaries(
        NAMES,
        ANY | st.dictionaries(
            st.sampled_from(PROCESS), ANY | st.dictionaries(st.sampled_from(INNER), ANY)
        ),
        max_size=2,
    )
)  # fmt: skip
def test_any_file_of_process_compose(processes: dict[str, Any]) -> None:
    """Any value under any key of process-compose is used or is a fault."""
    pytest.importorskip("yaml")
    _read("pc.yaml", json.dumps({"processes": processes}))


@settings(max_examples=50)
@given(st.text(st.sampled_from("ab=[]:;%()s\n \"'\\#program,1é\0{}<&"), max_size=60))
def test_any_text(text: str) -> None:
    """Any text under any name is read or is a fault."""
    pytest.importorskip("yaml")
    for name in ("Procfile", "x.conf", "x.yaml", "x.json", "x.toml"):
        _read(name, text)
    _read("x.conf", f"[program:a]\n{text}")


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "9" * 5000, "1e999", "-0", "1e5"])
@pytest.mark.parametrize("key", ["instances", "max_restarts", "kill_timeout", "max_memory_restart"])
def test_any_number(number: str, key: str) -> None:
    """Numbers of any length are used or are a fault."""
    own = {"max_memory_restart": "max-memory"}.get(key, key)
    for name in (own, "port", "env.A", "stop-exit-codes", "cron"):
        _read("monit.toml", f"[apps.a]\nrun = 'sleep 1'\n{name} = {number}\n")
    _read("ecosystem.json", f'[{{"script": "sleep", "{key}": {number}, "env": {{"A": {number}}}}}]')
