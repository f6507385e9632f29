"""Print a line for each measurement: python -m benchmarks [NAME ...]."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks

OTHERS = (
    "__main__", "ablation", "anatomy", "bundled", "cluster", "confidence", "dicom_readers", "field", "labels", "large",
    "lost", "lost_told", "marks", "measurement", "outlines", "search", "sides", "stretched", "structures",
    "support_choice",
)  # fmt: skip
"""Modules that measure nothing for `make bench`."""
NAMES = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in OTHERS)


def main(names: list[str]) -> None:
    """Run the benchmarks of the given names, or all."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        sys.exit(f"benchmarks: found {', '.join(unknown)}, expected {', '.join(NAMES)}.")
    for name in names or NAMES:
        for measurement in importlib.import_module(f"benchmarks.{name}").measure():
            print(measurement.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
