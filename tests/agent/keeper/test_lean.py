"""What the keeper does by itself to stay small does what the library does."""

import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.os_text import decode_texts, encode_texts
from monit_agent.supervise.spec import AppSpec, RestartPolicy, spec_from_json, spec_to_json
from monit_agent.system import jsonline

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_reads_as_the_library_does(value: typing.Any) -> None:
    """Both ways, whatever the value; texts are in the form of ``os_text.py``."""
    assert decode_texts(json.loads(jsonline.dump(value))) == value
    assert jsonline.load(json.dumps(encode_texts(value), indent=1).encode()) == value


@given(st.binary())
def test_no_bytes_make_it_fail_otherwise_than_by_value_error(raw: bytes) -> None:
    """What is no JSON raises the library's error: a client can send anything."""
    try:
        expected = json.loads(raw.decode("utf-8"))
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            jsonline.load(raw)
    else:
        assert repr(jsonline.load(raw)) == repr(expected)


BROKEN = [b"", b"{", b"[1,", b'{"a"', b'{"a":}', b'"\\x"', b"[1 2]", b"nul", b"1 1", b"{1: 2}"]


@pytest.mark.parametrize("raw", BROKEN)
def test_broken_json_is_a_value_error_also_without_the_library(raw: bytes) -> None:
    """In a process that never loaded `json`, as the keeper: its C code is another there."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from monit_agent.system import jsonline\n"
        "try: jsonline.load(bytes.fromhex(sys.argv[2]))\n"
        "except ValueError: raise SystemExit(0)\n"
        "raise SystemExit(1)"
    )
    package = str(Path(jsonline.__file__).parents[2])
    assert (
        subprocess.run([sys.executable, "-I", "-S", "-c", code, package, raw.hex()]).returncode == 0
    )


def test_named_tuples_have_the_fields_and_defaults_that_the_checker_sees() -> None:
    """The stand-in for `typing.NamedTuple` gives what the annotations say."""
    assert AppSpec._fields[:5] == ("name", "script", "argv", "cwd", "user")
    assert RestartPolicy().min_uptime_s == 1.0
    assert set(AppSpec._field_defaults) == set(AppSpec._fields[5:])
    with pytest.raises(TypeError):
        AppSpec("only a name")  # pyright: ignore[reportCallIssue]


def test_a_spec_survives_json() -> None:
    """As it goes over the pipe to the keeper and into `state.json`."""
    spec = AppSpec(
        "web", "w.py", ("python", "w.py"), "/", "me", policy=RestartPolicy(stop_exit_codes=(0, 3))
    )
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


def test_the_keeper_imports_nothing_dear() -> None:
    """Neither third parties nor what of the standard library costs a megabyte."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import monit_agent.keeper.startup\nprint(*sys.modules)"
    )
    package = str(Path(jsonline.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, package], capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "monit_agent.keeper.keeper" in loaded
    dear = {"zmq", "psutil", "msgspec", "asyncio", "subprocess", "pathlib", "dataclasses", "random"}
    assert not loaded & dear
    if sys.version_info < (3, 14):
        assert not loaded & {"re", "typing", "json", "socket", "ctypes"}
