#!/usr/bin/env python3
"""Recomputes the table of docs/design-comparison.md from the result files beside this one."""

import json
import pathlib

USES = [
    ("a container", "setup/1", {}),
    ("a VM", "setup/4", {}),
    ("many queues", "setup/64", {}),
    ("the same, batched", "setup/64", {"vfio-msg": ("setup-batched/64", "batch")}),
    ("a vIOMMU, 64 mappings", "dma-churn/64", {}),
    ("a vIOMMU, a million", "dma-churn/1048576", {}),
    ("migration, 16 pairs", "migrate/16", {}),
    ("a kick by doorbell", "kick/doorbell", {}),
    ("a kick by eventfd", "kick/eventfd", {"vfio-msg": ("kick/region-write", "plain")}),
]
INTERFACES = ["vfio-msg", "vfio-ioctl", "vhost-mdev", "vhost-vdpa"]

files = sorted(pathlib.Path(__file__).parent.glob("2*.json"))
results = [json.loads(path.read_text()) for path in files]
# Of the runs in which only the interface differs, the latest.
run = [result["run"] for result in results if result["run"]["setting"] == "alike"][-1]
of = {
    (row["scenario"], row["interface"], row["variant"]): row
    for row in run["seeds"]["spread"]
    if row["side"] == "library"
}
print(f"{'instructions, ' + run['revision']:28}", *(f"{name:>12}" for name in INTERFACES))
for use, scenario, other in USES:
    ways = [(*other.get(name, (scenario, "plain")), name) for name in INTERFACES]
    rows = [of[scenario, name, variant] for scenario, variant, name in ways]
    best = min(rows, key=lambda row: row["median"])
    # Of ten seeds: the least, and what its interval meets or is printed like it.
    printed = [f"{row['median']:,.0f}" for row in rows]
    same = [row["low"] <= best["high"] for row in rows]
    same = [one or text == f"{best['median']:,.0f}" for one, text in zip(same, printed)]
    marks = ["*" if row is best else "~" if one else " " for row, one in zip(rows, same)]
    marks = marks if run["seeds"]["boots"] >= 10 else [" "] * len(rows)
    print(f"{use:28}", *(f"{text:>11}{mark}" for text, mark in zip(printed, marks)))
