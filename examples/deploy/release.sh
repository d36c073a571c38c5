#!/bin/sh
# On the server: put a release in place and let monit take it live; go back when it does not start.
#
#   release.sh FOLDER REVISION < release.tar      a new release
#   release.sh FOLDER REVISION                    an older one that is still there
#
# FOLDER has releases/REVISION for each release, and current, a link to the one that runs. A release
# has a monit.toml that names programs relative to itself, as .venv/bin/python.
set -eu
keep=5 # releases, besides those in which a process still runs
PATH="$PATH:$HOME/.local/bin:/usr/local/bin" # a command through ssh often has a short PATH
export PATH

[ $# = 2 ] || { echo "usage: release.sh FOLDER REVISION" >&2; exit 2; }
root=$(realpath -m -- "$1")
revision=$2
new=$root/releases/$revision
case $revision in
  *[!A-Za-z0-9._-]* | .* | '') echo "not a revision: $revision" >&2; exit 2 ;;
esac
mkdir -p "$root/releases"

# one release at a time; the lock ends with this script
exec 9> "$root/.lock"
flock -n 9 || { echo "another release is being put in place in $root" >&2; exit 1; }

point_to() { # atomic: current always leads to a whole release
  ln -sfn -- "$1" "$root/current.new"
  mv -T -- "$root/current.new" "$root/current"
}

take_live() { # through the link, so that monit follows it
  cd "$root/current" && monit apply --reload
}

if [ ! -e "$new/REVISION" ]; then
  rm -rf -- "$new" # left by a release that was interrupted
  mkdir -- "$new"
  tar -x -C "$new"
  if [ -e "$new/requirements.txt" ]; then
    python3 -m venv "$new/.venv"
    "$new/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$new/requirements.txt"
  fi
  (cd "$new" && monit config check)
  echo "$revision" > "$new/REVISION" # last: a release without it is not whole
fi

old=$(readlink "$root/current" || true)
point_to "releases/$revision"
if ! (take_live); then
  if [ -z "$old" ]; then
    echo "release $revision does not start, and there is none before it" >&2
    exit 1
  fi
  echo "release $revision does not start; going back to $old" >&2
  point_to "$old"
  (take_live) || echo "$old does not start either; see monit list" >&2
  exit 1
fi
echo "release $revision is live"

# old releases go, unless a process runs in them: a worker that still answers requests
used=$(for process in /proc/[0-9]*; do
  readlink "$process/cwd" "$process/exe" 2> /dev/null || true
done)
touch -- "$new"
ls -1t "$root/releases" | tail -n "+$((keep + 1))" | while read -r each; do
  case $used in
    *"$root/releases/$each/"* | *"$root/releases/$each
"*) echo "$each is kept: a process runs in it" ;;
    *) rm -rf -- "${root:?}/releases/${each:?}" ;;
  esac
done
