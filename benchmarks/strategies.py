"""Which module trains under which strategy: each pair really runs on two CPU processes and is held against one process.

    python benchmarks/strategies.py

A cell is the largest relative difference in gradient norm and the largest difference in any final weight, or the exit
code of a run that failed. Needs the `deepspeed` and `dev` extras and no peer; about two minutes on two cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.strategies.modules import MODULES, STRATEGIES, command, gaps  # noqa: E402
from tests.strategies.ranks import run_together  # noqa: E402


def main() -> None:
    """Run every pair and print the table of the README."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules = list(enumerate(MODULES))
        alone = {f"one-{i}": command("cpu", module, folder, f"one-{i}", 1) for i, module in modules}
        pairs = {
            f"{strategy}-{i}": command(overlay, module, folder, f"{strategy}-{i}")
            for strategy, overlay in STRATEGIES.items()
            for i, module in modules
        }
        codes = {**run_together(alone, folder / "alone", 1), **run_together(pairs, folder / "pairs")}
        print("| module | " + " | ".join(STRATEGIES) + " |\n|---|" + "---|" * len(STRATEGIES))
        for i, module in modules:
            cells = [_cell(folder, codes, f"{strategy}-{i}", f"one-{i}") for strategy in STRATEGIES]
            print(f"| {module} | " + " | ".join(cells) + " |")


def _cell(folder: Path, codes: dict[str, int], name: str, reference: str) -> str:
    if codes[name]:
        return f"exit code {codes[name]}"
    by_norm, by_weight = gaps(folder / name / "only", folder / reference / "only")
    return f"{by_norm:.0e}, {by_weight:.0e}"


if __name__ == "__main__":
    main()
