#!/usr/bin/env python3
"""Recomputes the table of docs/design-comparison.md from the result files beside this one."""

import json
import pathlib

SIZED = "sized-device"
USES = [
    ("a container", SIZED, "setup/1", {}),
    ("a VM", SIZED, "setup/4", {}),
    ("many queues", SIZED, "setup/64", {}),
    ("the same, batched", SIZED, "setup/64", {"vfio-msg": ("setup-batched/64", "batch")}),
    ("a vIOMMU, 64 mappings", "usual", "dma-churn/64", {}),
    ("a vIOMMU, a million", "usual", "dma-churn/1048576", {}),
    ("a kick by doorbell", "usual", "kick/doorbell", {}),
    ("a kick by eventfd", "usual", "kick/eventfd", {"vfio-msg": ("kick/region-write", "plain")}),
]
INTERFACES = ["vfio-msg", "vfio-ioctl", "vhost-mdev", "vhost-vdpa"]

files = sorted(pathlib.Path(__file__).parent.glob("2*.json"))
results = [json.loads(path.read_text()) for path in files]
counted = [result for result in results if result["run"]["clock"] == "instructions"]
# The latest of each setting.
runs = {result["run"]["setting"]: result for result in counted}
print(f"{'instructions':28}", *(f"{name:>12}" for name in INTERFACES))
for use, setting, scenario, other in USES:
    seeds = runs.get(setting, runs["usual"])["run"]["seeds"]
    of = {
        (row["scenario"], row["interface"], row["variant"]): row
        for row in seeds["spread"]
        if row["side"] == "library"
    }
    keys = [(*other.get(name, (scenario, "plain")), name) for name in INTERFACES]
    rows = [of[scenario, name, variant] for scenario, variant, name in keys]
    best = min(rows, key=lambda row: row["median"])
    # Over ten seeds: the least, and what its interval meets.
    marks = ["*" if row is best else "~" if row["low"] <= best["high"] else " " for row in rows]
    marks = marks if seeds["boots"] >= 10 else [" "] * len(rows)
    print(f"{use:28}", *(f"{row['median']:>11,.0f}{mark}" for row, mark in zip(rows, marks)))
