"""What keys are called."""

import string

from textual.keys import _character_to_key

from monit_tui.keys.names import character_key


def test_characters_are_called_as_textual_calls_them() -> None:
    """Names are computed without Textual, and are the names that its key events have."""
    for char in string.ascii_letters + string.digits + string.punctuation:
        assert character_key(char) == _character_to_key(char)
