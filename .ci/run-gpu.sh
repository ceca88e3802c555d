#!/bin/sh
# On a GPU machine without Node and network, in the unpacked archive of `npm run pack:gpu`: builds the tools for GPUs with CMake and
# nvcc, tests, measures, and prints everything. Arguments go to the benchmark (--json, --device INDEX). The packed addon is built
# again where it does not load.
cd "$(dirname "$0")" || exit 1
here=$(pwd -P)
case $(uname -m) in x86_64) arch=x64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
node=$here/node_modules/node-linux-$arch/bin/node
failed=0
date -u '+%Y-%m-%dT%H:%M:%SZ'
echo "commit $(cat commit)"
nvidia-smi 2>/dev/null || echo 'nvidia-smi: not here'
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
"$nvcc" --version 2>/dev/null | tail -n 2
addon=dist/native/swarm_codec.node
if ! "$node" -e 'require(process.argv[1])' "$here/$addon" 2>/dev/null; then
  echo 'the packed addon does not load here: building it'
  [ -x "$nvcc" ] && export CUDACXX="$nvcc"
  rm -f "$addon"
  cmake -S native -B build/native -DCMAKE_BUILD_TYPE=Release >/dev/null &&
    cmake --build build/native --target swarm_codec --parallel >/dev/null &&
    cp build/native/swarm_codec.node "$addon" || failed=1
fi
dist/swarm doctor || failed=1
"$node" test/gpu/run.mjs || failed=1
"$node" bench/gpu/run.mjs "$@" || failed=1
"$node" bench/gpu/join.mjs || failed=1
exit $failed
