"""One cluster for all tests of this folder, and the rows that they train on."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import PROGRAMS, Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    assert all(map(shutil.which, PROGRAMS)) and os.geteuid() == 0
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [{"prompt": f"{i}", "completion": "".join(draw.choices("abc ", k=draw.randint(2, 40)))} for i in range(64)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
