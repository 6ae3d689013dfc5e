"""Progress off a terminal (plain lines by the clock) and on one (a live bar that leaves a plain line behind)."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import rich
from lightning_utilities.core.rank_zero import rank_zero_only
from rich.console import Console
from rich.progress import Progress

from lit_reason.progress import Job, _Bar, track


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=stream, force_terminal=True, width=160))
    yield stream
    assert _Bar._display is None, "a display was left running"


def plain(terminal: io.StringIO) -> str:
    from rich.text import Text

    return Text.from_ansi(terminal.getvalue()).plain


def test_a_line_every_ten_seconds_and_one_at_the_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Job("grade", total=100, unit="samples", clock=clock) as job:
        for done in range(1, 101):
            clock.now += 0.25
            job.update(done)
    assert capsys.readouterr().out.splitlines() == [
        "grade: 40/100 samples (40 %), 4.0 samples/s, 15 s left",
        "grade: 80/100 samples (80 %), 4.0 samples/s, 5 s left",
        "grade: 100/100 samples (100 %), 4.0 samples/s, 25 s taken",
    ]


def test_long_and_slow_work_is_worded_for_people(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    job = Job("train", total=2_000, unit="steps", clock=clock)
    clock.now += 3_000
    job.update(1_000, note=lambda: "loss 0.51")
    clock.now += 3_000
    job.update(2_000)
    job.close()
    job.close()
    assert capsys.readouterr().out.splitlines() == [
        "train: 1,000/2,000 steps (50 %), 3 s each, 50:00 left, loss 0.51",
        "train: 2,000/2,000 steps (100 %), 3 s each, 0 s left, loss 0.51",
        "train: 2,000/2,000 steps (100 %), 3 s each, 1:40:00 taken, loss 0.51",
    ]


def test_the_rate_counts_neither_earlier_work_nor_pauses(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    job = Job("train", total=200, unit="steps", done=100, clock=clock)
    clock.now += 5
    job.pause()
    clock.now += 1_000
    job.resume()
    clock.now += 5
    job.update(150)
    assert capsys.readouterr().out == "train: 150/200 steps (75 %), 5.0 steps/s, 10 s left\n"


def test_a_note_is_asked_for_only_when_a_line_is_due(clock: Clock) -> None:
    asked = []
    job = Job("train", total=100, clock=clock)
    for done in range(100):
        clock.now += 1
        job.update(done, note=lambda: asked.append(1) or "")
    assert len(asked) == 10


def test_the_last_line_has_the_newest_note(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Job("train", total=3, unit="steps", clock=clock) as job:
        for step in (1, 2, 3):
            clock.now += 1
            job.update(step, note=lambda step=step: f"loss {step}")
    assert capsys.readouterr().out == "train: 3/3 steps (100 %), 1.0 steps/s, 3 s taken, loss 3\n"


def test_work_of_unknown_size_shows_count_and_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    job = Job("harvest", unit="functions", clock=clock)
    clock.now += 10
    job.update(12_000)
    assert capsys.readouterr().out == "harvest: 12,000 functions, 1,200 functions/s\n"


def test_a_short_job_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(range(5), "blink")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().out == ""


def test_track_is_lazy_and_ends_when_its_reader_stops(terminal: io.StringIO) -> None:
    taken = []
    for item in track((taken.append(i) or i for i in range(1000)), "sample"):
        if item == 3:
            break
    assert taken == [0, 1, 2, 3]


def test_a_failure_inside_gives_the_terminal_back(terminal: io.StringIO) -> None:
    with pytest.raises(RuntimeError), Job("sample"):
        raise RuntimeError("the model is gone")


def test_only_the_first_rank_speaks(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    with Job("sample", total=2, clock=clock) as job:
        clock.now += 60
        job.update(1)
    assert capsys.readouterr().out == ""


def test_jobs_on_a_terminal_share_one_display(terminal: io.StringIO, clock: Clock) -> None:
    with Job("train", total=10, unit="steps", clock=clock) as outer:
        clock.now += 2
        outer.update(4, note=lambda: "loss [b]0.51[/b]")
        with Job("sample", total=8, clock=clock) as inner:
            assert inner._bar is not None and outer._bar is not None and inner._bar._on is outer._bar._on
            clock.now += 3
            inner.update(8)
            print("a library speaks")
    text = plain(terminal)
    assert "4/10 steps, 2.0 steps/s, 3 s left, loss [b]0.51[/b]" in text
    assert "a library speaks" in text
    assert "sample: 8/8 (100 %), 2.7/s, 3 s taken" in text
    assert text.rstrip().endswith("train: 4/10 steps (40 %), 1.25 s each, 5 s taken, loss [b]0.51[/b]")
    hidden, shown = (terminal.getvalue().count(f"\x1b[?25{letter}") for letter in "lh")
    assert hidden == shown == 1, "one display hides the cursor once and shows it again"


def test_log_lines_go_above_the_bar_and_back_to_their_stream(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.StringIO()
    monkeypatch.setattr(sys, "stderr", raw)
    handler = logging.StreamHandler()  # made long before, as a library's is at import
    logger = logging.getLogger("tests.progress")
    monkeypatch.setattr(logger, "handlers", [handler])
    with Job("train", total=3):
        logger.warning("during")
        assert raw.getvalue() == ""
    logger.warning("afterwards")
    assert "during\n" in plain(terminal) and handler.stream is raw and raw.getvalue() == "afterwards\n"


def test_a_bar_fits_into_anothers_live_display(terminal: io.StringIO) -> None:
    with Progress(console=rich.get_console(), auto_refresh=False) as foreign:
        foreign.add_task("Lightning's own bar")
        assert list(track(range(3), "sample")) == [0, 1, 2]


def test_the_bar_is_drawn_without_a_thread_of_its_own(terminal: io.StringIO) -> None:
    import threading

    before = threading.active_count()
    with Job("train", total=3) as job:
        job.update(1)
        assert threading.active_count() == before
