# SPDX-License-Identifier: MIT
"""The compile command of a target of this build, turned into a check of syntax and types alone: no code is generated."""
import json
import shlex
import sys


def command_of(build, source):
    """Of the file `source`, without the file itself and its output."""
    with open(build + "/compile_commands.json", encoding="utf-8") as file:
        for entry in json.load(file):
            if entry["file"] == source:
                words = shlex.split(entry["command"])
                break
        else:
            sys.exit(f"{build}/compile_commands.json: has no {source}; configure again")
    kept = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word == "-o":
            skip = True
        elif word not in ("-c", source):
            kept.append(word)
    return kept + ["-fsyntax-only"], entry["directory"]
