#!/bin/sh
# On a GPU machine without Node and network, in the unpacked archive of `npm run pack:gpu`: builds the tools for GPUs with CMake and
# nvcc, tests, measures, and prints everything. Arguments go to the benchmark (--json, --device INDEX).
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
dist/swarm doctor || failed=1
"$node" test/gpu/run.mjs || failed=1
"$node" bench/gpu/run.mjs "$@" || failed=1
exit $failed
