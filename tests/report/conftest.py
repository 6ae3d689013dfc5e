"""One realistic run and its report, made once for this folder's tests."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lit_reason.charts import save_charts
from lit_reason.report import write_comparison, write_report
from lit_reason.report.compare import compare


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"report_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def example_run() -> ModuleType:
    """The generator of run directories, `example_run.py`."""
    return _module("example_run")


@pytest.fixture(scope="session")
def report(example_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a realistic run; its directory is the page's parent."""
    return write_report(example_run.write_example_run(tmp_path_factory.mktemp("runs") / "a run"))


@pytest.fixture(scope="session")
def example_study() -> ModuleType:
    """The generator of studies, charts and pairs of runs, `example_study.py`."""
    return _module("example_study")


@pytest.fixture(scope="session")
def pages(example_study: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a study, of a run with charts, and of a comparison."""
    root = tmp_path_factory.mktemp("pages")
    save_charts(root / "run", example_study.example_charts())
    pair = compare(*example_study.write_example_pair(root / "pair"))
    return {
        "study": write_report(example_study.write_example_study(root / "study")),
        "charts": write_report(root / "run"),
        "comparison": write_comparison(pair, root / "pair" / "compare.html"),
    }


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, or a skipped test where there is none."""
    module = _module("browser")
    if module.CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page is not rendered")
    with module.Browser() as running:
        yield running
