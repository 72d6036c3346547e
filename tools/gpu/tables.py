#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables of tools/gpu/check.sh.

usage: tables.py goals FILE     the goals, from lines of pam_bench --json; what is missing has not been measured
       tables.py kernels FILE   the kernels furthest above their bound, from lines of kernels_bench --json
       tables.py worst FILE     names of the four worst
"""
import collections
import json
import sys

# How many times as fast as the fastest rival; what a step may take of the memory of the reference expressions (eager).
SPEED = {("infer", "50"): {"unet": 1.5, "fpa": 4.5, "rfna": 1.5, "rfna_section33": 1.5},
         ("train", "50"): {"unet": 1.7, "fpa": 2, "rfna": 2.5, "rfna_section33": 2.5},
         ("infer", "1"): {"unet": 2, "fpa": 2, "rfna": 2, "rfna_section33": 2}}
MEMORY = 0.7


def read(path):
    try:
        with open(path) as lines:
            text = lines.read().splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in text:
        try:
            rows.append(json.loads(line))
        except ValueError:  # cut short while it was written
            pass
    return rows


def verdict(met):
    return "MET" if met else "missed"


def goal_line(title, goal, row, eager):
    line = "%-32s %9.3f" % (title, row["ms"])
    if row["ratio"]:
        line += " %9.3f %6.2f  %-4g %-6s" % (row["peer_ms"], row["ratio"], goal, verdict(row["ratio"] >= goal))
    else:
        line += " %9s %6s  %-4g %-6s" % ("-", "-", goal, "open")
    if row["peak_bytes"] and eager.get("peak_bytes"):
        share = row["peak_bytes"] / eager["peak_bytes"]
        line += " %7.0f %8.2f  %g %-6s" % (row["peak_bytes"] / 2**20, share, MEMORY, verdict(share <= MEMORY))
    return line + "  " + (row["peer_mode"] or "no rival")


def print_goals(path):
    rows = read(path)
    found, where, missing = {}, set(), collections.Counter()
    for row in rows:
        many = "1" if row["batch"] == 1 else "50"
        rows_of = found.setdefault((row["task"], many, row["name"]), {})
        before = rows_of.get(row["backend"], {}).get("ratio")
        if before is None or (row["ratio"] is not None and row["ratio"] < before):  # the fastest rival's of several runs
            rows_of[row["backend"]] = row
        where.add("%s %s, LibTorch %s" % (row["device"], row["dtype"], row["libtorch"]))
        for mode, rival in row.get("rivals", {}).items():
            if "failed" in rival:
                missing["%s: %s" % (mode, rival["failed"])] += 1
    for reason, count in missing.most_common(8):
        print("no time in %d lines: %s" % (count, reason))
    print("%-32s %9s %9s %6s  %-11s %7s %8s  %-10s  %s" %
          ("goals: rival / pam, pam / eager", "pam ms", "rival ms", "ratio", "goal", "MiB", "of eager", "goal",
           "rival"))
    for (task, many), goals in SPEED.items():
        for name, goal in goals.items():
            row = found.get((task, many, name), {})
            if "fused" in row:
                images = row["fused"]["batch"]
                title = "%s %s, %d image%s" % (name, task, images, "s" * (images > 1))
                print(goal_line(title, goal, row["fused"], row.get("reference", {})))
            else:
                print("%s %s, %s images: not measured" % (name, task, many))
    print("; ".join(sorted(where)) or "nothing was measured")
    if any(text.startswith("cpu") for text in where):
        print("A rehearsal on a CPU: it proves no goal.")


def print_kernels(path):
    rows = sorted(read(path), key=lambda row: -row["over_bound"])
    print("%-24s %-18s %-5s %-9s %-9s %9s %8s %8s   (the worst of %d)" %
          ("kernel", "size", "", "type", "pass", "ms", "GB/s", "x bound", len(rows)))
    for row in rows[:20]:
        print("%-24s %-18s %-5s %-9s %-9s %9.3f %8.0f %8.2f" %
              (row["kernel"], row["size"], row["layout"], row["dtype"], row["pass"], row["ms"], row["gb_per_s"],
               row["over_bound"]))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("goals", "kernels", "worst"):
        sys.exit(__doc__)
    if sys.argv[1] == "goals":
        print_goals(sys.argv[2])
    elif sys.argv[1] == "kernels":
        print_kernels(sys.argv[2])
    else:
        names = [row["kernel"] for row in sorted(read(sys.argv[2]), key=lambda row: -row["over_bound"])]
        print(*list(dict.fromkeys(names))[:4], sep="\n")


if __name__ == "__main__":
    main()
