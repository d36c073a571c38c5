"""Files that the screen saves: always a new one, for its user alone."""

import os
import time


def new_file(folder: str, name: str, ending: str, at: float | None = None) -> tuple[str, int]:
    """Create ``monit-NAME-TIME`` in ``folder``, with the time ``at`` or now; return its path and a
    descriptor for writing. Raise OSError when that is not possible."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(at))
    for attempt in range(100):
        suffix = f"-{attempt}" if attempt else ""
        path = os.path.join(folder, f"monit-{name}-{moment}{suffix}{ending}")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
    raise FileExistsError(f"{folder} already has a hundred files of this second")
