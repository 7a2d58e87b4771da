#!/usr/bin/env bash
# usage: tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each
set -euo pipefail

CONFIG=$1
GPUS=$2

PYTHONPATH="$(dirname "$0")/..${PYTHONPATH:+:$PYTHONPATH}" \
"${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
