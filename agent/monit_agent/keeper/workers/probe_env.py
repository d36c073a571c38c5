"""The probe gets into workers through their environment.

Python ignores a folder of ``PYTHONPATH`` that is missing or unreadable. Node does not start at all
when it cannot read a file that ``NODE_OPTIONS`` names. So that is left out where the command shows
that Node may not be able to: behind a change of the root folder, in a sandbox, with Node's own
permissions, and as another user when the files are in a private home.
"""

import os

from monit_agent.keeper.workers import probe_files
from monit_agent.wire.paths import AppPaths, home_of

Env = dict[bytes, bytes]

_MARKS = (b"/cache/probe-", b"/monit/probe-")
"""What the folders of the probe's files have in their paths, of every version of monit."""
_REQUIRE = b" --require="
# the same words are in the other two languages; a test compares them
_SANDBOX_WORDS = (
    "chroot unshare nsenter bwrap firejail nsjail minijail0 proot fakechroot systemd-run "
    "systemd-nspawn machinectl flatpak flatpak-spawn snap docker podman nerdctl lxc-attach aa-exec "
    "--permission --experimental-permission"
)
_USER_CHANGE_WORDS = (
    "runuser setpriv su sudo doas pkexec gosu su-exec chpst setuidgid s6-setuidgid setuser "
    "start-stop-daemon capsh"
)
_SEPARATORS = str.maketrans(dict.fromkeys("\"'`;&|()<>={}", " "))
_SANDBOXES = frozenset(_SANDBOX_WORDS.split())
"""Words of a command after which Node may see other files or may read only some."""
_USER_CHANGES = frozenset(_USER_CHANGE_WORDS.split())
_LOAD_ERRORS = (b"MODULE_NOT_FOUND", b"ERR_ACCESS_DENIED", b"EACCES", b"EPERM")


def add_probe(
    env: Env,
    paths: AppPaths,
    argv: tuple[str, ...] = (),
    *,
    node: bool = True,
    node_ports: bool = False,
    other_user: bool = False,
) -> Env:
    """Return ``env`` with the variables that load the probe into Python and Node; unchanged when
    its files cannot be copied. With ``MONIT_PROBE=0`` a Python program can only import
    `monit_probe`, which then does nothing.

    ``argv`` is the command, ``node`` is False where Node could not load the probe, and
    ``other_user`` is whether it runs as another user than the keeper."""
    probed = env.get(b"MONIT_PROBE") != b"0"
    files = probe_files.install(home_of(paths.folder))
    if files is None:
        return env
    inject = os.fsencode(os.path.join(files.folder, "inject"))
    env = {**env, b"PYTHONPATH": b":".join(filter(None, (inject, env.get(b"PYTHONPATH"))))}
    names = [name for name, on in (("monit_probe", probed), ("monit_ports", node_ports)) if on]
    words = (*argv, os.fsdecode(env.get(b"NODE_OPTIONS", b"")))
    node = node and (files.for_every_user or not other_user)
    if names and node and node_can_read(words, for_every_user=files.for_every_user):
        preloads = (os.path.join(files.folder, "node", f"{name}.cjs") for name in names)
        required = map(_required, map(os.fsencode, preloads))
        env[b"NODE_OPTIONS"] = b"".join((env.get(b"NODE_OPTIONS", b""), *required))
    if probed:
        env[b"MONIT_PROBE_SOCK"] = os.fsencode(paths.probe)
        env[b"MONIT_PROBE_NODE_SOCK"] = os.fsencode(paths.node_probe)
        if paths.probe_requests:
            env[b"MONIT_PROBE_REQUESTS"] = os.fsencode(paths.probe_requests)
    return env


def node_can_read(parts: tuple[str, ...], *, for_every_user: bool) -> bool:
    """Return whether a Node that a command of these parts starts can read the probe's files, as
    far as they show it. Words inside a part count too: ``sh -c 'exec chroot …'``."""
    words = " ".join(parts).translate(_SEPARATORS).split()
    names = {os.path.basename(word) for word in words}
    return not names & _SANDBOXES and (for_every_user or not names & _USER_CHANGES)


def failed_to_load(printed: bytes) -> bool:
    """Return whether a program that exited with ``printed`` as its last words did so because Node
    could not load the probe."""
    named = any(mark in printed for mark in _MARKS) and b"/node/monit_" in printed
    return named and any(code in printed for code in _LOAD_ERRORS)


def remove_probe(env: Env) -> Env:
    """Return ``env`` as it was before `add_probe`, for any home and version of monit."""
    env = {**env}
    for name, separator in ((b"PYTHONPATH", b":"), (b"NODE_OPTIONS", _REQUIRE)):
        value = env.get(name)
        if value is None or not _is_marked(value):
            continue
        rest = separator.join(part for part in value.split(separator) if not _is_marked(part))
        if rest:
            env[name] = rest
        else:
            del env[name]
    return env


def _is_marked(value: bytes) -> bool:
    return any(mark in value for mark in _MARKS)


def _required(preload: bytes) -> bytes:
    escaped = preload.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'%s"%s"' % (_REQUIRE, escaped)
