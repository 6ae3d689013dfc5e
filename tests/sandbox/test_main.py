"""`python -m lit_reason.sandbox`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lit_reason.sandbox import Sandbox
from lit_reason.sandbox.__main__ import main

CHANNEL = "the program wrote to the sandbox's own channel"


def _run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, object]]:
    status = main(list(argv))
    (line,) = capsys.readouterr().out.splitlines()
    return status, json.loads(line)


def test_one_line_of_json_as_a_command(tmp_path: Path) -> None:
    program = tmp_path / "a program.py"
    program.write_text("print('hello')", encoding="utf-8")
    command = [sys.executable, "-m", "lit_reason.sandbox", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    row = json.loads(done.stdout)
    assert list(row) == ["status", "stdout", "error", "seconds", "protections"]
    assert (row["status"], row["stdout"], row["error"]) == ("ok", "hello\n", None)
    assert row["protections"]["landlock"] >= 1 and row["protections"]["seccomp"] is True


def test_root_of_a_rootless_container_is_no_obstacle(tmp_path: Path) -> None:
    """A user namespace with one user in it: nobody to become, so only the capabilities go."""
    if subprocess.run(["unshare", "-r", "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    program = tmp_path / "program.py"
    program.write_text("open('x', 'w').close()\nimport os; print(os.getuid(), os.listdir())\nos.setuid(1)")
    command = ["unshare", "-r", sys.executable, "-m", "lit_reason.sandbox", str(program)]
    row = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2]).stdout)
    assert row["stdout"] == "0 ['x']\n" and row["error"].startswith("PermissionError")
    assert all(row["protections"].values())


def test_limits_and_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "program.py"
    program.write_text("while True: pass")
    status, row = _run(capsys, str(program), "--timeout", "0.3")
    assert (status, row["status"]) == (1, "timeout")
    program.write_text("x = bytearray(200 << 20)")
    assert _run(capsys, str(program), "--memory", "150")[1]["status"] == "memory"
    assert _run(capsys, str(program), "--memory", "300")[1]["status"] == "ok"
    program.write_text("1 / 0")
    assert _run(capsys, str(program))[1]["error"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("source", "status", "error"),
    [
        ("print(1)", "ok", None),
        ("def f(:", "error", "SyntaxError: invalid syntax (<program>, line 1)"),
        ("import time; time.sleep(9)", "timeout", "the time is up"),
        ("x = bytearray(900 << 20)", "memory", "MemoryError"),
        ("import os; os.abort()", "killed", "the process was ended by SIGSEGV"),
        ("import os; os.write(3, b'x')", "refused", f"{CHANNEL}: a record that is no JSON"),
        ("import os; os.write(3, b'x\\n')", "refused", f"{CHANNEL}: more records than there are calls"),
        ("while True: print('x' * 10000)", "output_limit", "too much on standard output"),
        ("# coding: latin-1\nprint(len('\xe4'))", "ok", None),
    ],
)
def test_every_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, status: str, error: str | None
) -> None:
    program = tmp_path / "program.py"
    program.write_bytes(source.encode("latin-1"))
    code, row = _run(capsys, str(program), "--timeout", "0.5")
    assert list(row) == ["status", "stdout", "error", "seconds", "protections"]
    assert (code, row["status"]) == (0 if status == "ok" else 1, status)
    assert row["error"] == error or (status == "killed" and str(row["error"]).startswith("the process was ended by"))


def test_a_missing_protection_is_a_refusal_in_json_unless_permitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"open({str(tmp_path / 'made')!r}, 'w')")
    monkeypatch.setattr(Sandbox, "_without", frozenset({"landlock", "identity"}))
    code, row = _run(capsys, str(program))
    assert (code, row["status"], row["stdout"]) == (2, "refused", "") and "Landlock" in str(row["error"])
    assert row["protections"] == {"landlock": 0, "seccomp": True, "rlimits": True, "identity": False}
    assert not (tmp_path / "made").exists()
    assert _run(capsys, str(program), "--allow_unprotected")[0] == 0 and (tmp_path / "made").exists()


def test_help_tells_what_is_not_covered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "What it does NOT cover" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [["no-such-file.py"], *([__file__, *option] for option in (["--timeout=0"], ["--timeout=nan"], ["--memory=1"]))],
)
def test_mistakes_end_in_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
