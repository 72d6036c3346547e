# SPDX-License-Identifier: MIT
"""Compiles every header of a folder by itself, for its syntax alone: it must include what it needs.

usage: check_alone.py BUILD SOURCE INCLUDE JOBS, where SOURCE is a file of BUILD that is compiled as the headers are to
be: with PAM_COMPILED, under which a header and its -inl.hpp are two things, and LibTorch alone precompiled.
"""
import concurrent.futures
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
import syntax_only  # noqa: E402

build, source, include, jobs = sys.argv[1:]
command, directory = syntax_only.command_of(build, source)


def problem_of(header):
    """What the compiler says about `header` alone; empty where it has no complaint."""
    run = subprocess.run(command + ["-x", "c++", "-"], input=f"#include <{header}>\n", text=True, cwd=directory,
                         capture_output=True, check=False)
    return "" if run.returncode == 0 and not run.stderr else f"{header}:\n{run.stderr}"


headers = sorted(str(path.relative_to(include)) for path in pathlib.Path(include).rglob("*.hpp"))
if len(headers) < 100:
    sys.exit(f"{include}: only {len(headers)} headers")
with concurrent.futures.ThreadPoolExecutor(int(jobs)) as pool:
    problems = [problem for problem in pool.map(problem_of, headers) if problem]
if problems:
    sys.exit("\n".join(problems) + f"\n{len(problems)} of {len(headers)} headers do not compile by themselves")
print(f"{len(headers)} headers compile by themselves")
