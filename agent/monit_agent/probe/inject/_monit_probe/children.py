# pyright: basic
"""Takes the Node probe out of the environment of children that may not be able to read its files.

``NODE_OPTIONS`` is inherited, and Node does not start when it cannot read a file that it names. So
what this program starts behind a change of the root folder, in a sandbox, with Node's own
permissions, or as another user when the files are private, gets ``NODE_OPTIONS`` as the user set
it. Only what is started by `subprocess`. Python itself ignores what it cannot read.
"""

import os

from _monit_probe.basics import quiet

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
_SEPARATORS = str.maketrans(dict.fromkeys("\\\"'`;&|()<>={}", " "))
SANDBOXES = frozenset(_SANDBOX_WORDS.split())
"""Words of a command after which Node may see other files or may read only some."""
USER_CHANGES = frozenset(_USER_CHANGE_WORDS.split())
_REQUIRE = " --require="
_MARKS = "/cache/probe-", "/monit/probe-"
_PRIVATE = _MARKS[0]


_ENV = 6


def _hook_subprocess(module):
    execute = module.Popen._execute_child

    # from 3.8 on: args, executable, preexec_fn, close_fds, pass_fds, cwd, env, ...
    def monit_execute_child(self, *given, **named):
        if len(given) > _ENV:
            env = _cleaned(given[0], given[1], given[_ENV])
            given = (*given[:_ENV], env, *given[_ENV + 1 :])
        return execute(self, *given, **named)

    module.Popen._execute_child = monit_execute_child


def _cleaned(args, executable, env):
    """Return the environment for a child; ``env`` itself, also None, where nothing is to change."""
    cleaned = _without_probe(args, executable, os.environ if env is None else env)
    return env if cleaned is None else cleaned


@quiet
def _without_probe(args, executable, env):
    value = env.get("NODE_OPTIONS")
    if not isinstance(value, str) or not any(mark in value for mark in _MARKS):
        return None
    parts = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
    parts = [os.fsdecode(part) for part in (executable or "", *parts)]
    words = " ".join((*parts, value)).translate(_SEPARATORS).split()
    names = {os.path.basename(word) for word in words}
    changes_user = _PRIVATE in value and names & USER_CHANGES
    if not names & SANDBOXES and not changes_user:
        return None
    kept = [part for part in value.split(_REQUIRE) if not any(mark in part for mark in _MARKS)]
    cleaned = dict(env)
    del cleaned["NODE_OPTIONS"]
    if kept and kept != [""]:
        cleaned["NODE_OPTIONS"] = _REQUIRE.join(kept)
    return cleaned


HOOKS = {"subprocess": _hook_subprocess}
