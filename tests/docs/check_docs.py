#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks README.md and docs/: links and images lead somewhere, commands exist.

usage: check_docs.py ROOT [BIN]

In ```sh blocks: pam's programs and their flags (by the --help of those built in BIN, by the sources for the others), make
targets, cmake presets, and paths in the tree. In running text: relative links, and paths and flags in `code`.
"""
import pathlib
import re
import shlex
import subprocess
import sys

root = pathlib.Path(sys.argv[1]).resolve()
bin_folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
problems, checked, unbuilt = [], [], set()
FOLDERS = ("include", "apps", "examples", "tests", "tools", "docs", "cmake", "benchmarks", "python", ".ci")
SUBCOMMANDS = {"explain": ("maps", "receptive-field")}

programs = {p.stem: p for folder in ("apps", "examples", "benchmarks") for p in (root / folder).glob("*.cpp")
            if ".bench" not in p.name} | {"make_phantoms": root / "tests/support/make_phantoms.cpp"}
targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(), re.M))
presets = set(re.findall(r'"name": "([a-z]+)"', (root / "CMakePresets.json").read_text()))
sources = "".join(p.read_text() for folder in ("apps", "examples", "benchmarks", "tools", "python", "tests/support")
                  for p in sorted((root / folder).rglob("*")) if p.suffix in (".cpp", ".hpp", ".py", ".sh"))
source_flags = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", sources))
helps = {}


def flags_of(program, subcommand=()):
    """The flags that --help prints after the words `subcommand`; None where the program was not built."""
    key = (program, subcommand)
    if key not in helps:
        path = bin_folder / program if bin_folder else None
        if path is None or not path.exists():
            unbuilt.add(program)
            helps[key] = None
        else:
            words = [str(path), *subcommand, "--help"]
            answer = subprocess.run(words, capture_output=True, text=True, timeout=120)
            helps[key] = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", answer.stdout + answer.stderr))
    return helps[key]


def exists_in_tree(path):
    return (root / path).exists() or (root / "include" / path).exists() or (root / "include/pam" / path).exists()


def check_path(where, word):
    """A word that names a file of the tree must do so rightly; build/ and other people's folders are not looked at."""
    path = word.split(":")[0].rstrip("/.,")
    if re.search(r"[<>*{}…$ ()]", path) or "/" not in path:
        return
    ours = path.split("/")[0] in FOLDERS or (path.startswith("pam/") and path.endswith(".hpp"))
    if ours and not exists_in_tree(path):
        problems.append(f"{where}: there is no {path} in the tree")


def check_command(where, words):
    while words and re.fullmatch(r"[A-Z_]+=.*|sudo|for|do|done|wait|\w+|srun|torchrun", words[0]) and not (
            words[0] in programs or words[0] in ("make", "cmake", "python3")):
        launcher = words[0] in ("srun", "torchrun")
        words = words[1:]
        while launcher and words and pathlib.Path(words[0]).name not in programs:
            words = words[1:]
    if not words:
        return
    name = pathlib.Path(words[0]).name
    for word in words:
        check_path(where, word)
    if name == "make":
        for target in words[1:]:
            if "=" not in target and target not in targets:
                problems.append(f"{where}: the Makefile has no target {target}")
    elif name == "cmake" and "--preset" in words:
        preset = words[words.index("--preset") + 1]
        if preset not in presets:
            problems.append(f"{where}: there is no preset {preset}")
    elif name in programs:
        subcommand = ()
        if name == "train" and "--task" in words[:-1]:
            subcommand = ("--task", words[words.index("--task") + 1])
        if name in SUBCOMMANDS and len(words) > 1 and not words[1].startswith("-"):
            subcommand = (words[1],)
            if words[1] not in SUBCOMMANDS[name]:
                problems.append(f"{where}: {name} has no subcommand {words[1]}")
        known = flags_of(name, subcommand)
        for flag in (w.split("=")[0] for w in words[1:] if w.startswith("--")):
            if flag not in (known if known is not None else source_flags):
                problems.append(f"{where}: {' '.join((name, *subcommand))} has no option {flag}")
    elif words[0].startswith("build/"):
        problems.append(f"{where}: there is no program {name}")
    else:
        return
    checked.append(f"{where}: {shlex.join(words)}")


def split_commands(block):
    block = re.sub(r"\\\n", " ", block)
    for number, line in enumerate(block.split("\n")):
        if re.match(r"\s*(#|$)", line) or line.count("'") % 2:
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        words = []
        for word in lexer:
            if re.fullmatch(r"[;&|]+", word):
                yield number, words
                words = []
            else:
                words.append(word)
        yield number, words


def slugs(path):
    """GitHub's anchors of a Markdown file's headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def check_file(path):
    name, text = str(path.relative_to(root)), path.read_text()
    for fence in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
        first = text[:fence.start(2)].count("\n") + 1
        if fence.group(1) == "sh":
            for number, words in split_commands(fence.group(2)):
                check_command(f"{name}:{first + number}", list(words))
    # The blocks become empty lines, so that line numbers stay.
    prose = re.sub(r"^```.*?^```", lambda m: "\n" * m.group().count("\n"), text, flags=re.M | re.S)
    for number, line in enumerate(prose.split("\n"), 1):
        where = f"{name}:{number}"
        for code in re.findall(r"`([^`]+)`", line):
            check_path(where, code.split()[0])
            for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*", code):
                if flag not in source_flags and not code.startswith(("cmake", "apt")):
                    problems.append(f"{where}: no program of pam has an option {flag}")
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            linked = (path.parent / file) if file else path
            if not linked.exists():
                problems.append(f"{where}: the link {target} leads nowhere")
            elif anchor and linked.suffix == ".md" and anchor not in slugs(linked):
                problems.append(f"{where}: {file or name} has no heading #{anchor}")


files = [root / "README.md"] + sorted((root / "docs").rglob("*.md"))
for each in files:
    check_file(each)
for line in checked:
    print("checked", line)
if unbuilt:
    print("by their sources alone, not built here:", *sorted(unbuilt))
for line in problems:
    print(line, file=sys.stderr)
print(f"{len(files)} files, {len(checked)} commands, {len(problems)} problems")
sys.exit(1 if problems else 0)
