"""`OTEL_RESOURCE_ATTRIBUTES` of a worker."""

import os
import tempfile
import uuid
from pathlib import Path
from urllib.parse import unquote

import pytest

from monit_agent.keeper.workers.environment import without_worker_variables
from monit_agent.keeper.workers.telemetry_env import (
    ADDED,
    ATTRIBUTES,
    add_service,
    revision_for_worker,
)
from monit_agent.supervise.spec import AppSpec
from monit_agent.system.service_identity import service_instance_id
from monit_agent.system.users import run_as


def _spec(folder: Path, **facts: object) -> AppSpec:
    spec = AppSpec(name="web", script="a.py", argv=("a.py",), cwd=str(folder), user="me")
    return spec._replace(**facts)  # pyright: ignore[reportArgumentType]


def _attributes(env: dict[bytes, bytes]) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in env[ATTRIBUTES].decode().split(","))
    return {name: unquote(value) for name, value in pairs}


def test_the_service_is_added(tmp_path: Path) -> None:
    """Name, namespace, version and an id of its own; the revision where it is known."""
    env: dict[bytes, bytes] = {}
    add_service(env, "/home", _spec(tmp_path, version="1.2", namespace="ünï, x=1"), 3, "abc")
    assert _attributes(env) == {
        "service.name": "web",
        "service.namespace": "ünï, x=1",
        "service.instance.id": service_instance_id("/home", "web", 3),
        "service.version": "1.2",
        "vcs.ref.head.revision": "abc",
    }


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    """Key by key, byte by byte; and what was added is taken off again."""
    mine = b"service.name=shop,team=a%2Cb,broken,"
    env = {ATTRIBUTES: mine, b"A": b"1"}
    add_service(env, "/home", _spec(tmp_path), 0, None)
    assert env[ATTRIBUTES].startswith(b"service.name=shop,team=a%2Cb,broken,service.namespace=")
    assert without_worker_variables(env) == {ATTRIBUTES: mine.rstrip(b","), b"A": b"1"}
    env = {b"OTEL_SERVICE_NAME": b"shop"}
    add_service(env, "/home", _spec(tmp_path), 0, None)
    assert b"service.name=" not in env[ATTRIBUTES]
    assert without_worker_variables(env) == {b"OTEL_SERVICE_NAME": b"shop"}
    assert ADDED not in without_worker_variables({ADDED: b"x"})


def test_the_id_is_a_uuid_of_names() -> None:
    """Version 5, as OpenTelemetry's conventions ask for."""
    one, other = (service_instance_id("/home", "web", number) for number in (0, 1))
    assert one != other
    assert uuid.UUID(one).version == 5
    assert one == service_instance_id("/home/../home", "web", 0)
    space = uuid.UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320")
    machine = Path("/etc/machine-id")
    if machine.exists():
        name = "\0".join((machine.read_text().strip(), "/home", "web", "0"))
        assert one == str(uuid.uuid5(space, name))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_user_learns_nothing_that_only_root_can_read() -> None:
    """A revision is read with the rights of the worker's user, and no descriptor of root's is."""
    nobody = run_as("65534", "65534")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as private:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / "REVISION").write_text("abc")
        assert revision_for_worker(_spec(folder), nobody) == "abc"
        (folder / "secret").write_text("secret")
        (folder / "secret").chmod(0o600)
        private.write(b"secret")
        private.flush()
        os.fchmod(private.fileno(), 0o644)
        for target in (folder / "secret", Path(f"/proc/self/fd/{private.fileno()}")):
            (folder / "REVISION").unlink()
            (folder / "REVISION").symlink_to(target)
            assert revision_for_worker(_spec(folder), nobody) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("above", [False, True], ids=["its folder", "a folder above"])
def test_root_reads_a_revision_with_the_rights_of_who_can_change_it(*, above: bool) -> None:
    """A program that leaves root's rights by itself learns nothing through a link in its folder."""
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        top.chmod(0o755)
        secret = top / "secret"
        secret.write_text("secret")
        secret.chmod(0o600)
        theirs = top / "theirs"
        folder = theirs / "app" if above else theirs
        folder.mkdir(parents=True)
        os.chown(theirs, 4321, 4321)
        (folder / "REVISION").symlink_to(secret)
        assert revision_for_worker(_spec(folder), None) is None
        os.chown(secret, 4321, 4321)
        assert revision_for_worker(_spec(folder), None) == "secret"
        theirs.chmod(0o700)
        assert revision_for_worker(_spec(folder), None) == "secret"
