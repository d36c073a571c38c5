"""What a command runs in the end, and whether its workers share their ports."""

import shlex
from pathlib import Path

import pytest

from monit_agent.config.errors import BadInputError
from monit_agent.config.ports import Sharing, sharing_mode
from monit_agent.config.runtime import Places, find_runtime

FILES = {
    "bin/uvicorn": "#!/srv/venv/bin/python3.12\n",
    "bin/next": "#!/usr/bin/env node\n",
    "bin/server": "\x7fELF",
    "run.sh": "#!/bin/bash\nset -e\nnode build.js\nexec uvicorn app:app --port $PORT\n",
    "serve.sh": 'cd /srv # then python\nexec node server.js "$@"\n',
    "tool": "#!/usr/bin/env -S python3 -u\n",
    "sealed": "#!/usr/bin/python3 -sE\n",
    "loop.sh": "#!/bin/sh\nexec ./loop.sh\n",
    "broken.sh": "#!/bin/sh\necho 'it\nexec bin/server\n",
}


@pytest.fixture(name="places")
def _places(tmp_path: Path) -> Places:
    (tmp_path / "bin").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "npm-cli.js").write_text("#!/usr/bin/env node\n")
    (tmp_path / "mynpm").symlink_to(tmp_path / "npm-cli.js")
    return Places(path=str(tmp_path / "bin"), cwd=str(tmp_path))


@pytest.mark.parametrize(
    ("command", "runtime"),
    [
        ("python3.11 app.py", "python"),
        ("python3 -u -X dev -W error -P app.py -I", "python"),
        ("python3 -m app -S", "python"),
        ("python3 -I app.py", ""),
        ("python3 -X dev -uE -m app", ""),
        ("python3 -S app.py", ""),
        ("./sealed", ""),
        ("pipx run serve", ""),
        ("/usr/bin/node app.js", "node"),
        ("uvicorn app:app", "python"),
        ("./tool", "python"),
        ("next start", "node"),
        ("./run.sh", "python"),
        ("bash run.sh", "python"),
        ("sh -e serve.sh", "node"),
        ("sh -c 'exec node server.js'", "node"),
        ("bash -lc 'cd /srv && uvicorn app:app'", "python"),
        ("env A=1 nice -n 5 node server.js", "node"),
        ("timeout -k 5 10 uvicorn app:app", "python"),
        ("runuser -u nobody -- node server.js", "node"),
        ("su nobody -s /bin/sh -c 'exec uvicorn app:app'", "python"),
        ("uv run granian app:app", "python"),
        ("poetry run serve", "python"),
        ("npm start", "node runner"),
        ("./mynpm start", "node runner"),
        ("sh -c 'npm run build; npm start'", "node runner"),
        ("bin/server", ""),
        ("env bin/server", ""),
        ("redis-server", ""),
        ("./loop.sh", ""),
        ("./broken.sh", ""),
        ("./missing", ""),
        ("env", ""),
    ],
)
def test_a_command_is_followed_to_the_program_that_binds(
    command: str, runtime: str, places: Places
) -> None:
    """Through prefixes, shells, scripts and interpreter lines; what is unknown has no runtime."""
    assert find_runtime(shlex.split(command), places) == runtime


SHARING = Sharing(runtime="node", instances=1, port=None)


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ({}, "fork"),
        ({"port": 80}, "cluster"),
        ({"instances": 2}, "cluster"),
        ({"instances": 2, "runtime": "python"}, "cluster"),
        ({"instances": 2, "runtime": ""}, "fork"),
        ({"instances": 2, "port": 80, "chosen": "fork"}, "fork"),
        ({"instances": 2, "port": 80, "counts": True}, "fork"),
        ({"instances": 2, "port": 80, "runtime": "", "chosen": "fork"}, "fork"),
        ({"runtime": "", "listen": (":80",)}, "cluster"),
        ({"chosen": "cluster"}, "cluster"),
        ({"instances": 2, "port": 80, "runtime": "node runner"}, "cluster"),
    ],
)
def test_workers_share_their_ports_where_they_can(change: dict[str, object], mode: str) -> None:
    """By the program and its ports, unless the user chose a mode."""
    assert sharing_mode(SHARING._replace(**change)) == mode


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"instances": 2, "port": 80, "runtime": ""}, "--listen 80 .*--increment-var PORT "),
        ({"chosen": "cluster", "runtime": ""}, "--listen PORT"),
        ({"chosen": "cluster", "counts": True}, "not both"),
        ({"chosen": "fork", "listen": (":80",)}, "leave out --listen"),
    ],
)
def test_what_cannot_share_is_refused_with_the_ways_out(
    change: dict[str, object], advice: str
) -> None:
    """Two instances that would open one port never start."""
    with pytest.raises(BadInputError, match=advice):
        sharing_mode(SHARING._replace(**change))
