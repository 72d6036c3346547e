#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the documentation site with mkdocs, strictly: a broken link fails.

usage: tools/build_docs.py SITE

The pages are docs/*.md, README.md as the first one, and an API reference made from the headers' /// comments. Links out of
docs/ to files of the tree lead to copies of those files in the site; links to folders become plain text.
"""
import html
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

root = pathlib.Path(__file__).resolve().parent.parent
DECLARATION = re.compile(r"^\s*(template|struct|class|enum|inline|const|constexpr|static|using|explicit|void|bool|auto|std::|torch::"
                         r"|\[\[nodiscard\]\]|[A-Z]\w*)")


def relink(text, page, staged):
    """`text` of `page`, a file of the tree, with its relative links as they must be in the site's flat folder."""
    def one(match):
        label, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match.group()
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve()
        if path.is_dir():
            return label.lstrip("!").strip("[]")
        inside = path.relative_to(root)
        if inside.parts[0] == "docs":
            place = pathlib.Path(*inside.parts[1:])
        elif path.suffix == ".md":  # CONTRIBUTING.md and the like become pages of their own
            place = pathlib.Path(path.name.lower())
            if path.exists() and not (staged / place).exists():
                (staged / place).write_text("")
                (staged / place).write_text(relink(path.read_text(), path, staged))
        else:
            place = pathlib.Path("source", str(inside) + ".txt")
            if path.exists():
                (staged / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, staged / place)
        return f"{label}({place}{'#' + anchor if anchor else ''})"
    return re.sub(r"(!?\[[^\]]*\])\(([^)\s]+)\)", one, text)


def documented(header):
    """(what the header says of itself, [(comment, declaration), …]) of everything public with a /// comment."""
    lines = header.read_text().split("\n")
    head, entries, comment, internal, owner = [], [], [], 0, ""
    index = 1
    while index < len(lines) and lines[index].startswith("///"):
        head.append(lines[index][3:].removeprefix(" "))
        index += 1
    while index < len(lines):
        line = lines[index]
        if re.match(r"namespace pam::\w*detail|namespace detail", line):
            internal = 1
        elif internal and line.startswith("}  // namespace") and "detail" in line:
            internal = 0
        opened = re.match(r"(?:class|struct) (\w+)[^;]*$", line)
        owner = opened.group(1) if opened else owner
        if line.lstrip().startswith("///"):
            comment.append(line.lstrip()[3:].removeprefix(" "))
        elif comment:
            declaration = [line]
            while not re.search(r"[;{]\s*(///.*)?$|[;{] ", declaration[-1]) and index + 1 < len(lines):
                index += 1
                declaration.append(lines[index])
            text = "\n".join(declaration)
            opened = re.match(r"(?:template .*\n)?(?:class|struct) (\w+)", text)
            owner = opened.group(1) if opened else owner
            if line.startswith(" "):
                text = f"// in {owner}\n{textwrap.dedent(text)}"
            if not internal and DECLARATION.match(text.split("\n", 1)[1] if text.startswith("// in") else text):
                entries.append((comment, re.sub(r"\s*(///[^\n]*|(?<!=)\s\{(?!\}).*)$", "", text, flags=re.S)))
            comment = []
        index += 1
    return head, entries


def quoted(lines):
    """A comment as Markdown: text as it stands, indented parts and tables as code."""
    out, code = [], False
    for line in lines:
        is_code = line.startswith(("    ", "|")) or (code and line.startswith("  "))
        if is_code != code:
            out.append("```")
            code = is_code
        parts = line.split("`")  # every other part is code, which needs no escapes
        for i in range(0, len(parts), 2):
            parts[i] = re.sub(r"([*_#\[\]])", r"\\\1", html.escape(parts[i], quote=False))
        out.append(line if code else "`".join(parts))
    return "\n".join(out + (["```"] if code else []))


def api(staged):
    """One page a folder of include/pam, and the list of them."""
    index = ["# API reference", "", "Made from the headers' comments; `#include` names the header.", ""]
    for folder in sorted(p for p in (root / "include/pam").iterdir() if p.is_dir()):
        page, count = [f"# pam/{folder.name}", ""], 0
        for header in sorted(set(folder.rglob("*.hpp")) - set(folder.rglob("*-inl.hpp"))):
            head, entries = documented(header)
            page += [f"## {header.relative_to(folder)}", "", f"`#include <{header.relative_to(root / 'include')}>`", "",
                     quoted(head), ""]
            for comment, declaration in entries:
                page += ["```cpp", declaration, "```", "", quoted(comment), ""]
                count += 1
        (staged / f"api-{folder.name}.md").write_text("\n".join(page))
        index.append(f"- [pam/{folder.name}](api-{folder.name}.md): {count} documented names")
    (staged / "api.md").write_text("\n".join(index) + "\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} SITE")
    if shutil.which("mkdocs") is None:
        print("SKIPPED: tree/docs_site: needs mkdocs (tools/install_dependencies.sh --for docs)")
        sys.exit(1)
    site = pathlib.Path(sys.argv[1]).resolve()
    staged = site.with_name(site.name + "-source")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for file in [*(root / "docs/images").rglob("*"), *(root / "docs/replication").rglob("*")]:
        if file.is_file():
            place = staged / file.relative_to(root / "docs")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    shutil.copy(root / "docs/extra.css", staged / "extra.css")
    for page in (root / "docs").glob("*.md"):
        (staged / page.name).write_text(relink(page.read_text(), page, staged))
    (staged / "index.md").write_text(relink((root / "README.md").read_text(), root / "README.md", staged))
    api(staged)
    config = (root / "mkdocs.yml").read_text()
    config = re.sub(r"^docs_dir:.*$", f"docs_dir: {staged}", config, flags=re.M)
    config = re.sub(r"^site_dir:.*$", f"site_dir: {site}", config, flags=re.M)
    config_file = site.with_name(site.name + "-mkdocs.yml")
    config_file.write_text(config)
    sys.exit(subprocess.run(["mkdocs", "build", "--strict", "--quiet", "--config-file", str(config_file)]).returncode)


main()
