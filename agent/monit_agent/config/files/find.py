"""Which config file a folder has. Nothing is read but pyproject.toml."""

import os

PM2_EXTENSIONS = ("js", "cjs", "mjs", "json", "yaml", "yml")

FOUND_BY_ITSELF = (
    "monit.toml",
    "pyproject.toml",
    *(f"ecosystem.config.{extension}" for extension in PM2_EXTENSIONS),
    *(f"pm2.config.{extension}" for extension in PM2_EXTENSIONS),
    "ecosystem.json",
    "Procfile",
)
"""Names of the config files that are found without being named."""


def find_config(folder: str) -> tuple[str | None, list[str]]:
    """Return the config file of a folder, and those that it hides, in the order of preference."""
    found = [path for name in FOUND_BY_ITSELF if _is_config(path := os.path.join(folder, name))]
    return (found[0] if found else None, found[1:])


def _is_config(path: str) -> bool:
    """Return whether the file exists; a pyproject.toml counts when it has [tool.monit]."""
    if not os.path.isfile(path):
        return False
    if os.path.basename(path) != "pyproject.toml":
        return True
    try:
        with open(path, "rb") as file:
            return b"tool.monit" in file.read()
    except OSError:
        return False
