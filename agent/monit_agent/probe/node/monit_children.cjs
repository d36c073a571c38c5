"use strict";
// Takes the probe out of the environment of children that may not be able to read its files.
//
// NODE_OPTIONS is inherited, and Node does not start when it cannot read a file that it names. So
// what this program starts behind a change of the root folder, in a sandbox, with Node's own
// permissions, or as another user when the files are private, gets NODE_OPTIONS as the user set it.
// Only what is started with spawn, exec, execFile and fork: Node announces no synchronous starts.

const SANDBOXES = new Set(
  ("chroot unshare nsenter bwrap firejail nsjail minijail0 proot fakechroot systemd-run " +
   "systemd-nspawn machinectl flatpak flatpak-spawn snap docker podman nerdctl lxc-attach aa-exec " +
   "--permission --experimental-permission").split(" "),
);
const USER_CHANGES = new Set(
  ("runuser setpriv su sudo doas pkexec gosu su-exec chpst setuidgid s6-setuidgid setuser " +
   "start-stop-daemon capsh").split(" "),
);
const SEPARATORS = /[\s\\"'`;&|()<>={}]+/;
const OURS = / --require="(?:[^"\\]|\\.)*\/(?:cache|monit)\/probe-(?:[^"\\]|\\.)*"/g;
const PRIVATE = "/cache/probe-";
const NAME = "NODE_OPTIONS=";

function install() {
  const { channel } = require("diagnostics_channel");
  // kept, because Node before 18.7 drops a channel, and its subscribers, without a reference to it
  module.exports = channel("child_process");
  module.exports.subscribe(({ process: child }) => {
    const { spawn } = child;
    child.spawn = function monitSpawn(options) {
      try {
        delete child.spawn;
        clean(options);
      } catch {
        // then the child gets what it would have got
      }
      return Reflect.apply(spawn, this, arguments);
    };
  });
}

function clean(options) {
  const at = options.envPairs.findIndex((pair) => pair.startsWith(NAME));
  const value = at < 0 ? "" : options.envPairs[at].slice(NAME.length);
  const rest = value.replace(OURS, "");
  if (rest === value || canRead(options, value)) return;
  if (rest) options.envPairs[at] = NAME + rest;
  else options.envPairs.splice(at, 1);
}

function canRead({ file, args, uid }, value) {
  const words = [file, ...(args || []), value].join(" ").split(SEPARATORS);
  const names = words.map((word) => word.slice(word.lastIndexOf("/") + 1));
  if (names.some((name) => SANDBOXES.has(name))) return false;
  if (!value.includes(PRIVATE)) return true;
  const sameUser = uid === undefined || uid === null || uid === process.getuid();
  return sameUser && !names.some((name) => USER_CHANGES.has(name));
}

try {
  install();
} catch {
  // a Node without this channel: then children get what they would have got
}
