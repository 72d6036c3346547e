#!/usr/bin/env bash
# The comparisons of docs/replication.md. Each is resumable: after an interruption the same command goes on.
# usage: tools/replicate.sh DATA OUT [COMPARISON...]
#   DATA  folder with msd_hippocampus/ and camvid_256x128/ (docs/replication.md says where they are from)
#   OUT   a folder for the runs and for the phantoms
#   COMPARISON  hippocampus, camvid, blurred_1, blurred_2, blurred_4; all of them if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 2 ]; then
  echo "usage: tools/replicate.sh DATA OUT [COMPARISON...]; the programs are built by: make programs" >&2
  exit 2
fi
data=$1
out=$2
shift 2
bin=${PAM_BIN:-build/release/bin}
fixed=docs/replication
common=(--task folder --repeats 5 --seed 0 --width 16 --batch 4 --lr 1e-3 --threads 1)
six=(--nets unet d9unet aunet cscunet fpa rfna --hypotheses "$fixed/hypotheses.json")

[ $# -gt 0 ] || set -- hippocampus camvid blurred_1 blurred_2 blurred_4
for comparison; do
  case $comparison in
  hippocampus)
    # What --normalise auto meant when these runs were made; today it would be zscore, over all voxels.
    options=(--data "$data/msd_hippocampus" --set "split=$fixed/hippocampus_split.json" normalise=zscore-nonzero --epochs 4
      "${six[@]}")
    ;;
  camvid)
    options=(--data "$data/camvid_256x128" --set "label_values=8=1,11=ignore" "split=$fixed/camvid_split.json"
      --epochs 6 "${six[@]}")
    ;;
  blurred_*)
    phantoms=$out/phantoms_${comparison#blurred_}
    [ -e "$phantoms" ] || "$bin/make_phantoms" --layout blurred --cases 400 --size 80x80 \
      --contrast "${comparison#blurred_}" --blur 1.5 --seed 0 --out "$phantoms"
    options=(--data "$phantoms" --set test_share=0.2 validation_share=0.1 --epochs 12
      --nets unet fpa rfna --hypotheses "$fixed/hypotheses_blurred.json")
    ;;
  *)
    echo "error: $comparison: must be hippocampus, camvid, blurred_1, blurred_2 or blurred_4" >&2
    exit 2
    ;;
  esac
  "$bin/compare" "${common[@]}" "${options[@]}" --out "$out/$comparison" --resume
done
