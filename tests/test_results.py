"""results.json: a mean without n and interval cannot exist, neither in memory nor in a file."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from lit_reason import results
from lit_reason.results import Figure, Results, difference, mean, share, summary_table


def example() -> Results:
    found = Results(run="case2code/7", cost={"training seconds": 508.2}, dropped={"too long": 3})
    for when, right in (("before", 1), ("after", 43)):
        found.put(share("strict pass@1", "planted", when, right, 120, seeds=[0]))
        found.put(share("strict pass@1", "planted/prefix", when, right // 10, 12))
        found.put(mean("case fraction", "planted", when, [0.0] * (120 - right) + [1.0] * right))
    found.put(difference("strict pass@1", "planted", [0] * 120, [0] * 78 + [1] * 42))
    found.put(results.count("functions kept", "", "", 1553))
    found.put(results.value("training loss", "", "", 0.4172))
    return found


@pytest.mark.parametrize("kind", ["share", "mean", "share_difference", "mean_difference"])
@pytest.mark.parametrize("missing", ["n", "ci95", "ci_method"])
def test_an_estimate_without_n_or_interval_is_refused(kind: Any, missing: str) -> None:
    whole: dict[str, Any] = {"n": 10, "ci95": (0.1, 0.9), "ci_method": "wilson"}
    Figure("pass", "planted", "after", 0.5, **whole, kind=kind)
    with pytest.raises(ValueError, match=r"figure 'pass \| planted \| after': a .* needs " + missing.split("_")[0]):
        Figure("pass", "planted", "after", 0.5, **{**whole, missing: None}, kind=kind)


def test_a_figure_is_a_mean_unless_it_says_otherwise() -> None:
    with pytest.raises(ValueError, match="needs n"):
        Figure("pass", "planted", "after", 0.5)
    with pytest.raises(ValueError, match="needs n"):
        Figure("pass", "planted", "after", 0.5, n=0, ci95=(0, 1), ci_method="wilson")


@pytest.mark.parametrize("interval", [(0.9, 0.1), (0.1,), (float("nan"), 1.0), ("0", "1")])
def test_a_bad_interval_is_refused(interval: Any) -> None:
    with pytest.raises(ValueError, match="not two finite numbers in order"):
        Figure("pass", "planted", "after", 0.5, 10, interval, "wilson")


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        share("pass", "planted", "after", 0, 0)


def test_put_replaces_in_place() -> None:
    found = example()
    found.put(share("strict pass@1", "planted", "before", 2, 100))
    assert [f.key for f in found.figures] == [f.key for f in example().figures]
    assert found.figures[0].value == 0.02 and found.figures[0].n == 100


def test_saved_and_loaded_results_are_equal(tmp_path: Path) -> None:
    path = example().save(tmp_path)
    assert Results.load(tmp_path) == example()
    document = json.loads(path.read_text())
    assert document["schema"] == 1 and list(document) == ["schema", "run", "figures", "cost", "dropped"]
    planted = document["figures"][0]
    assert (planted["value"], planted["n"], planted["ci_method"], planted["seeds"]) == (1 / 120, 120, "wilson", [0])


def test_numpy_numbers_are_saved(tmp_path: Path) -> None:
    found = Results(run="r")
    found.put(share("pass", "all", "after", np.int64(3), np.int64(4), seeds=[np.int64(1)]))
    found.put(mean("fraction", "all", "after", np.array([0.5, 0.25], dtype=np.float32)))
    found.put(results.count("kept", "", "", np.int64(5)))
    found.save(tmp_path)
    assert Results.load(tmp_path) == found


def test_a_run_without_results_has_none(tmp_path: Path) -> None:
    assert Results.load(tmp_path) == Results()
    assert summary_table(Results()).row_count == 0


def _without_interval(document: dict[str, Any]) -> None:
    document["figures"][1]["ci95"] = None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_interval, "figures[1]: figure 'strict pass@1 | planted/prefix | before': a share needs ci95"),
        (lambda d: d["figures"][2].pop("n"), "figures[2]: the key 'n' is missing"),
        (lambda d: d["figures"][0].update(value="0.4"), "figures[0].value: expected a number, found '0.4'"),
        (lambda d: d["figures"][0].update(n=True), "figures[0].n: expected a whole number or null, found True"),
        (lambda d: d["figures"][0].update(extra=1), "figures[0]: unknown key 'extra'"),
        (lambda d: d["figures"][0].update(kind="average"), "kind is 'average', not one of share, mean"),
        (lambda d: d["figures"].append(3), "expected an object, found 3"),
        (lambda d: d.update(schema=2), "schema 2 is not the one this version reads (1)"),
        (lambda d: d.pop("schema"), "it has no key 'schema'"),
        (lambda d: d.update(cost=[]), "cost: expected an object, found []"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(tmp_path: Path, damage: Any, message: str) -> None:
    path = example().save(tmp_path)
    document = json.loads(path.read_text())
    damage(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError) as caught:
        Results.load(tmp_path)
    assert message in str(caught.value) and str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    path = example().save(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"results\.json: "):
        Results.load(tmp_path)


def test_difference_is_after_minus_before() -> None:
    rose = difference("pass", "all", before=[0, 0, 1, 0], after=[1, 1, 1, 0])
    assert rose.value == 0.5 and rose.when == "change" and rose.text() == "+50.0 points"
    fell = difference("length", "all", before=[3.0, 5.0], after=[2.0, 2.0])
    assert fell.value == -2 and fell.text() == "-2.00" and fell.kind == "mean_difference"


def printed(found: Results, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(summary_table(found))
    return stream.getvalue()


def test_the_summary_puts_before_beside_after() -> None:
    header, name, planted, prefix, *_ = printed(example(), 120).splitlines()
    assert header.split() == ["before", "after", "change", "value", "n"]
    assert name.strip() == "strict pass@1"
    assert re.split(r"\s{2,}", planted.strip()) == [
        "planted", "0.8 % [0.1, 4.6]", "35.8 % [27.8, 44.7]", "+35.0 points [26.7, 43.3]", "120",
    ]  # fmt: skip
    assert prefix.split()[0] == "prefix" and prefix.split()[-1] == "12"
    assert "1,553" in printed(example(), 120) and "0.417" in printed(example(), 120)


def test_the_summary_breaks_between_value_and_interval_in_a_narrow_terminal() -> None:
    lines = printed(example(), 76).splitlines()
    at = next(i for i, line in enumerate(lines) if "planted" in line)
    assert "35.8 %" in lines[at] and "[" not in lines[at]
    assert re.split(r"\s{2,}", lines[at + 1].strip()) == ["[0.1, 4.6]", "[27.8, 44.7]", "[26.7, 43.3]"]
    assert max(map(len, lines)) <= 76


def test_a_measure_is_shown_in_one_unit() -> None:
    found = example()
    found.put(share("case fraction", "real", "before", 0, 128))  # fractions that were all zero
    real = next(line for line in printed(found, 140).splitlines()[6:] if line.strip().startswith("real"))
    assert "0.00 [0.00, 0.0291]" in real and "%" not in real


def test_parts_of_measures_are_left_to_the_report() -> None:
    found = example()
    found.put(share("kind/syntax", "planted", "after", 3, 120))
    found.put(share("kind/syntax", "planted/prefix", "after", 3, 12))
    assert "syntax" not in printed(found, 120)


def test_the_summary_is_not_read_as_markup() -> None:
    found = Results(figures=[results.count("[red]odd", "[bold]", "", 1)])
    assert "[red]odd" in printed(found, 100) and "[bold]" in printed(found, 100)
