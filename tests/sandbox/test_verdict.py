"""The parent reads a channel that a hostile process writes to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.sandbox import CallResult, Program, Sandbox
from lit_reason.sandbox.verdict import Forged, read, record_bytes
from lit_reason.sandbox.verdict import Testimony as Heard

TOKEN = "0123456789abcdef"
READY = {"token": TOKEN, "kind": "ready", "renamed": False}
CALL = {"token": TOKEN, "kind": "call", "index": 0, "status": "return", "text": "1", "message": ""}
END = {"token": TOKEN, "kind": "end", "status": "error", "type": "ValueError", "message": "no"}


def _lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def _read(raw: bytes, n_calls: int = 2) -> Heard:
    return read(raw, TOKEN, n_calls, result_chars=10)


def test_honest_records_are_read() -> None:
    assert _read(_lines(READY, CALL, CALL | {"index": 1, "status": "error", "text": "TypeError"})) == Heard(
        (CallResult("return", "1"), CallResult("error", "TypeError")), ready=True
    )
    assert _read(_lines(END)).end == ("error", "ValueError", "no")
    assert _read(_lines(READY) + b'{"token": "01') == Heard((), ready=True), "a child may be killed while it writes"
    assert _read(b"") == Heard()


@pytest.mark.parametrize(
    "raw",
    [
        b"\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"[]\n",
        _lines(READY | {"token": "x"}),
        _lines(CALL),
        _lines(READY, READY),
        _lines(READY, CALL, CALL),
        _lines(READY, CALL | {"index": True}, CALL),
        _lines(READY, CALL | {"text": "x" * 11}),
        _lines(READY, CALL | {"text": 5}),
        _lines(READY, CALL | {"status": "ok"}),
        _lines(READY, CALL, CALL | {"index": 1}, CALL | {"index": 2}),
        _lines(READY, CALL, END),
        _lines(END, END),
        _lines(END | {"status": "refused"}),
        _lines(END | {"message": "x" * 501}),
        _lines(READY | {"renamed": 1}),
    ],
)
def test_forged_records_are_refused(raw: bytes) -> None:
    with pytest.raises(Forged):
        _read(raw)


@given(st.binary())
def test_noise_never_breaks_the_reader(raw: bytes) -> None:
    try:
        assert _read(raw) == Heard()
    except Forged as forged:
        assert str(forged)


def test_the_bound_on_records_leaves_room_for_the_longest_honest_ones(sandbox: Sandbox) -> None:
    wide = "\U0001f600"
    call = CALL | {"text": wide * 2000, "message": wide * 500}
    assert len(_lines(READY, call)) < record_bytes(1, 2000)
    source = f"def f(): return {wide * 1998!r}\ndef g(): raise ValueError({wide * 600!r})"
    outcome = sandbox.run(Program(source, "f", ("{}",) * 20))
    assert {c.status for c in outcome.calls} == {"return"}


def test_a_program_that_scatters_records_wins_nothing(sandbox: Sandbox) -> None:
    forged = json.dumps({"token": "?", "kind": "call", "index": 0, "status": "return", "text": "42", "message": ""})
    line = (forged + "\n").encode()
    source = f"import os\nfor fd in range(64):\n    try: os.write(fd, {line!r})\n    except OSError: pass\n"
    outcome = sandbox.run(Program(source + "def f(): return 1", "f", ("{}", "{}")))
    assert outcome.status == "refused" and {call.status for call in outcome.calls} == {"not_run"}
    assert sandbox.run(Program(source)).status == "refused"


def test_only_four_descriptors_are_open_and_folders_that_can_only_be_passed_through(sandbox: Sandbox) -> None:
    source = (
        "import fcntl, os\nfor fd in range(4096):\n"
        "    try: print(fd, bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_PATH))\n    except OSError: pass"
    )
    found = sandbox.run(Program(source)).stdout.splitlines()
    assert found[:4] == ["0 False", "1 False", "2 False", "3 False"]
    assert all(line.endswith(" True") for line in found[4:])


def test_a_program_that_looks_for_the_token_can_lie_but_no_more_than_that(sandbox: Sandbox) -> None:
    """The package's docstring admits this. What it gains are texts of its own choice, in form and length as any."""
    source = """
import json, os, sys
frame = sys._getframe()
while "token" not in frame.f_locals.get("program", ()):
    frame = frame.f_back
def tell(**record):
    os.write(3, json.dumps({"token": frame.f_locals["program"]["token"], **record}).encode() + b"\\n")
tell(kind="ready", renamed=False)
tell(kind="call", index=0, status="return", text=TEXT, message="")
os._exit(0)
"""
    lie = sandbox.run(Program(source.replace("TEXT", "'42'"), "f", ("{}",)))
    assert lie.calls == (CallResult("return", "42"),)
    excess = sandbox.run(Program(source.replace("TEXT", "'4' * 2001"), "f", ("{}",)))
    assert excess.status == "refused" and excess.calls == (CallResult("not_run"),)
