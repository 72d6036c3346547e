# SPDX-License-Identifier: MIT
"""Compiles every public header by itself, for its syntax alone: it must include what it needs.

usage: check_alone.py BUILD SOURCE INCLUDE JOBS, where SOURCE is a file of BUILD that is compiled as the headers are to
be: with PAM_COMPILED, under which a header and its -inl.hpp are two things, and LibTorch alone precompiled.

Reading the precompiled header takes most of a compilation, so one compilation checks a chain of headers, a before b where
b includes everything that a includes: neither then sees a name that it would not see alone.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
import syntax_only  # noqa: E402

build, source, include, jobs = sys.argv[1:]
command, directory = syntax_only.command_of(build, source)
root = pathlib.Path(include)
text = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.hpp")}
INL = re.compile(r"#ifndef PAM_COMPILED.*?#endif", re.S)
included = {name: set(re.findall(r"#include <(.+?)>", INL.sub("", body))) for name, body in text.items()}
seen = {}


def closure(name):
    """All that `name` includes, other libraries' headers by name alone, and itself."""
    if name not in seen:
        seen[name] = {name}
        seen[name] = {name}.union(*(closure(other) for other in included.get(name, ())))
    return seen[name]


public = sorted(name for name in text if "/detail/" not in name and not name.endswith("-inl.hpp"))
if len(public) < 100:
    sys.exit(f"{include}: only {len(public)} public headers")
before = {}  # the fewest chains: a matching of each header with the one before it


def find_before(name, tried):
    """Whether `name` gets a header before it, others being moved where that is needed."""
    for other in public:
        if other != name and other not in tried and closure(other) < closure(name):
            tried.add(other)
            taken = after.get(other)
            if taken is None or find_before(taken, tried):
                before[name], after[other] = other, name
                return True
    return False


after = {}
for header in public:
    find_before(header, set())
chains = []
for header in (name for name in public if name not in before):
    chains.append([header])
    while chains[-1][-1] in after:
        chains[-1].append(after[chains[-1][-1]])


def problem_of(chain):
    """What the compiler says about the headers of `chain`; empty where it has no complaint."""
    run = subprocess.run(command + ["-x", "c++", "-"], input="".join(f"#include <{name}>\n" for name in chain), text=True,
                         cwd=directory, capture_output=True, check=False)
    return "" if run.returncode == 0 and not run.stderr else f"{', '.join(chain)}:\n{run.stderr}"


# A precompiled header or an earlier include can hide that one of these is missing.
problems = [f"{name}: uses {used}, and includes no {wanted} header itself\n" for name, body in sorted(text.items())
            for used, wanted in (("fmt::", "<fmt/"),)
            if used in re.sub(r'//.*|"(\\.|[^"\\\n])*"', "", body) and f"#include {wanted}" not in body]
with concurrent.futures.ThreadPoolExecutor(int(jobs)) as pool:
    problems += filter(None, pool.map(problem_of, chains))
if problems:
    sys.exit("\n".join(problems) + f"\n{len(problems)} problems in {len(public)} public headers")
print(f"{len(public)} public headers compile by themselves ({len(chains)} compilations)")
