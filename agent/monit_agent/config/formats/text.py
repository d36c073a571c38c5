"""Reading a config file as text."""

from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place
from monit_agent.system.files.ownership import why_root_refuses

FILE_MAX_BYTES = 1024 * 1024
"""Larger is no config file: a thousand apps with twenty keys each have 400 kB."""


def read_config_text(path: str, place: Place | None = None, *, any_bytes: bool = False) -> str:
    """Return the text of the file at ``path``; ``place`` is where it is named. ``any_bytes``: the
    format is not UTF-8 by definition, and bytes that are not come as ``os.fsdecode`` returns them.

    Raise `ConfigFaultsError` when it cannot be read.
    """
    place = place or Place(path)
    what = "" if place.path == path else f"{path}: "
    try:
        with open(path, "rb") as file:
            refused = why_root_refuses(path, file.fileno())
            if refused is not None:
                raise _fault(place, f"{what}{refused}")
            raw = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise _fault(place, f"{what}{error.strerror or error}") from error
    if len(raw) > FILE_MAX_BYTES:
        raise _fault(place, f"{what}the file has more than {FILE_MAX_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig", "surrogateescape" if any_bytes else "strict")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        why = (
            f"not UTF-8 text (byte 0x{byte:02x}); save the file as UTF-8. A value with this very "
            f"byte has the character U+10FE{byte:02X} for it"
        )
        raise _fault(Place(path, line), why) from error


def _fault(place: Place, text: str) -> ConfigFaultsError:
    return ConfigFaultsError([Fault(place, text)])
