#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the commands of README.md's "Train on your own data" and of docs/tutorial.md, in order, on small made-up scans.

usage: run_docs.py ROOT BIN [FOLDER]    FOLDER keeps what the commands wrote

Each page gets a folder of its own with scans/, masks/, new_scans/ and mydata/ as the pages describe them. The commands run
as printed, with two changes: build/release/bin is BIN, and trainings get --width 4 and --epochs 1. A command fails the test
where its exit code is not 0 or a file that it names after --out, --json or --csv does not come to be.
"""
import gzip
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile

try:
    import numpy
except ImportError:
    print("SKIPPED: tree/docs_commands: needs python3-numpy")
    sys.exit(0)

root, programs = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
SHAPE = (3, 72, 72)  # z, y, x: RFNA takes at least 65 pixels a side


def write_nifti(path, voxels):
    """NIfTI-1 as the standard has it, written without pam: 1 x 1 x 3 mm, x to the left."""
    code = {"uint8": 2, "int16": 4}[voxels.dtype.name]
    z, y, x = voxels.shape
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, x, y, z, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, code, voxels.itemsize * 8)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 3, 1, 1, 1, 1)
    struct.pack_into("<fff", header, 108, 352, 1, 0)
    header[123] = 2  # mm
    struct.pack_into("<hh", header, 252, 0, 1)
    for row, values in enumerate(((-1, 0, 0, 36), (0, 1, 0, -36), (0, 0, 3, 0))):
        struct.pack_into("<4f", header, 280 + 16 * row, *values)
    header[344:348] = b"n+1\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", 1) as file:
        file.write(bytes(header) + voxels.tobytes())


def scan_and_mask(seed, value):
    """A bright disc of its own size and place on noise, and its mask."""
    random = numpy.random.default_rng(seed)
    _, y, x = numpy.meshgrid(*[numpy.arange(n) for n in SHAPE], indexing="ij")
    row, column, radius = random.uniform(25, 45), random.uniform(25, 45), random.uniform(8, 14)
    inside = (y - row) ** 2 + (x - column) ** 2 < radius ** 2
    scan = 300 + 200 * inside + random.normal(0, 30, SHAPE)
    return scan.astype("int16"), (inside * value).astype("uint8")


def lay_out(folder, values):
    """Cases a to d with masks, new scans e and f without, and mydata/ with images/ and labels/ of the first four."""
    for number, name in enumerate("abcdef"):
        scan, mask = scan_and_mask(number, values[number % len(values)])
        if name in "ef":
            write_nifti(folder / f"new_scans/{name}.nii.gz", scan)
            continue
        for images, labels in (("scans", "masks"), ("mydata/images", "mydata/labels")):
            write_nifti(folder / images / f"{name}.nii.gz", scan)
            write_nifti(folder / labels / f"{name}.nii.gz", mask)


def commands(text):
    """The programs' commands of all sh blocks, as words."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in re.sub(r"\\\n", " ", block).split("\n"):
            words = shlex.split(line, comments=True)
            if words and words[0].startswith("build/release/bin/"):
                yield words


def shortened(words):
    name = pathlib.Path(words[0]).name
    words = [str(programs / name)] + words[1:]
    if name in ("train_folder", "compare"):
        if "--epochs" in words:
            at = words.index("--epochs")
            del words[at:at + 2]
        words += ["--width", "4", "--epochs", "1"]
    return words


def run(page, text, values, folder):
    lay_out(folder, values)
    failed = 0
    for words in commands(text):
        printed = shlex.join(words)
        end = subprocess.run(shortened(words), cwd=folder, capture_output=True, text=True, timeout=900)
        files = [words[i + 1] for i, word in enumerate(words) if word in ("--out", "--json", "--csv")]
        missing = [file for file in files if not (folder / file).exists()]
        if end.returncode != 0 or missing:
            failed += 1
            print(f"{page}: FAILED with code {end.returncode}{', no ' + ', '.join(missing) if missing else ''}: {printed}\n"
                  f"{end.stdout[-2000:]}{end.stderr[-2000:]}", file=sys.stderr)
        else:
            print(f"{page}: ran {printed}", flush=True)
    return failed


needed = ("train_folder", "compare", "evaluate", "predict", "explain")
unbuilt = [name for name in needed if not (programs / name).exists()]
if unbuilt:
    print(f"SKIPPED: tree/docs_commands: {', '.join(unbuilt)} not built")
    sys.exit(0)
readme = (root / "README.md").read_text().split("## Train on your own data")[1].split("\n## ")[0]
failures = 0
with tempfile.TemporaryDirectory(prefix="pam-docs-") as temporary:
    base = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(temporary)
    failures += run("README.md", readme, (71, 74, 78), base / "readme")
    failures += run("docs/tutorial.md", (root / "docs/tutorial.md").read_text(), (1,), base / "tutorial")
sys.exit(1 if failures else 0)
