"""The page: complete, self-contained, and deaf to what the model wrote."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from lit_reason import results
from lit_reason.cli import main
from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.report import write_report
from lit_reason.results import Results

ATTACK = "</pre></details></style><script>alert('owned')</script><img src=https://evil.example/x onerror=alert(1)>"
FILES = ["config.yaml", "environment.json", "metrics.csv", "speed.csv", "results.json", "examples.jsonl"]


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][0] != "style":
            self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def copy_of(run: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    for name in FILES:
        (target / name).write_bytes((run / name).read_bytes())
    return target


def test_the_headline_says_before_after_interval_and_n(report: Path) -> None:
    found = Results.load(report.parent)
    before, after = (found.get("strict_pass@1", "planted", when) for when in ("before", "after"))
    assert before and after
    sentence = (
        f"planted: strict pass@1 rose from {before.text()} {before.interval_text()} "
        f"to {after.text()} {after.interval_text()} (n = 120)."
    )
    text = Page(report).text
    assert sentence in text
    assert "real: strict pass@1 shows no clear change, from" in text
    assert "CausalLanguageModel on Case2Code · smollm2-135m · LoRA rank 16 · 300 steps" in text


def test_every_figure_is_on_the_page_with_interval_and_n(report: Path) -> None:
    text = Page(report).text
    for figure in Results.load(report.parent).figures:
        if not figure.name.startswith("kind/"):
            n = f" n {figure.n}" if figure.n else ""
            assert f"{figure.text()} {figure.interval_text()}".rstrip() + n in text, figure


def test_there_are_ten_examples_right_and_wrong_before_beside_after(report: Path) -> None:
    html = report.read_text("utf-8")
    examples = html.partition("<h2>Examples</h2>")[2].partition("</section>")[0].split('<details class="example"')[1:]
    assert len(examples) == 10
    last = [re.findall(r'class="badge tone-(\w+)"', example.partition("</summary>")[0])[-1] for example in examples]
    assert 3 <= last.count("right") <= 7
    for example in examples:
        assert re.findall(r"<h3>(\w+)", example) == ["asked", "reference", "before", "after"]
    assert "hidden cases fail" in html and "<code>solve_" in html


def test_other_sections(report: Path) -> None:
    text = Page(report).text
    for expected in (
        "target tokens a second", "FLOP utilisation", "useful share 41 %"[:12], "sampled tokens 31,744",
        "rows longer than the context 3", "functions harvested, real", "versions torch 2.13.0", "name: smollm2-135m",
        "cpu flags avx2 avx512_bf16", "missing function",
    ):  # fmt: skip
        assert expected.replace(" ", "") in text.replace(" ", ""), expected


def test_the_page_asks_for_nothing_and_runs_nothing(report: Path) -> None:
    page, html = Page(report), report.read_text("utf-8")
    assert not page.tags() & {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "base", "form"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name in ("src", "href", "srcset", "style") or name.startswith("on")}
    assert "url(" not in html and "@import" not in html
    assert set(re.findall(r"https?://[^\s\"'<]*", html)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in html
    assert report.stat().st_size < 400_000


def hostile_run(example_run: ModuleType, folder: Path) -> Path:
    """A run in which every text that comes from outside tries to break out of its place."""
    run = example_run.write_example_run(folder)
    rows = [row for _, row in read_jsonl(run / "examples.jsonl")][:12]
    for row in rows:
        attacked = {key: ATTACK + str(row[key]) for key in ("split", "family", "question_id", "answer", "gold", "kind")}
        failed = [{"call": ATTACK, "expected": ATTACK, "got": "x" * 9_000}]
        row |= attacked | {"prompt": [{"role": ATTACK, "content": ATTACK * 40}], "detail": {"failed": failed}}
    write_jsonl_atomic(run / "examples.jsonl", rows)
    found = Results.load(run)
    for name in (ATTACK, f"kind/{ATTACK}"):
        found.put(results.share(name, ATTACK.replace("/", ""), "after", 3, 9))
    found.put(results.share("strict_pass@1", f"planted/{ATTACK}", "after", 3, 9))
    found.cost = {ATTACK: 1}
    found.dropped = {ATTACK: 2}
    found.save(run)
    (run / "config.yaml").write_text(f"run: {{name: {json.dumps(ATTACK)}}}\nlong: {'word ' * 3_000}\n")
    (run / "environment.json").write_text(json.dumps({ATTACK: [ATTACK]}))
    header = f"step,train/loss,{ATTACK}\n"
    (run / "metrics.csv").write_text(header + "".join(f"{i},{1 / i},1\n" for i in range(1, 60)) + f"1,{ATTACK},2\n")
    (run / "speed.csv").write_text(f"step,speed/{ATTACK}\n1,2\n")
    return run


def test_model_text_cannot_act_on_the_page(example_run: ModuleType, tmp_path: Path) -> None:
    report = write_report(hostile_run(example_run, tmp_path / "run"))
    page = Page(report)
    assert not page.tags() & {"script", "img"}
    assert page.text.count("<script>alert('owned')</script>") > 20
    for figure in (tmp_path / "run" / "figures").iterdir():
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(figure).iter()}
        assert tags <= {"svg", "style", "title", "g", "line", "text", "path", "circle", "rect"}


@pytest.mark.parametrize("missing", [[name] for name in FILES] + [FILES], ids=lambda names: "+".join(names)[:20])
def test_any_file_may_be_absent(report: Path, tmp_path: Path, missing: list[str]) -> None:
    run = copy_of(report.parent, tmp_path / "run")
    for name in missing:
        (run / name).unlink()
    text = Page(write_report(run)).text
    assert "Not everything could be read" not in text
    assert ("strict pass@1 rose" in text) == ("results.json" not in missing)
    if missing == ["results.json"]:
        assert "Training loss went from" in text and "nothing was evaluated" in text
    if missing == FILES:
        assert "This run has recorded no figures yet." in text


def test_a_folder_without_a_run_gets_no_page(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 2
    copy_of(report.parent, tmp_path / "run")
    assert main(["report", str(tmp_path)]) == 2
    without = f"{tmp_path}: neither a run nor a study"
    assert capsys.readouterr().err == f"{without}\n{without}; the newest one in it is {tmp_path / 'run'}\n"
    assert not (tmp_path / "report.html").exists()


def test_what_cannot_be_read_is_said(report: Path, tmp_path: Path) -> None:
    run = copy_of(report.parent, tmp_path / "run")
    (run / "results.json").write_text('{"schema": 9}')
    (run / "config.yaml").write_text("a: [")
    (run / "environment.json").write_text("{")
    (run / "metrics.csv").write_text("step,train/loss\n1,2.5\n2,many\n3,nan\n4,1.5\n")
    with (run / "examples.jsonl").open("ab") as stream:
        stream.write(b'{"split": "pla')
    text = Page(write_report(run)).text
    for note in (
        "results.json: schema 9 is not the one this version reads (1)",
        "config.yaml: while parsing",
        "environment.json: Expecting property name",
        "metrics.csv, line 3: could not convert string to float: 'many'",
        "examples.jsonl, line 497:",
    ):
        assert note in text, note
    assert "Training loss went from 2.5 to 1.5" in text
    assert "10 of the stored answers" in text, "the rows before the cut one are shown"


def test_a_long_list_of_troubles_stays_short(report: Path, tmp_path: Path) -> None:
    run = copy_of(report.parent, tmp_path / "run")
    (run / "metrics.csv").write_text("step,train/loss\n" + "1,bad\n" * 500)
    assert "and 488 more like these" in Page(write_report(run)).text


def test_figures_are_files_of_their_own_in_both_schemes(report: Path) -> None:
    figures = {path.name for path in (report.parent / "figures").iterdir()}
    assert figures == {"learning_curve.svg", "by_family.svg", "verdicts.svg", "throughput.svg"}
    for name in figures:
        text = (report.parent / "figures" / name).read_text("utf-8")
        ElementTree.fromstring(text)
        assert "prefers-color-scheme: dark" in text
        assert "var(" not in text, "converters do not know custom properties"


def test_the_same_files_give_the_same_page(report: Path, tmp_path: Path) -> None:
    again = write_report(copy_of(report.parent, tmp_path / report.parent.name))
    assert again.read_bytes() == report.read_bytes()
