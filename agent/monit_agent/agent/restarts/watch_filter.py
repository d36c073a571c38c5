"""Which files are a reason to restart, for ``--watch``.

Not a reason is what programs write by themselves (`DEFAULTS`), what ``.gitignore`` files name, and
what ``--ignore-watch`` names; in the syntax of ``.gitignore``, so ``!data.json`` is a reason again.
"""

import os
from collections.abc import Iterable

from pathspec import GitIgnoreSpec

from monit_agent.agent.journal import log

DEFAULTS = """
# hidden: version control, .venv, .env, caches
.*
CVS/
__pycache__/
*.py[cod]
htmlcov/
# dependencies
node_modules/
bower_components/
venv/
env/bin/
env/lib/
site-packages/
*.egg-info/
# logs
*.log
*.log.*
*.log-*
nohup.out
# databases and their journals
*.db
*.db3
*.sqlite
*.sqlite3
*.*-journal
*-wal
*-shm
*.wal
etilqs_*
*.duckdb
*.mdb
*.ldb
*.sst
*.rdb
*.aof
appendonlydir/
*.realm
celerybeat-schedule*
# pid files, sockets, locks
*.pid
*.sock
*.socket
*.lock
*.lck
# temporary files, and those of editors (4913 is Vim's)
tmp/
temp/
*.tmp
*.temp
*.part
*.bak
*.orig
*.swp
*.swo
*.swx
*~
*#
4913
# dumps and profiles
core.[0-9]*
*.core
*.prof
*.cpuprofile
*.heapprofile
*.heapsnapshot
*.hprof
"""
"""What programs write by themselves."""

SQLITE_MAGIC = b"SQLite format 3\0"
SQLITE_ENDINGS = ("-journal", "-wal", "-shm")
"""What SQLite adds to a database's name for the files beside it."""

FOLDERS_MAX = 4
"""Folders of an app that are watched one by one, each with one of the user's 128 instances of
inotify; where there are more, the folder that holds them all is watched."""

RULES_BYTES = 1 << 20
"""A larger ``.gitignore`` is not read."""

_Identity = tuple[int, int] | None


class WatchFilter:
    """The rules for the app in ``folder``, which runs ``argv``; ``home`` is MONIT_HOME."""

    def __init__(
        self, folder: str, home: str, ignored: Iterable[str] = (), argv: Iterable[str] = ()
    ) -> None:
        self._folder = folder
        self._home = os.path.realpath(home)
        self._defaults = GitIgnoreSpec.from_lines(DEFAULTS.splitlines())
        self._explicit = _spec_of(_relative(each, folder) for each in ignored)
        self._argv = tuple(argv)
        self._read: dict[str, tuple[_Identity, GitIgnoreSpec | None]] = {}
        """The rules of each folder's ``.gitignore``, with its time and size."""

    def matters(self, path: str, root: str | None = None) -> bool:
        """Return whether a change of the file ``path`` is a reason, below ``root`` if that is
        watched instead of the folder."""
        root = root or self._folder
        relative = _below(path, root)
        if relative is None:
            return False
        explicit = _verdict(self._explicit, _below(path, self._folder) or relative)
        if explicit is not None:
            return not explicit
        if _verdict(self._defaults, relative) or self._is_in_home(path) or _is_database(path):
            return False
        return not self._is_ignored_by_git(root, relative) or self._git_does_not_count(root)

    def is_left_out(self, path: str) -> bool:
        """Return whether ``--ignore-watch`` names a file."""
        relative = _below(path, self._folder)
        return relative is not None and _verdict(self._explicit, relative) is True

    def _is_in_home(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._home or real.startswith(self._home + os.sep)

    def _git_does_not_count(self, root: str) -> bool:
        """Return whether git ignores what the app runs, as with ``node dist/server.js``, or the
        folder that was named to be watched.

        Then ``.gitignore`` says nothing about what a restart is for, and does not apply.
        """
        if root != self._folder:
            parent, name = os.path.split(root)
            if self._is_ignored_by_git(parent, name + os.sep):
                return True
        for word in self._argv:
            path = os.path.normpath(os.path.join(self._folder, word))
            if path.startswith(self._folder + os.sep) and os.path.isfile(path):
                return self._is_ignored_by_git(self._folder, os.path.relpath(path, self._folder))
        return False

    def _is_ignored_by_git(self, root: str, relative: str) -> bool:
        """Return the verdict of the ``.gitignore`` nearest to the file that has one.

        Those above the folder count up to the top of the repository.
        """
        path = os.path.join(os.path.realpath(root), relative)
        parent = os.path.dirname(path.rstrip(os.sep))
        while True:
            verdict = _verdict(self._rules(parent), path[len(parent.rstrip(os.sep)) + 1 :])
            if verdict is not None:
                return verdict
            above = os.path.dirname(parent)
            if above == parent or os.path.lexists(os.path.join(parent, ".git")):
                return False
            parent = above

    def _rules(self, folder: str) -> GitIgnoreSpec | None:
        path = os.path.join(folder, ".gitignore")
        identity = _identity(path)
        known = self._read.get(folder)
        if known is None or known[0] != identity:
            rules = _read_rules(path) if identity else None
            known = self._read[folder] = (identity, rules)
        return known[1]


class NamedPaths:
    """What is watched: all that matters below folders, and files whatever their names are."""

    def __init__(self, paths: Iterable[str], rules: WatchFilter) -> None:
        self._paths = tuple(paths)
        self._rules = rules

    def matters(self, path: str) -> bool:
        """Return whether a change of the file ``path`` is a reason to restart."""
        if path in self._paths and not os.path.isdir(path):
            return not self._rules.is_left_out(path)
        return any(self._rules.matters(path, named) for named in self._paths)


def watched_folders(paths: Iterable[str]) -> list[str]:
    """Return the folders in which changes of all these paths are noticed.

    A file is watched by its folder: editors put another file in its place. So is what does not
    exist yet.
    """
    folders = {path if os.path.isdir(path) else os.path.dirname(path) for path in paths}
    outer = [each for each in sorted(folders) if not any(_below(each, o) for o in folders)]
    return outer if len(outer) <= FOLDERS_MAX else [os.path.commonpath(outer)]


def _below(path: str, folder: str) -> str | None:
    """Return the path from a folder to what is in it; None where it is not in it."""
    relative = os.path.relpath(path, folder)
    outside = relative in (os.curdir, os.pardir) or relative.startswith(os.pardir + os.sep)
    return None if outside else relative


def _verdict(spec: GitIgnoreSpec | None, relative: str) -> bool | None:
    """Return whether ``spec`` ignores the file; None when it names it neither way."""
    return spec.check_file(relative).include if spec else None


def _is_database(path: str) -> bool:
    """Return whether the file is SQLite's, whatever its name is."""
    for ending in SQLITE_ENDINGS:
        path = path.removesuffix(ending)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:  # a folder
        return False
    finally:
        os.close(descriptor)


def _identity(path: str) -> _Identity:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _read_rules(path: str) -> GitIgnoreSpec | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return _spec_of(file.read(RULES_BYTES).splitlines())
    except OSError as error:
        log(f"cannot read {path}: {error.strerror}")
        return None


def _spec_of(lines: Iterable[str]) -> GitIgnoreSpec:
    """Return the rules in ``lines``; git skips a line that is no pattern, and so does this."""
    good: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        good.append(line)
    return GitIgnoreSpec.from_lines(good)


def _relative(pattern: str, folder: str) -> str:
    """Return a pattern of ``--ignore-watch`` relative to the folder: ``./data`` is ``/data``."""
    negated = "!" if pattern.startswith("!") else ""
    rest = pattern.removeprefix("!")
    if rest.startswith(folder + os.sep):
        rest = rest.removeprefix(folder)
    elif rest.startswith("./"):
        rest = rest.removeprefix(".")
    return negated + rest
