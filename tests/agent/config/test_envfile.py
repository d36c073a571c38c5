"""Files of variables are read as people write them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.config.envfile import read_env_file
from monit_agent.config.errors import BadInputError
from monit_agent.system.files.envfile import BadEnvFileError, parse_env_file

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), max_size=30)


def test_the_usual_forms() -> None:
    """Comments, export, quotes and blanks mean what they do in other tools."""
    text = """
    # the database
    DB=postgres://u:p@h/db#frag   # where
    export TOKEN='a # b'
    GREETING="say \\"hi\\"\\n"  # twice
    EMPTY=
    SPACED = two words
    HOME_OF=$HOME
    """
    assert parse_env_file(text) == {
        "DB": "postgres://u:p@h/db#frag",
        "TOKEN": "a # b",
        "GREETING": 'say "hi"\n',
        "EMPTY": "",
        "SPACED": "two words",
        "HOME_OF": "$HOME",
    }


@given(PLAIN)
def test_what_is_quoted_comes_back_as_it_was(value: str) -> None:
    """Any value without line ends survives double quotes with escapes."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_env_file(f'A="{quoted}"') == {"A": value}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    """No file makes the reader fail otherwise than with the file and the line."""
    try:
        parse_env_file(text)
    except BadEnvFileError as error:
        assert str(error).startswith("line ")  # noqa: PT017 — either way is right


@pytest.mark.parametrize("line", ["NOVALUE", "1A=b", "A B=c", 'A="open', "A='open"])
def test_a_wrong_line_is_named(line: str) -> None:
    """The error says in which line of which file the mistake is."""
    with pytest.raises(BadEnvFileError, match=r"^line 2: "):
        parse_env_file(f"OK=1\n{line}\n")


def test_a_file_that_cannot_be_read_names_the_option(tmp_path: Path) -> None:
    """A missing file and a folder are refused, naming ``--env-file``."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadInputError, match="--env-file"):
            read_env_file(str(path))
