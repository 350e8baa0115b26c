#!/usr/bin/env bash
# The study book's ReLoRA on one's own machine: train, merge, train on the result, merge, ...
#
#   ./relora_train.sh --iterations 3 --rank 64
#   ./relora_train.sh --iterations 3 --rank 64 --model Qwen/Qwen2.5-0.5B --dataset rows.jsonl --output ./mine --hours 4
#   ./relora_train.sh --help
#
# The trainer's Python is the project's own (`make trainer` makes it); PYTHON=/path/to/python takes another. Ctrl-C saves
# a checkpoint and ends; the same command goes on from there.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=${PYTHON:-$root/.trainer/bin/python}

if ! command -v "$python" >/dev/null; then
  echo "no trainer at $python: run 'make trainer' in $root, or set PYTHON=/path/to/python" >&2
  exit 2
fi

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export LATTICEFORGE_CHAIN_PROGRAM=${0##*/}
exec "$python" -m workers.node.chain "$@"
