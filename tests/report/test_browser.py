"""The page in a real browser, at the width of a phone and of a desk, in both colour schemes."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lit_reason.report import write_report

from .test_page import hostile_run

WIDER = """
[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > WIDTH + 0.5
  && !e.closest("pre, .scroll, .figure, svg")).map(e => e.outerHTML.slice(0, 120))
"""


def assert_quiet(browser: Any, page: Path) -> None:
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert requests == [page.as_uri()]
    complaints = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
    assert not [event for event in browser.events if event["method"] in complaints | {"Page.javascriptDialogOpening"}]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_and_asks_for_nothing(browser: Any, report: Path, width: int, dark: bool) -> None:
    browser.open(report, width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(WIDER.replace("WIDTH", str(width))) == []
    assert_quiet(browser, report)
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


def test_chart_text_lies_inside_the_chart(browser: Any, report: Path) -> None:
    outside = """
    [...document.querySelectorAll(".figure.{} svg text")].filter(e => {{
      const a = e.getBoundingClientRect(), b = e.closest("svg").getBoundingClientRect();
      return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1 || a.top < b.top - 1;
    }}).map(e => e.textContent)
    """
    for width, visible in ((390, "narrow"), (1280, "wide")):
        browser.open(report, width)
        assert browser.evaluate(outside.format(visible)) == []


def test_a_hostile_run_is_shown_and_does_nothing(browser: Any, example_run: ModuleType, tmp_path: Path) -> None:
    page = write_report(hostile_run(example_run, tmp_path / "run"))
    for width in (390, 1280):
        browser.open(page, width)
        browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate(WIDER.replace("WIDTH", str(width))) == []
        assert_quiet(browser, page)
