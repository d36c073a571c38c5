"""JavaScript config files that compute their values, run by Node.

Node runs them without the right to start programs or to write files (its permission model), in a
session of its own, for 5 seconds. The result comes over a pipe of its own, so what the file prints
does no harm. As root no file is run that another user can change.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

from monit_agent.config.files.faults import ConfigFaultsError, Fault, Place, shown_path
from monit_agent.config.formats.documents import ValueDocument
from monit_agent.os_text import decode_texts

TIMEOUT_S = 5.0
"""A small file takes 0.2 s, most of it the start of Node; a busy machine and modules need more."""

RESULT_MAX_BYTES = 4 * 1024 * 1024

BAD_OPTION = 9
"""Node's exit code for an option that it does not know."""

RIGHTS = (
    ("--permission", "--allow-fs-read=*"),
    ("--experimental-permission", "--allow-fs-read=*"),
    (),
)
"""Options that take rights away: of Node 22.13 and later, of Node 20, and none before."""

SCRIPT = r"""
const fs = require('fs')
const [file, fd] = [process.argv[1], Number(process.argv[2])]
const lost = []
function plain(key, value) {
  const kind = typeof value
  if (kind === 'bigint') return String(value)
  const none = kind === 'function' || kind === 'symbol' ||
    (kind === 'number' && !Number.isFinite(value))
  if (none) lost.push(key)
  return none ? undefined : value
}
function send(value) {
  let bytes = Buffer.from(JSON.stringify(value))
  while (bytes.length) bytes = bytes.subarray(fs.writeSync(fd, bytes))
  process.exit(0)
}
import(require('url').pathToFileURL(file).href).then(async (module) => {
  let found = 'default' in module ? module.default : { ...module }
  if (typeof found === 'function') found = found()
  const text = JSON.stringify(await found, plain)
  send({ config: text === undefined ? null : JSON.parse(text), lost })
}).catch((error) => {
  const about = error && typeof error === 'object' ? error : { message: String(error) }
  send({ error: String(about.stack || about.message), code: about.code, what: about.permission })
})
"""


class ComputedValues(NamedTuple):
    """What a file evaluates to."""

    document: ValueDocument
    lost: list[str]
    """Keys whose values are functions or not finite, and therefore missing."""


def run_config(path: str, environ: Mapping[str, str], why: str) -> ComputedValues:
    """Return what the file at ``path`` exports; ``why`` is what needs Node in it.

    Raise `ConfigFaultsError` when it cannot be run or fails.
    """
    node = shutil.which("node", path=environ.get("PATH", os.defpath))
    if node is None:
        raise _fault(path, f"{why} needs node, which is not in PATH; or write only literals")
    _refuse_foreign(path)
    raw, code = b"", BAD_OPTION
    for rights in RIGHTS:
        if code == BAD_OPTION and not raw:
            raw, code = _run([node, *rights, "-e", SCRIPT, "--"], path, environ)
    if not raw:
        raise _fault(path, f"the file ended its process (code {code}) before it exported anything")
    answer: Any = json.loads(raw)
    if "error" in answer:
        raise _error_fault(path, answer)
    return ComputedValues(ValueDocument(path, decode_texts(answer["config"]), {}), answer["lost"])


def _refuse_foreign(path: str) -> None:
    """Refuse to run a file as root that another user can change."""
    if os.geteuid() != 0:
        return
    found = os.stat(path)
    if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = "belongs to another user" if found.st_uid else "can be changed by other users"
        raise _fault(
            path,
            f"the file {what}, and root does not run it; run monit as its owner (sudo -u), "
            f"or: chown root {shown_path(path)}; chmod go-w {shown_path(path)}",
        )


def _run(command: list[str], path: str, environ: Mapping[str, str]) -> tuple[bytes, int]:
    """Run Node and return what came over its pipe, and its exit code."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors, open(reading, "rb", buffering=0) as pipe:
        try:
            process = subprocess.Popen(
                [*command, path, str(writing)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=os.path.dirname(path),
                env=dict(environ),
                pass_fds=(writing,),
                start_new_session=True,
            )
        except OSError as error:
            raise _fault(path, f"{command[0]}: {error.strerror or error}") from error
        finally:
            os.close(writing)
        try:
            raw = _read(pipe, path)
        finally:
            _end(process)
        return raw, process.returncode


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process and its session if it is still there shortly after its pipe was closed."""
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(pipe: IO[bytes], path: str) -> bytes:
    end = time.monotonic() + TIMEOUT_S
    raw = b""
    while True:
        readable, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
        if not readable:
            raise _fault(path, f"the file did not finish within {TIMEOUT_S:g} s")
        part = os.read(pipe.fileno(), 65536)
        if not part:
            return raw
        raw += part
        if len(raw) > RESULT_MAX_BYTES:
            raise _fault(path, f"the file exports more than {RESULT_MAX_BYTES} bytes")


def _error_fault(path: str, answer: dict[str, Any]) -> ConfigFaultsError:
    """Return the error of the file with its line, and what can be done."""
    text = str(answer["error"])
    found = re.search(rf"{re.escape(path)}:([0-9]+)", text)
    first = next(
        (line.strip() for line in text.splitlines() if re.match(r"\s*\w*Error", line)), text
    )
    first = first.splitlines()[0] if first else text
    if answer.get("code") == "ERR_ACCESS_DENIED":
        first = (
            f"the file uses a right that it does not have here ({answer.get('what')}): config "
            "files cannot start programs or write files; take the value from the environment"
        )
    elif answer.get("code") in ("MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"):
        first += f"; run npm install in {os.path.dirname(path)}"
    return ConfigFaultsError([Fault(Place(path, int(found[1]) if found else None), first)])


def _fault(path: str, text: str) -> ConfigFaultsError:
    return ConfigFaultsError([Fault(Place(path), text)])
