"""What programs give: results, errors, limits, and the same answers every time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from lit_reason.sandbox import CallResult, Limits, Outcome, Program, Sandbox

QUICK = Limits(wall_seconds=3, call_seconds=0.3)


def _call(sandbox: Sandbox, source: str, *calls: str, limits: Limits = QUICK, **options: bool) -> Outcome:
    outcome = sandbox.run(Program(source, "f", calls, limits=limits, **options))
    assert len(outcome.calls) == len(calls)
    return outcome


def _one(sandbox: Sandbox, source: str, call: str = "{}", limits: Limits = QUICK) -> CallResult:
    return _call(sandbox, source, call, limits=limits).calls[0]


def test_a_script_prints_and_ends(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        Program("import sys\nif __name__ == '__main__': print('ü', 1 + 1)\nprint('x', file=sys.stderr)")
    )
    assert (outcome.status, outcome.stdout, outcome.error) == ("ok", "ü 2\n", None)
    assert outcome.calls == () and 0 < outcome.seconds < 5


def test_a_function_is_called_on_fresh_arguments_each_time(sandbox: Sandbox) -> None:
    source = "def f(xs, end=0):\n    xs.append(end)\n    return xs\nname = __name__"
    outcome = _call(sandbox, source, "{'xs': [1]}", "{'xs': [1], 'end': 2.5}", "{'xs': [1]}")
    assert outcome.status == "ok" and [call.text for call in outcome.calls] == ["[1, 0]", "[1, 2.5]", "[1, 0]"]
    assert _one(sandbox, "def f(): return __name__").text != repr("__main__")


def test_exceptions_are_answers(sandbox: Sandbox) -> None:
    source = (
        "def f(x):\n"
        "    if x == 0: raise ValueError('no ' + 'x' * 9999)\n"
        "    if x == 1: raise SystemExit(3)\n"
        "    if x == 2: raise KeyboardInterrupt\n"
        "    if x == 3: return f(3)\n"
        "    return x"
    )
    outcome = _call(sandbox, source, *(f"{{'x': {x}}}" for x in range(5)), "{'y': 1}")
    kinds = ["ValueError", "SystemExit", "KeyboardInterrupt", "RecursionError", "4", "TypeError"]
    assert outcome.status == "ok" and [call.text for call in outcome.calls] == kinds
    assert [call.status for call in outcome.calls] == ["error"] * 4 + ["return", "error"]
    assert outcome.calls[0].message.startswith("no xxx") and len(outcome.calls[0].message) == 500


@pytest.mark.parametrize("call", ["[1]", "{1: 2}", "open('x')", "{'x': ", "{'x': lambda: 1}"])
def test_arguments_that_are_no_literal_dict_are_the_callers_mistake(sandbox: Sandbox, call: str) -> None:
    assert _one(sandbox, "def f(**k): return k", call).text == "BadArguments"


@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        ("def f(:", "SyntaxError", "invalid syntax"),
        ("import nothing_like_it", "ModuleNotFoundError", "nothing_like_it"),
        ("import numpy", "ModuleNotFoundError", "numpy"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("import sys; sys.exit(0)", "SystemExit", "0"),
        ("def g(): pass\ndef h(): pass", "MissingFunction", "'f'"),
        ("f = 3", "MissingFunction", "'f'"),
    ],
)
def test_a_program_that_cannot_be_called(sandbox: Sandbox, source: str, error_type: str, message: str) -> None:
    outcome = _call(sandbox, source, "{}", "{}")
    assert (outcome.status, outcome.error_type) == ("error", error_type) and message in (outcome.error or "")
    assert {call.status for call in outcome.calls} == {"not_run"}


def test_renaming_takes_the_only_function_and_says_so(sandbox: Sandbox) -> None:
    source = "class C:\n    def m(self): pass\ndef solve(x): return -x"
    assert _call(sandbox, source, "{'x': 1}").error_type == "MissingFunction"
    outcome = _call(sandbox, source, "{'x': 1}", allow_rename=True)
    assert outcome.renamed and outcome.calls[0].text == "-1"
    assert not _call(sandbox, source.replace("solve", "f"), "{'x': 1}", allow_rename=True).renamed
    assert _call(sandbox, source + "\ndef g(): pass", "{}", allow_rename=True).error_type == "MissingFunction"


def test_results_are_bounded(sandbox: Sandbox) -> None:
    limits = Limits(wall_seconds=3, call_seconds=2, result_chars=50)
    assert _one(sandbox, "def f(): return 'a' * 48", limits=limits) == CallResult("return", repr("a" * 48))
    assert _one(sandbox, "def f(): return 'a' * 49", limits=limits) == CallResult("too_long", repr("a" * 49)[:50])
    assert _one(sandbox, "def f(): return 10 ** 9000", limits=limits).status == "too_long"
    endless = "class R:\n    def __repr__(self):\n        while True: pass\ndef f(): return R()"
    assert _one(sandbox, endless).status == "timeout"
    assert _one(sandbox, "class R:\n    def __repr__(self): return 1\ndef f(): return R()").text == "TypeError"


def test_a_call_that_hangs_loses_only_itself(sandbox: Sandbox) -> None:
    deaf = "while True:\n            try:\n                while True: pass\n            except BaseException: pass"
    source = f"import time\ndef f(x):\n    if x == 1: time.sleep(9)\n    if x == 2:\n        {deaf}\n    return x"
    outcome = _call(sandbox, source, *(f"{{'x': {x}}}" for x in range(4)))
    assert [call.status for call in outcome.calls] == ["return", "timeout", "timeout", "return"]
    assert outcome.status == "ok" and outcome.calls[3].text == "3"


def test_a_call_that_ends_its_process_loses_only_itself(sandbox: Sandbox) -> None:
    source = (
        "import os, ctypes\ndef f(x):\n    if x == 1: os._exit(3)\n    if x == 2: ctypes.string_at(0)\n"
        "    if x == 3: os.closerange(0, 64)\n"
        "    return x"
    )
    outcome = _call(sandbox, source, *(f"{{'x': {x}}}" for x in range(5)))
    assert [call.text for call in outcome.calls] == ["0", "ProcessDied", "ProcessDied", "ProcessDied", "4"]
    assert "status 3" in outcome.calls[1].message and "SIGSEGV" in outcome.calls[2].message


def test_the_wall_clock_has_the_final_word(sandbox: Sandbox) -> None:
    source = "import time\ndef f(): time.sleep(0.4)"
    outcome = _call(sandbox, source, *["{}"] * 9, limits=Limits(wall_seconds=1, call_seconds=5))
    assert outcome.status == "timeout" and 1 < outcome.seconds < 2.5
    assert [call.status for call in outcome.calls].count("return") in (1, 2, 3)
    assert outcome.calls[-1].status == "not_run"
    stubborn = (
        "import signal, os\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nos.close(1)\nos.close(3)\nwhile True: pass"
    )
    outcome = sandbox.run(Program(stubborn, limits=Limits(wall_seconds=0.5)))
    assert outcome.status == "timeout" and outcome.seconds < 2


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("print('seen', flush=True)\nwhile True: pass", "timeout"),
        ("x = []\nwhile True: x.append(bytearray(10 ** 7))", "memory"),
        ("while True: print('x' * 1000)", "output_limit"),
        ("import os\nwhile True: os.write(1, b'x' * 1000)", "output_limit"),
        ("x = bytes(7 << 20)\nfor i in range(999): open(str(i), 'wb').write(x)", "output_limit"),
        ("import os; os._exit(0)", "killed"),
        ("import os; os.abort()", "killed"),
        ('import os; os.write(3, b\'{"status": "ok"}\\n\')', "refused"),
        ("import os\nwhile True: os.write(3, b'x' * 1000)", "refused"),
        ("import os; os.write(3, b'half a line')", "refused"),
        ("print(input())", "error"),
        ("import sys, builtins\nbuiltins.len = builtins.repr = sys.stdout = None", "ok"),
    ],
)
def test_every_end_has_a_status(sandbox: Sandbox, source: str, status: str) -> None:
    outcome = sandbox.run(Program(source, limits=Limits(wall_seconds=1.5, output_bytes=10_000)))
    assert outcome.status == status, outcome
    assert len(outcome.stdout) <= 10_000
    if "seen" in source:
        assert outcome.stdout == "seen\n"


def test_exceptions_whose_text_is_hostile(sandbox: Sandbox) -> None:
    source = (
        "class Loud(Exception):\n    def __str__(self):\n        while True: pass\n"
        "class Sly(str):\n    def __getitem__(self, i): return self * 99999\n"
        "class Odd(Exception):\n    def __str__(self): return Sly('\\ud800' * 9999)\n"
        "def f(x): raise (Loud if x else Odd)"
    )
    odd, loud = _call(sandbox, source, "{'x': 0}", "{'x': 1}").calls
    assert loud.status == "error"
    assert odd.text == "Odd" and odd.message.startswith("\\ud800") and odd.message.encode()


def test_string_hashes_follow_the_seed(sandbox: Sandbox) -> None:
    program = Program("print(hash('a'), {str(i) for i in range(9)})")
    first = sandbox.run(program).stdout
    with Sandbox(workers=1, hash_seed=0) as same, Sandbox(workers=1, hash_seed=1) as other:
        assert same.run(program).stdout == first
        assert other.run(program).stdout != first


def test_programs_start_from_nothing(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        Program("import os, sys; print(dict(os.environ), os.listdir(), sys.argv, 'jail' in sys.modules)")
    )
    assert outcome.stdout == "{} [] ['program'] False\n"
    write = "import random; print(random.random()); open('left', 'w').write('x'); print(open('left').read())"
    outcomes = list(sandbox.map([Program(write)] * 4))
    assert {outcome.status for outcome in outcomes} == {"ok"} and len({outcome.stdout for outcome in outcomes}) == 4
    assert {o.stdout for o in sandbox.map([Program("import os; print(os.listdir())")] * 4)} == {"[]\n"}


def test_installed_packages_of_the_corpus_import(sandbox: Sandbox) -> None:
    pytest.importorskip("more_itertools")
    outcome = sandbox.run(Program("from more_itertools import chunked\nprint(list(chunked('abc', 2)))"))
    assert outcome.stdout == "[['a', 'b'], ['c']]\n"


def test_a_module_of_the_standard_library_is_loaded_once_for_all_programs_that_name_it() -> None:
    loaded = Program("import sys; print([name in sys.modules for name in ('fractions', 'smtplib')])")
    with Sandbox(workers=1) as own:
        assert own.run(loaded).stdout == "[False, False]\n"
        assert own.run(Program("import fractions\nimport smtplib\nprint(fractions.Fraction(1, 2))")).stdout == "1/2\n"
        assert own.run(loaded).stdout == "[True, False]\n"


def test_map_keeps_order_and_reads_lazily(sandbox: Sandbox) -> None:
    taken = []

    def programs() -> Iterator[Program]:
        for number in range(200):
            taken.append(number)
            pause = "import time; time.sleep(0.2)\n" if number == 0 else ""
            yield Program(f"{pause}print({number})")

    outcomes = sandbox.map(programs())
    assert next(outcomes).stdout == "0\n" and len(taken) < 200
    assert [outcome.stdout for outcome in outcomes] == [f"{number}\n" for number in range(1, 200)]


def test_map_can_be_left_early(sandbox: Sandbox) -> None:
    started = time.monotonic()
    for outcome in sandbox.map(Program(f"print({number})") for number in range(10_000)):
        assert outcome.stdout == "0\n"
        break
    assert time.monotonic() - started < 5


def test_many_threads_may_share_a_sandbox(sandbox: Sandbox) -> None:
    outcomes: dict[int, str] = {}

    def work(number: int) -> None:
        outcomes[number] = sandbox.run(Program(f"print({number})")).stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {number: f"{number}\n" for number in range(20)}


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="memory_mb must lie between 64 and 16,777,216, not -1"):
        Limits(memory_mb=-1)
