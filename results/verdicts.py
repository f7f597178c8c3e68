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
    ("a kick by doorbell", "kick/doorbell", {}),
    ("a kick by eventfd", "kick/eventfd", {"vfio-msg": ("kick/region-write", "plain")}),
]
INTERFACES = ["vfio-msg", "vfio-ioctl", "vhost-mdev", "vhost-vdpa"]

results = [
    json.loads(path.read_text())
    for path in pathlib.Path(__file__).parent.glob("*.json")
    if path.name != "schema.json"
]
counted = [result for result in results if result["run"]["clock"] == "instructions"]
run = max(counted, key=lambda result: result["run"]["date"])
median = {
    (row["scenario"], row["interface"], row["variant"]): row["median"]
    for row in run["timings"]
    if row["side"] == "library"
}
print(f"{'instructions, ' + run['run']['revision']:28}", *(f"{name:>12}" for name in INTERFACES))
for use, scenario, other in USES:
    ways = [(other.get(name, (scenario, "plain")), name) for name in INTERFACES]
    figures = [median[scenario, name, variant] for (scenario, variant), name in ways]
    least = min(figures)
    cells = (f"{figure:>11,.0f}{'*' if figure == least else ' '}" for figure in figures)
    print(f"{use:28}", *cells)
