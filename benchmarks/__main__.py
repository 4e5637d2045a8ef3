"""All benchmarks, one after the other: ``make bench``, or ``python -m benchmarks``."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "retrieval",
    "answers",
    "choices",
    "tables",
    "pictures",
    "charts",
    "pointing",
    "sheets",
    "pages",
    "boxes",
    "latency",
    "service",
    "embedder",
    "robust",
    "routing",
)

for name in NAMES:
    print(f"--- {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.bench_{name}"], check=True)
