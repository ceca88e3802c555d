#!/bin/sh
# Starts swarm from any directory, with the Node that came with it, or with the system's if that is new enough.
self=$0
while [ -h "$self" ]; do
  target=$(readlink "$self")
  case $target in /*) self=$target ;; *) self=$(dirname "$self")/$target ;; esac
done
here=$(cd "$(dirname "$self")" && pwd -P) || exit 1
case $(uname -m) in x86_64) arch=x64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
# A small young generation, but not the smallest: frames of 64 KiB, where there is no data connection, die at once, and so does most of what starting makes.
# A heap that may grow elevenfold: V8 counts those frames too, and else marked the whole heap again for every 9 MB of them.
flags='--disable-warning=ExperimentalWarning --min-semi-space-size=4 --max-semi-space-size=4 --heap-growing-percent=1000'
for node in "$here/node" "$here/../node_modules/node-linux-$arch/bin/node"; do
  if [ -x "$node" ]; then
    # shellcheck disable=SC2086
    exec "$node" $flags "$here/lib/cli/main.js" "$@"
  fi
done
version=$(node --version 2>/dev/null) || version=none
major=${version#v}
major=${major%%.*}
case $major in *[!0-9]* | '') major=0 ;; esac
if [ "$major" -ge 24 ]; then
  # shellcheck disable=SC2086
  exec node $flags "$here/lib/cli/main.js" "$@"
fi
echo "swarm: needs Node 24 or later, found $version; run 'npm run build' in the repository, which brings its own" >&2
exit 1
