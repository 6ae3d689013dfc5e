"""A study's directory and charts like a real one's, generated, for the tests of the page.

`python tests/report/example_study.py FOLDER` writes a study, a run with charts and a comparison, to look at.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from lit_reason.charts import Chart, Series, histogram, save_charts
from lit_reason.files import write_text_atomic
from lit_reason.question_scores import save_scores
from lit_reason.results import Results, share
from lit_reason.study_results import StudyRecord, StudyResults, Table, judged, not_testable, over_seeds

METHODS = {"majority vote": 0.48, "shortest majority vote": 0.53, "best of n by log-probability": 0.44, "oracle": 0.7}


def example_charts(seed: int = 0) -> list[Chart]:
    """Accuracy against samples (lines over a logarithmic axis), gains (bars), lengths (histograms)."""
    draw = random.Random(seed)
    n = [1, 2, 4, 8, 16, 32, 64]
    lines = []
    for name, level in METHODS.items():
        figures = [
            share("accuracy", "test", "", round(400 * (level - (level - 0.35) / (i + 1))), 400) for i in range(len(n))
        ]
        lines.append(Series.of_figures(name, n, figures))
    families = ["chain sums", "countdown", "knights and knaves with a long name of a family", "graduate questions"]
    bars = [
        Series(name, families, ys, [y - 0.03 for y in ys], [y + 0.03 for y in ys])
        for name, ys in {"before": [0.1, 0.02, -0.03, 0.2], "after": [0.42, 0.11, 0.05, 0.23]}.items()
    ]
    lengths = {
        "right": [draw.lognormvariate(6.0, 0.5) for _ in range(900)],
        "wrong": [draw.lognormvariate(6.5, 0.5) for _ in range(400)],
    }
    note = "Bands are 95 % Wilson intervals over 400 questions; accuracy at n is the exact expectation over subsets."
    return [
        Chart("lines", "Accuracy against samples", "samples a question", "accuracy", lines, "share", True, note),
        Chart("bars", "Gain by family", "family", "gain over one sample", bars, "share"),
        histogram("Lengths of answers", "tokens", lengths, bins=40, note="The longest 1 % are not left out."),
    ]


def write_example_study(folder: Path) -> Path:
    """Fill a folder with a finished study: three claims of three verdicts, two tables, three charts."""
    gains = [share("accuracy", "test", "", 200 + 9 * seed, 400, [seed]) for seed in range(3)]
    gain = over_seeds("accuracy", "test", "", gains)
    table = Table(
        "Accuracy by method and number of samples",
        ["method", "n = 1", "n = 8", "n = 64", "tokens", "of"],
        [[name, gains[0], gain, gains[2], 31_744 * (i + 1), "held-out questions"] for i, name in enumerate(METHODS)],
        "Means over three seeds; intervals are Student's t over seeds.",
    )
    source = "2502.12215, table 3"
    claims = [
        judged("Shorter chains are right more often than longer ones.", source, "7 of 8 models", gain, above=0.4),
        judged("Voting by length beats the majority by five points.", source, "+5.1 points", gain, above=0.6),
        not_testable("The gap grows with the size of the model.", source, "+1 to +9 points", "One size runs here."),
    ]
    runs = [
        {"run": "sample", "variables": {"seed": s}, "path": f"sample/{s}abc", "seconds": 31.5 + s} for s in range(3)
    ]
    results = StudyResults([table, Table("Empty", ["name", "n"], [])], example_charts(), claims)
    StudyRecord("example", "Do longer chains of thought answer better?", "Zeng et al., 2502.12215", results, runs).save(
        folder
    )
    write_text_atomic(folder / "study.yaml", "title: Do longer chains of thought answer better?\nseeds: [0, 1, 2]\n")
    return folder


def write_example_pair(folder: Path, n: int = 200) -> tuple[Path, Path]:
    """Two runs that share a paired figure, an unpaired one and a count, and have one each of their own."""
    draw, runs = random.Random(1), []
    hard = [draw.random() for _ in range(n)]
    for name, skill in {"first": 0.5, "second": 0.58}.items():
        run = folder / name
        scores = {f"q{i}": float(h < skill) for i, h in enumerate(hard)}
        found = Results(run=name)
        found.put(share("accuracy", "test", "after", int(sum(scores.values())), n))
        found.put(share("coverage", "test", "after", int(n * (skill + 0.2)), n))
        found.put(share(f"only of the {name}", "test", "after", 1, n))
        found.save(run)
        save_scores(run, {("accuracy", "test", "after"): scores})
        runs.append(run)
    return runs[0], runs[1]


if __name__ == "__main__":
    from lit_reason.report import write_comparison, write_report
    from lit_reason.report.compare import compare

    root = Path(sys.argv[1])
    print(write_report(write_example_study(root / "study")))
    save_charts(root / "run", example_charts())
    print(write_report(root / "run"))
    print(write_comparison(compare(*write_example_pair(root / "pair")), root / "pair" / "compare.html"))
