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
# A heap that may grow elevenfold: V8 counts those frames too, and else marked the whole heap again for every 9 MB of them. Threefold for
# a source, which serves for hours and would grow by all that it lets go of in the meantime; the last flag of a name counts.
flags='--disable-warning=ExperimentalWarning --min-semi-space-size=4 --max-semi-space-size=4 --heap-growing-percent=1000'
# Small allocations in huge pages, where the kernel gives them when asked: a tenth of starting is page faults for them otherwise. Not for
# a source, which keeps what it has for hours. The program knows the spelling, and takes it out of its environment (src/base/launcher.ts).
tunables=glibc.malloc.hugetlb=0x1
for argument; do
  case $argument in seed | --seed)
    flags="$flags --heap-growing-percent=200"
    tunables=
    ;;
  esac
done
if [ -n "$tunables" ] && [ -z "${GLIBC_TUNABLES-}" ]; then
  export GLIBC_TUNABLES="$tunables"
fi
has_library() {
  for folder in /lib /lib64 /usr/lib /usr/lib64 "/lib/$(uname -m)-linux-gnu" "/usr/lib/$(uname -m)-linux-gnu"; do
    [ -e "$folder/$1" ] && return 0
  done
  return 1
}
for node in "$here/node" "$here/../node_modules/node-linux-$arch/bin/node" "$here/../../node-linux-$arch/bin/node"; do
  if [ -x "$node" ]; then
    if [ ! -e /lib64/ld-linux-x86-64.so.2 ] && [ ! -e /lib/ld-linux-aarch64.so.1 ]; then
      echo 'swarm: needs the GNU C library, 2.28 or later, which this system does not have (Alpine has another one); take an image of Debian, Ubuntu, Red Hat or the like' >&2
      exit 1
    fi
    # A system with nothing but the C library lacks what Node is linked to.
    if [ -d "$here/runtime" ] && ! has_library libstdc++.so.6; then
      export LD_LIBRARY_PATH="$here/runtime${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    fi
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
