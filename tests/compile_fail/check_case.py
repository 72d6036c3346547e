# SPDX-License-Identifier: MIT
"""Checks one case of misuse, for syntax and types alone: with PAM_MISUSE the compiler must refuse it, its first error
holding the sentence of the line `// expect: ...`; without, the passing twin must compile.

usage: check_case.py BUILD SOURCE CASE, where SOURCE is a file of BUILD that is compiled as the cases are to be.
"""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
import syntax_only  # noqa: E402

build, source, case = sys.argv[1:]
command, directory = syntax_only.command_of(build, source)
expected = re.search(r"^// expect: (.*)$", pathlib.Path(case).read_text(encoding="utf-8"), re.MULTILINE)
if not expected:
    sys.exit(f"{case}: no line '// expect: <the sentence of the error>'")

twin = subprocess.run(command + [case], cwd=directory, capture_output=True, text=True, check=False)
if twin.returncode != 0:
    sys.exit(f"{case}: the passing twin does not compile:\n{twin.stderr}")
misuse = subprocess.run(command + ["-DPAM_MISUSE", case], cwd=directory, capture_output=True, text=True, check=False)
if misuse.returncode == 0:
    sys.exit(f"{case} compiled with PAM_MISUSE, but must fail with: {expected[1]}")
first = re.search(r"error: .*", misuse.stderr)
if not first or expected[1] not in first[0]:
    sys.exit(f"{misuse.stderr}\n{case}: the first error must hold '{expected[1]}'")
print("as it must be: " + first[0])
