"""Command lines run one after another by a few processes that meet over gloo, as torchrun would start them.

Importing the stack and deepspeed takes most of a small run's time, so these processes run many. As a program, it is one
of the processes: `ranks.py COMMANDS.json EXIT_CODES.json`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900


def run_together(commands: dict[str, list[str]], folder: Path, processes: int = 2) -> dict[str, int]:
    """Exit codes by name. What the processes said is in `folder/rank*.log`.

    Raises:
        AssertionError: the processes stopped early or hang; their last words are shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "commands.json").write_text(json.dumps(commands))
    (folder / "codes.json").write_text("{}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [_start(rank, processes, port, folder) for rank in range(processes)]
    try:
        ended = [process.wait(timeout=PATIENCE) for process in running]
    except subprocess.TimeoutExpired:
        ended = [None]
    finally:
        for process in running:
            process.kill()
    assert ended == [0] * processes, (folder / "rank0.log").read_text()[-4000:]
    return json.loads((folder / "codes.json").read_text())


def _start(rank: int, processes: int, port: int, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": folder.name,
        "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
        "TORCH_EXTENSIONS_DIR": str(folder / "extensions"),
    }  # fmt: skip
    arguments = [sys.executable, str(Path(__file__)), str(folder / "commands.json"), str(folder / "codes.json")]
    with (folder / f"rank{rank}.log").open("w") as log:
        return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)


def _main(commands: Path, codes: Path) -> None:
    from lit_reason.cli import main

    done: dict[str, int] = {}
    for name, command in json.loads(commands.read_text()).items():
        print(f"== {name}", flush=True)
        done[name] = main(command)
        if os.environ["RANK"] == "0":
            codes.write_text(json.dumps(done))


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
