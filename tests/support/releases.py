"""Other releases of monit: copies of its package with another version, and wheels of older ones."""

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import monit_agent
from monit_agent.system.installation import Installation
from monit_agent.wire.limits import PROTOCOL_VERSION

SOURCE = Path(monit_agent.__file__).parent
ROOT = Path(__file__).parents[2]


def release(
    folder: Path, version: str, *changes: tuple[str, str, str], python: str | None = None
) -> Installation:
    """Copy the package to ``folder`` as release ``version``; ``changes`` are file, old text and new
    text. With its bytecode, as an installer compiles it."""
    package = folder / "monit_agent"
    shutil.copytree(SOURCE, package)
    for file, old, new in (("__init__.py", monit_agent.__version__, version), *changes):
        _change(package / file, old, new)
    return Installation(python or sys.executable, str(package))


def older_wheel(folder: Path, version: str, protocol: int) -> Path:
    """Build a wheel of the sources as an older release, install it in an environment of its own,
    and return the folder of its commands. What it needs is that of the tests."""
    source = folder / "source"
    for name in ("agent", "tui", "docs/man"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    page = (ROOT / "pyproject.toml").read_text()
    is_now = f'version = "{monit_agent.__version__}"'
    assert page.count(is_now) == 1
    (source / "pyproject.toml").write_text(page.replace(is_now, f'version = "{version}"'))
    package = source / "agent" / "monit_agent"
    _change(package / "__init__.py", monit_agent.__version__, version)
    set_protocol(package, PROTOCOL_VERSION, protocol)
    words = ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run([sys.executable, *words], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob(f"*-{version}-*.whl")
    return _installed(wheel, folder / "venv")


def set_protocol(package: Path, before: int, after: int) -> None:
    """Let a copy of the package speak another version of the protocol."""
    name = "PROTOCOL_VERSION"
    _change(package / "wire" / "limits.py", f"{name} = {before}\n", f"{name} = {after}\n")


def _installed(wheel: Path, environment: Path) -> Path:
    """Install a wheel; return the folder of the commands."""
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(packages)
    needed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "needed.pth").write_text("\n".join(needed) + "\n")
    command = environment / "bin" / "monit"
    command.write_text(
        f"#!{environment}/bin/python\nimport sys\nfrom monit_agent.cli import main\n"
        "sys.exit(main())\n"
    )
    command.chmod(0o755)
    return command.parent


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} does not have {old!r}"
    path.write_text(text.replace(old, new))
