"""Commands that are shown can be copied into a shell."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monit_agent.client.text.shell import shell_words

SHELL = shutil.which("bash")


@pytest.mark.skipif(SHELL is None, reason="bash is not installed")
@given(st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\0", b"")), max_size=40))
@settings(max_examples=30)
def test_a_shell_reads_the_same_words(raw: list[bytes]) -> None:
    """Whatever the bytes of the arguments are, the shell makes the same of the text, which has no
    control character."""
    words = [each.decode("utf-8", "surrogateescape") for each in raw]
    text = shell_words(["printf", "%s\\0", *words])
    assert text.isprintable()
    done = subprocess.run([str(SHELL), "-c", text], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == (raw or [b""])


def test_plain_words_stay_plain() -> None:
    """What needs no quotes has none."""
    assert shell_words(["uvicorn", "main:app", "--port=80", "é", "a b"]) == (
        "uvicorn main:app --port=80 'é' 'a b'"
    )
