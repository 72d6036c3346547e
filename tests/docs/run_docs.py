#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the documents' commands, in order, on small made-up data.

usage: run_docs.py ROOT BIN [FOLDER]    FOLDER keeps what the commands wrote

README.md's "Train on your own data" and docs/tutorial.md find scans/, masks/, new_scans/ and mydata/ as they describe them,
docs/processes.md a folder scans/ with images/ and labels/, and pictures in DATA/camvid_256x128; docs/reproducing.md goes on in the tutorial's folder, with CITYSCAPES, BRATS2018 and ISLES2018 beside
it; docs/paper.md follows a short demo, where Debian's mricron-data is installed. All data are of make_phantoms.
The commands run as printed, with two changes: build/release/bin is BIN, and trainings are made short. A command fails the
test where its exit code is not 0 or a file that it names after --out, --json or --csv does not come to be.
"""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

root, programs = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()


def make_phantoms(folder, layout, cases, *more):
    """RFNA takes at least 65 pixels per side."""
    subprocess.run([programs / "make_phantoms", "--layout", layout, "--cases", str(cases), "--out", folder, *more],
                   check=True)


def lay_out(folder, label):
    """Scans a to d with masks, new scans e and f without, and mydata/ with images/ and labels/."""
    small = ("--size", "72x72", "--slices", "3", "--label", str(label))
    make_phantoms(folder / "mydata", "folder", 4, *small)
    make_phantoms(folder / "more", "folder", 2, *small, "--seed", "1")
    for copy, original in (("scans", "mydata/images"), ("masks", "mydata/labels"), ("new_scans", "more/images")):
        (folder / copy).mkdir()
        for letter, file in zip("ef" if copy == "new_scans" else "abcd", sorted((folder / original).iterdir())):
            shutil.copy(file, folder / copy / f"{letter}.nii.gz")  # as the pages call them


def lay_out_tasks(folder):
    make_phantoms(folder / "CITYSCAPES", "cityscapes", 2, "--size", "64x128")
    make_phantoms(folder / "BRATS2018", "brats", 9, "--size", "72x72", "--slices", "4")
    make_phantoms(folder / "ISLES2018", "isles", 8, "--size", "72x72", "--slices", "3")


def commands(text):
    """The programs' commands of all sh blocks. A loop of the shell is one command."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in re.sub(r"\\\n", " ", block).split("\n"):
            words = shlex.split(line, comments=True)
            if words and (words[0].startswith("build/release/bin/") or words[0] == "for"):
                yield line, words


def shortened(words):
    """As the shell takes it: short where it trains, quick where it samples."""
    out = []
    for word in words:
        if word == "&":  # the end of a command in a loop
            out += short_options(out) + ["&"]
            continue
        name = word.rpartition("/")[2]
        out.append(shlex.quote(str(programs / name)) if word.startswith("build/release/bin/") else word)
    return " ".join(out + ([] if "&" in words else short_options(out)))


def short_options(words):
    name = next(pathlib.Path(shlex.split(w)[0]).name for w in words if str(programs) in w)
    if name == "compare" and "--nets" not in words:
        return ["--nets", "unet", "--folds", "0,1", "--repeats", "1", "--width", "4", "--epochs", "1"]
    return ["--width", "4", "--epochs", "1"] if name in ("train", "compare") else []


def run(page, text, folder):
    failed = 0
    for line, words in commands(text):
        quoted = [word if words[0] == "for" else shlex.quote(word) for word in words]
        command = line if words[0] == "for" else " ".join(quoted)
        pieces = re.sub(r"([;&])", r" \1 ", command).split() if words[0] == "for" else quoted
        end = subprocess.run(["bash", "-c", shortened(pieces)], cwd=folder, capture_output=True, text=True, timeout=900)
        files = [words[i + 1] for i, word in enumerate(words) if word in ("--out", "--json", "--csv")]
        missing = [file for file in files if not (folder / file).exists()]
        if end.returncode != 0 or missing or "error: " in end.stderr:  # the shell's wait is always 0
            failed += 1
            print(f"{page}: FAILED with code {end.returncode}{', no ' + ', '.join(missing) if missing else ''}: {command}\n"
                  f"{end.stdout[-2000:]}{end.stderr[-2000:]}", file=sys.stderr)
        else:
            print(f"{page}: ran {command}", flush=True)
    return failed


def page_text(name):
    return (root / name).read_text()


needed = ("train", "compare", "evaluate", "predict", "explain", "make_phantoms")
unbuilt = [name for name in needed if not (programs / name).exists()]
if unbuilt:
    print(f"SKIPPED: tree/docs_commands: {', '.join(unbuilt)} not built")
    sys.exit(0)
failures = 0
with tempfile.TemporaryDirectory(prefix="pam-docs-") as temporary:
    base = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(temporary)
    lay_out(base / "readme", 74)
    failures += run("README.md", page_text("README.md").split("## Train on your own data")[1].split("\n## ")[0],
                    base / "readme")
    lay_out(base / "tutorial", 1)
    failures += run("docs/tutorial.md", page_text("docs/tutorial.md"), base / "tutorial")
    lay_out_tasks(base / "tutorial")
    failures += run("docs/reproducing.md", page_text("docs/reproducing.md"), base / "tutorial")
    make_phantoms(base / "processes/scans", "folder", 4, "--size", "72x72", "--slices", "3")
    make_phantoms(base / "processes/DATA/camvid_256x128", "pictures", 8, "--size", "72x72", "--label", "8")
    failures += run("docs/processes.md", page_text("docs/processes.md"), base / "processes")
    if pathlib.Path("/usr/share/mricron/templates/aal.nii.gz").exists():
        (base / "paper").mkdir()
        subprocess.run([programs / "train", "--demo", "--width", "4", "--epochs", "1"], cwd=base / "paper", check=True,
                       capture_output=True)
        failures += run("docs/paper.md", page_text("docs/paper.md"), base / "paper")
    else:
        print("not run: docs/paper.md, whose data are in Debian's mricron-data")
sys.exit(1 if failures else 0)
