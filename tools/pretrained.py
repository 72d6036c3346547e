#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The last step of tools/pretrain.sh: float16 files of the trained networks, and a card in JSON for each.

usage: pretrained.py RUNS WEIGHTS
  RUNS     folder with cross_validation/ (of compare) and all/ (of train)
  WEIGHTS  where hippocampus_NET.safetensors and hippocampus_NET.json are written

The logits in a card are PyTorch's, by python/pam_torch.py, so that the test which loads the file in C++ compares two
implementations.
"""
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
import torch  # noqa: E402

import pam_torch  # noqa: E402

SCORES = ("dice", "iou", "fn_percent", "fp_percent", "hd95_penalised")


def example_image(size=80):
    """(1, 1, size, size): two blurred discs on a slope. Tests compute the same."""
    y, x = torch.meshgrid(torch.arange(size, dtype=torch.float64), torch.arange(size, dtype=torch.float64), indexing="ij")
    disc = lambda cy, cx, s: torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * s * s))
    image = 2 * disc(34, 30, 5) - 1.5 * disc(50, 52, 7) + (x - y) / size
    return image.float().reshape(1, 1, size, size)


def read_json(path):
    with open(path) as f:
        return json.load(f)


def command_of(record, runs):
    """The command of a run, with the names of tools/pretrain.sh in place of this machine's folders."""
    data = str(pathlib.Path(record["options"]["data"]).parent)
    return record["program"].replace(data, "DATA").replace(str(runs), "OUT")


def fold_scores(folder, net):
    """One row per fold, and the mean and standard deviation over all cases, each of which is tested once."""
    folds, cases = [], []
    for number in range(5):
        scores = read_json(folder / f"fold_{number}" / "repeat_0" / net / "scores.json")
        folds.append({"fold": number, "cases": scores["aggregate"]["cases"],
                      **{key: round(scores["aggregate"]["mean"][key], 4) for key in SCORES}})
        cases += scores["cases"]
    values = {key: [case[key] for case in cases] for key in SCORES}
    return {"folds": folds, "cases": len(cases),
            "mean": {key: round(statistics.fmean(values[key]), 4) for key in SCORES},
            "standard_deviation": {key: round(statistics.stdev(values[key]), 4) for key in SCORES},
            "missed_cases": sum(case["missed"] for case in cases)}


def card(runs, path, kind):
    trained, tested = runs / "all" / kind, runs / "cross_validation" / "fold_0" / "repeat_0" / kind
    record = read_json(trained / "run.json")
    tensors, metadata = pam_torch.read_safetensors(str(trained / "last.safetensors"))
    metadata = {key: metadata[key] for key in ("pam.net", "pam.reversed", "pam.input", "pam.spacing", "pam.version")}
    pam_torch.write_safetensors(str(path), {key: tensor.half() for key, tensor in tensors.items()}, metadata)

    net = pam_torch.load(str(path)).float().eval()
    with torch.no_grad():
        logits = net(example_image())[0, 0]
    if not torch.isfinite(logits).all():
        raise SystemExit(f"{path}: its logits are not finite in float16")
    pixels = [[y, x] for y in (0, 20, 34, 50, 79) for x in (0, 30, 52, 79)]
    return {
        "name": path.stem,
        "net": json.loads(metadata["pam.net"]),
        "reversed": metadata["pam.reversed"] == "true",
        "parameters": record["parameters"],
        "bytes": path.stat().st_size,
        "segments": "the whole hippocampus (anterior and posterior together)",
        "input": {"image": "one channel: T1-weighted MRI, 1 mm voxels, cropped around one hippocampus as MSD Task04 is",
                  "preparation": json.loads(metadata["pam.input"]),
                  "voxels_mm_x_y_z": json.loads(metadata["pam.spacing"])},
        "not_for": "clinical use; whole heads, other sequences, other resolutions, other structures",
        "data": {"name": "Medical Segmentation Decathlon, Task04_Hippocampus",
                 "source": "http://medicaldecathlon.com",
                 "licence": "CC BY-SA 4.0",
                 "attribution": "Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13, 4128 (2022)",
                 "cases": 208, "labels": "1 and 2 (anterior, posterior) as one foreground"},
        "training": {"command": command_of(record, runs), "seconds": round(record["wall_seconds"]), "machine": record["machine"],
                     "versions": record["versions"], "finished": record["finished"]},
        "cross_validation": {"command": command_of(read_json(tested / "run.json"), runs),
                             **fold_scores(runs / "cross_validation", kind)},
        "example": {"input": "float32 of 2 exp(-((y-34)^2+(x-30)^2)/50) - 1.5 exp(-((y-50)^2+(x-52)^2)/98) + (x-y)/80, "
                             "y and x from 0 to 79",
                    "pixels": pixels,
                    "logits": [round(logits[y, x].item(), 5) for y, x in pixels],
                    "foreground": int(((logits < 0) if net.reversed else (logits > 0)).sum())},
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    runs, weights = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for kind in ("unet", "fpa", "rfna"):
        file = weights / f"hippocampus_{kind}.safetensors"
        file.with_suffix(".json").write_text(json.dumps(card(runs, file, kind), indent=1) + "\n")
        print(file)
