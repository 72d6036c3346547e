#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the ```cpp blocks of docs/ into one source file that must compile; README.md's is examples/quickstart.cpp.

usage: write_snippets.py DOCS OUTPUT

Types that a block defines are for all blocks; programs keep their main under another name; other blocks become the body
of a function, with the names below around them.
"""
import pathlib
import re
import sys

documents, output = sorted(pathlib.Path(sys.argv[1]).glob("*.md")), pathlib.Path(sys.argv[2])
# What a reader has already where a document shows some lines only.
AROUND = ("pam::UNet<pam::FalsePositiveAttention> net, torch::Tensor image, torch::Tensor x, torch::Tensor example, "
          "MyLoader& loader, torch::optim::Optimizer& optimizer, const pam::FitOptions& options, "
          "const torch::Tensor& images, const torch::Tensor& masks")
includes, types, bodies = ["#include <pam/pam.hpp>"], [], []
for document in documents:
    text = document.read_text()
    for block in re.finditer(r"^```cpp\n(.*?)^```", text, re.M | re.S):
        line = text.count("\n", 0, block.start()) + 2
        place = f'#line {line} "{document.resolve()}"\n'
        includes += re.findall(r"^#include .*$", block[1], re.M)
        code = re.sub(r"^#include .*$", "", block[1], flags=re.M)
        name = f"{re.sub(r'[^a-z0-9]', '_', document.stem)}_{line}"
        if re.search(r"^int main\(", code, re.M):
            bodies.append(place + re.sub(r"^int main\(", f"void {name}(", code, flags=re.M))
        elif re.match(r"\s*(struct|class) ", code):
            types.append(place + code)
        else:
            bodies.append(f"void {name}({AROUND}) {{ {{\n{place}{code}}} }}\n")
if not types or not bodies:
    sys.exit(f"{sys.argv[1]}: found {len(types)} blocks of types and {len(bodies)} of code; their marks must have changed")
output.write_text("\n".join([*dict.fromkeys(includes), *types, *bodies]))
