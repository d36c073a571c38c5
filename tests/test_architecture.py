"""The house rules that a machine can hold: rooms, arrows, sizes, borders."""

import ast
import subprocess
import sys
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "agent" / "monit_agent", ROOT / "tui" / "monit_tui")
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
TESTS = sorted(
    path
    for path in (ROOT / "tests").rglob("*.py")
    if not {"programs", "node_modules"} & set(path.relative_to(ROOT).parts)
)

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 50
MAX_METHODS = 15
MAX_NESTING = 3

LARGER_WITH_A_REASON: dict[str, str] = {
    "wire/messages.py": "the whole vocabulary on one page, declarations only",
    "supervise/machine.py": "one slot's life: the table and its handlers are read together",
}
"""Files that may exceed `MAX_FILE_LINES`."""

WIDER_WITH_A_REASON: dict[str, str] = {
    "keeper/keeper.py": "ties all parts of the keeper together, a few lines for each",
    "keeper/commands.py": "a method for each command of keeper.sock",
    "keeper/workers/workers.py": "a worker's life: started or adopted, signalled, stopped, gone",
    "keeper/ports/ports.py": "a worker's ports from its birth to its adoption by the next keeper",
    "keeper/control.py": "one socket's life: clients, lines, answers, and the next version",
    "replay/app.py": "the effects of decisions, a few lines for each, and what an agent publishes",
    "keeper/logs/file.py": "a file and its index: opened, written, rotated, truncated by others",
    "keeper/logs/logs.py": "a stream's life, and what is announced and kept of it",
    "keeper/logs/pipe.py": "a pipe: opened, moved, full, its file exchanged",
    "client/live/live_source.py": "the seven methods of a source, and the life of each app in it",
    "client/public/sync_client.py": "a method for each request of a program",
    "client/public/async_client.py": "the same",
    "client/hosts/host_source.py": "the seven methods of a source, and the life of its line",
    "agent/agent.py": "connects all parts of the agent, a few lines for each",
    "agent/logs/segments.py": "one moment of a stream: opened, looked up, read",
    "keeper/agent/process.py": "one life: requested, started, greeted, gone, each a short step",
}
"""Files in which one class may exceed `MAX_METHODS`."""

BROAD_EXCEPT_BORDERS: dict[str, str] = {
    "keeper/startup.py": "top level of the keeper: written down, then raised",
    "keeper/upgrade/takeover.py": "top level of a keeper that takes over",
    "keeper/workers/spawn.py": "a forked child, which must never return into the keeper",
    "keeper/workers/lookups.py": "a forked child, whose error the keeper notes",
    "system/jsonline.py": "private functions of Python, tried at import",
    "system/kernel_calls.py": "the same",
    "system/sockets.py": "the same",
    "keeper/loop.py": "one callback: a worker, a stream, a client",
    "keeper/control.py": "one client's request",
    "demo/bakery.py": "one request of the demo app, logged as web apps do",
    "agent/zygote.py": "top level of the zygote",
    "probe/inject/_monit_ports.py": "each call out of somebody else's program",
    "probe/inject/_monit_connection_close.py": "one look of somebody else's server at an attribute",
    "agent/event_loop.py": "one line of a connection",
    "client/public/async_client.py": "the thread of a client, whose error answers its requests",
    "agent/agent_loop.py": "one callback of an agent that shares its process",
    "agent/shared_process.py": "one agent of several",
    "agent/keeper/link.py": "one connection to the keeper",
    "agent/serve/router.py": "one request of one client",
    "agent/restarts/file_watch.py": "the thread that watches one folder",
    "probe/inject/_monit_probe/basics.py": "between the probe and the program around it",
    "probe/inject/_monit_probe/actions.py": "each call of an action, whose error is its answer",
    "probe/inject/monit_probe.py": "each call of what a program gave us to call",
    "probe/inject/sitecustomize.py": "the same, while the program starts",
}
"""Files in which one broad ``except`` stands at a border, and which border it is."""


STAND_ALONE = {"probe", "demo"}
"""Rooms that run inside other programs, or apart from monit."""

RECORDS_OF_BOTH = {
    "Checks",
    "Exit",
    "Increment",
    "LogSettings",
    "Replacement",
    "RestartPolicy",
    "Rollout",
}
"""Records that `supervise` keeps and `wire` sends; a test compares their fields."""


def _name(path: Path) -> str:
    return (
        "/".join(path.parts[path.parts.index("monit_agent") + 1 :])
        if ("monit_agent" in path.parts)
        else "tui/" + "/".join(path.parts[path.parts.index("monit_tui") + 1 :])
    )


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring: explaining must cost nothing."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    doc = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - doc


BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)


def _nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST) or isinstance(child, ast.FunctionDef):
                continue
            elif_branch = name == "orelse" and isinstance(child, ast.If) and len(children) == 1
            inner = depth + (isinstance(child, BLOCKS) and not elif_branch)
            deepest = max(deepest, _nesting(child, inner))
    return deepest


def test_the_arrows_between_the_rooms_hold() -> None:
    """No room imports one that it must not know (the contracts stand in pyproject.toml)."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=_name)
def test_package_inits_import_nothing(path: Path) -> None:
    """Importing a room costs only what is asked of it: its ``__init__`` imports nothing."""
    imports = [n for n in _tree(path).body if isinstance(n, ast.Import | ast.ImportFrom)]

    assert imports == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_sizes_stay_readable(path: Path) -> None:
    """Files, functions, nesting and classes stay small enough to be read in one go."""
    tree = _tree(path)
    lines = len(path.read_text(encoding="utf-8").splitlines())
    too_long = [f"{f.name}: {_length(f)} lines" for f in _functions(tree)
                if _length(f) > MAX_FUNCTION_LINES]  # fmt: skip
    too_deep = [f"{f.name}: nested {_nesting(f)} deep" for f in _functions(tree)
                if _nesting(f) > MAX_NESTING]  # fmt: skip
    too_wide = [
        f"{c.name}: {methods} methods"
        for c in ast.walk(tree)
        if isinstance(c, ast.ClassDef)
        and (methods := sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
                            and not n.name.startswith(("action_", "on_", "watch_", "key_"))
                            for n in c.body)) > MAX_METHODS
    ]  # fmt: skip

    assert too_long + too_deep == []
    assert too_wide == [] or _name(path) in WIDER_WITH_A_REASON
    assert lines <= MAX_FILE_LINES or _name(path) in LARGER_WITH_A_REASON


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_broad_excepts_stand_only_at_borders(path: Path) -> None:
    """Errors are swallowed nowhere: a broad ``except`` stands only at a listed border."""
    broad = [
        handler.lineno
        for handler in ast.walk(_tree(path))
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"})
    ]

    assert len(broad) <= (1 if _name(path) in BROAD_EXCEPT_BORDERS else 0), broad


def test_the_keeper_imports_only_the_standard_library() -> None:
    """The process that may not fail loads nothing that is not shipped with Python."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import monit_agent.keeper.__main__;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT / "agent")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())

    assert "monit_agent" in loaded
    assert loaded - set(sys.stdlib_module_names) <= {"monit_agent", "__main__", "__mp_main__"}
    assert not loaded & {"asyncio", "subprocess", "dataclasses", "pathlib", "threading"}


def test_no_import_package_takes_an_apps_name() -> None:
    """Apps have their own ``agent.py`` and ``tui``: ours must never shadow or be shadowed."""
    assert not list((ROOT / "agent").glob("__init__.py")) + list((ROOT / "tui").glob("__init__.py"))
    assert [package.name for package in PACKAGES] == ["monit_agent", "monit_tui"]


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT / "tests")))
def test_tests_say_what_they_promise_and_wait_for_conditions(path: Path) -> None:
    """Each test has a sentence, and none sleeps in the hope that something has happened."""
    tree = _tree(path)
    mute = [f.name for f in _functions(tree)
            if f.name.startswith("test_") and not ast.get_docstring(f)]  # fmt: skip
    sleeps = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]

    assert mute == []
    assert sleeps == [] or path.name == "waiting.py", sleeps


def test_nothing_names_a_machine() -> None:
    """What is shipped holds no path of the machine that it was made on."""
    listed = subprocess.run(
        ["git", "grep", "-nIE", r"/(work|root|home)/[a-z]+/", "--", ".", ":!tests", ":!*.lock"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert listed.stdout == ""


def test_class_names_are_unique() -> None:
    """A public class has a name that no other class has, so that one can search for it."""
    rooms: dict[str, list[str]] = {}
    for path in SOURCES:
        room = _name(path).partition("/")[0]
        if room not in STAND_ALONE:
            for node in ast.walk(_tree(path)):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    rooms.setdefault(node.name, []).append(room)
    twice = {name: found for name, found in rooms.items() if len(found) > 1}

    assert {name: found for name, found in twice.items() if name not in RECORDS_OF_BOTH} == {}
    assert {name: ["supervise", "wire"] for name in RECORDS_OF_BOTH} == {
        name: sorted(found) for name, found in twice.items()
    }


def _imports(path: Path, modules: Container[str]) -> set[str]:
    """Return the modules that ``path`` imports, also under TYPE_CHECKING and in functions."""
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{name.name}" for name in node.names}
            found |= {each if each in modules else node.module for each in full}
    return found


def test_no_modules_import_each_other() -> None:
    """There is no cycle of imports, also not under TYPE_CHECKING or in functions."""
    names = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for package in PACKAGES
        for path in package.rglob("*.py")
    }
    graph = {name: _imports(path, names) & names.keys() - {name} for name, path in names.items()}
    assert {name for name in graph if _reaches_itself(name, graph)} == set()


def _reaches_itself(name: str, graph: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    front = set(graph[name])
    while front:
        seen |= front
        front = {each for one in front for each in graph.get(one, ())} - seen
    return name in seen
