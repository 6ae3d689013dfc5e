"""The page in a real browser, at the width of a phone and of a desk, in both colour schemes."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lit_reason.report import write_report

from .test_page import hostile_run
from .test_study_page import hostile_study

WIDER = """
[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > WIDTH + 0.5
  && !e.closest("pre, .scroll, .figure, svg")).map(e => e.outerHTML.slice(0, 120))
"""


def assert_quiet(browser: Any, page: Path) -> None:
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert requests == [page.as_uri()]
    complaints = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
    assert not [event for event in browser.events if event["method"] in complaints | {"Page.javascriptDialogOpening"}]


def assert_fits(browser: Any, page: Path, width: int, dark: bool = False) -> None:
    browser.open(page, width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(WIDER.replace("WIDTH", str(width))) == []
    assert_quiet(browser, page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("which", ["run", "study", "charts", "comparison"])
def test_it_fits_and_asks_for_nothing(
    browser: Any, report: Path, pages: dict[str, Path], which: str, width: int, dark: bool
) -> None:
    assert_fits(browser, {"run": report, **pages}[which], width, dark)
    paper, ink = (
        browser.evaluate(f"getComputedStyle(document.body).{what}.match(/\\d+/g).slice(0, 3).map(Number)")
        for what in ("backgroundColor", "color")
    )
    assert (sum(paper) < 150 and sum(ink) > 600) if dark else (sum(paper) > 700 and sum(ink) < 150)


@pytest.mark.parametrize(("width", "visible"), [(390, "narrow"), (1280, "wide")])
def test_charts_are_drawn_for_the_width(browser: Any, report: Path, width: int, visible: str) -> None:
    browser.open(report, width)
    shown = "[...document.querySelectorAll('.figure')].filter(e => e.offsetParent).map(e => e.className)"
    assert browser.evaluate(shown) == [f"figure {visible}"] * 4
    size = "[...document.querySelectorAll('.figure.{} text.tick')].map(e => e.getBoundingClientRect().height)"
    assert min(browser.evaluate(size.format(visible))) > 11, "text keeps its size"


OUTSIDE = """
[...document.querySelectorAll(".figure.SHOWN svg text")].filter(e => {
  const a = e.getBoundingClientRect(), b = e.closest("svg").getBoundingClientRect();
  return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1 || a.top < b.top - 1;
}).map(e => e.textContent)
"""
OVERLAPPING = """
[...document.querySelectorAll(".figure.SHOWN svg")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
  return boxes.flatMap(([s, a], i) => boxes.slice(i + 1).filter(([t, b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3
  ).map(([t, b]) => s + " over " + t));
})
"""


@pytest.mark.parametrize(("width", "shown"), [(320, "narrow"), (390, "narrow"), (1280, "wide")])
def test_chart_text_lies_inside_the_chart_and_apart(
    browser: Any, report: Path, pages: dict[str, Path], width: int, shown: str
) -> None:
    for page in (report, *pages.values()):
        browser.open(page, width)
        assert browser.evaluate(OUTSIDE.replace("SHOWN", shown)) == []
        assert browser.evaluate(OVERLAPPING.replace("SHOWN", shown)) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_series_are_told_apart_by_colour(browser: Any, pages: dict[str, Path], dark: bool) -> None:
    browser.open(pages["charts"], 1280, dark=dark)
    lines = "[...document.querySelectorAll('.wide path.line')].map(e => getComputedStyle(e).stroke)"
    colours = browser.evaluate(lines)
    assert len(colours) == len(set(colours)) == 4


def test_a_hostile_run_is_shown_and_does_nothing(browser: Any, example_run: ModuleType, tmp_path: Path) -> None:
    page = write_report(hostile_run(example_run, tmp_path / "run"))
    for width in (390, 1280):
        assert_fits(browser, page, width)


def test_a_hostile_study_is_shown_and_does_nothing(browser: Any, example_study: ModuleType, tmp_path: Path) -> None:
    page = write_report(hostile_study(example_study, tmp_path / "study"))
    for width in (320, 1280):
        assert_fits(browser, page, width)
