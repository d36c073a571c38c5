"""The priority of a line in the journal: by its level, else by its stream.

`logtext/levels.py` finds more levels, and brings `re`, which costs the keeper 0.4 MB.
"""

_WORDS = {
    b"EMERG": 0, b"ALERT": 1,
    **dict.fromkeys((b"FATAL", b"CRITICAL", b"CRIT", b"PANIC"), 2),
    **dict.fromkeys((b"ERROR", b"ERR", b"SEVERE"), 3),
    **dict.fromkeys((b"WARNING", b"WARN"), 4),
    b"NOTICE": 5, b"INFO": 6,
    **dict.fromkeys((b"DEBUG", b"TRACE", b"VERBOSE"), 7),
}  # fmt: skip
_FIELDS = (b"level", b"lvl", b"severity", b"levelname", b"loglevel")
_PINO = ((60, 2), (50, 3), (40, 4), (30, 6), (10, 7))
"""Numbers from 10 on, as pino and bunyan write them."""

_OUT, _ERR = 6, 3
"""info, and error as Docker's driver for the journal has it."""

_BYTES = 200
_WORDS_SEEN = 16
"""A level stands near the beginning of a line."""

_SPACES = bytes(b if chr(b).isalnum() and b < 128 else 32 for b in range(256))


def priority_of(line: bytes, *, is_err: bool) -> tuple[int, bytes]:
    """Return the priority of syslog(3), and the line without the prefix ``<N>`` that names it."""
    if line[:1] == b"<" and line[2:3] == b">" and line[1:2] in b"01234567":
        return line[1] - 48, line[3:]
    words = line[:_BYTES].translate(_SPACES).split()[:_WORDS_SEEN]
    for word, following in zip(words, [*words[1:], b""], strict=False):
        found = _WORDS.get(word)
        if found is None and word.lower() in _FIELDS:
            found = _of_field(following)
        if found is not None:
            return found, line
    return (_ERR if is_err else _OUT), line


def _of_field(value: bytes) -> int | None:
    if value.isdigit() and len(value) < 4:
        number = int(value)
        if number < 8:
            return number
        return next((priority for least, priority in _PINO if number >= least), None)
    return _WORDS.get(value.upper())
