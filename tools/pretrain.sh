#!/usr/bin/env bash
# The pretrained weights of docs/models.md: cross-validation, training on all cases, float16 files and their cards.
# Resumable: after an interruption the same command goes on.
# usage: tools/pretrain.sh DATA OUT [WEIGHTS]
#   DATA     folder with msd_hippocampus/ (docs/replication.md says where it is from)
#   OUT      a folder for the runs
#   WEIGHTS  where NAME.safetensors and NAME.json go (weights)
# Environment: PAM_BIN (build/release/bin), PYTHON (python3; with torch).
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 2 ]; then
  echo "usage: tools/pretrain.sh DATA OUT [WEIGHTS]; the programs are built by: make programs" >&2
  exit 2
fi
data=$1/msd_hippocampus
out=$2
bin=${PAM_BIN:-build/release/bin}
recipe=(--nets unet fpa rfna --width 16 --epochs 6 --batch 4 --lr 1e-3 --seed 0 --threads 1)

"$bin/compare" --task folder --data "$data" --set folds=5 normalise=zscore loss=dice_bce --folds all --repeats 1 \
  "${recipe[@]}" --out "$out/cross_validation" --resume
"$bin/train" --data "$data" --test-share 0 --normalise zscore --loss dice_bce "${recipe[@]}" --out "$out/all" --resume
"${PYTHON:-python3}" tools/pretrained.py "$out" "${3:-weights}"
