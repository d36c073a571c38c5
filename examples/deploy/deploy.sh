#!/bin/sh
# On your machine or in CI: bring a commit to servers, one after another; stop at the first failure.
#
#   deploy.sh COMMIT FOLDER HOST...
#   deploy.sh HEAD /srv/web web1 deploy@web2
set -eu
[ $# -ge 3 ] || { echo "usage: deploy.sh COMMIT FOLDER HOST..." >&2; exit 2; }
here=$(dirname -- "$(realpath -- "$0")")
revision=$(git rev-parse --short=12 "$1^{commit}")
folder=$2
shift 2
for host in "$@"; do
  echo "$host: release $revision"
  ${SSH:-ssh} "$host" "mkdir -p '$folder' && cat > '$folder/release.sh'" < "$here/release.sh"
  git archive "$revision" | ${SSH:-ssh} "$host" "sh '$folder/release.sh' '$folder' '$revision'"
done
