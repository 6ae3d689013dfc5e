"""`python -m lit_reason.pool import | export | compact | show`: pools by hand."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lit_reason.errors import PlainError
from lit_reason.pool import SamplePool
from lit_reason.pool_io import export_jsonl, import_jsonl


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Exit status: 0 when it is done, 2 where something given cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        lines = arguments.run(arguments)
    except (PlainError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lit_reason.pool", description="Sample pools by hand.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("import", help="make a pool of generations in JSON lines")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--root", type=Path, default=Path("pools"), help="folder of the pools (pools)")
    command.add_argument("--model", help="who generated them")
    command.add_argument(
        "--lengths", default="stored", metavar="UNIT",
        help="what n_tokens is: stored, words, characters, or a tokenizer that counts where it is missing (stored)",
    )
    command.set_defaults(run=_import)

    command = commands.add_parser("export", help="write a pool as JSON lines")
    command.add_argument("pool", type=Path, metavar="POOL")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--grader", help="add the grades of this grader")
    command.set_defaults(run=_export)

    for name, run, text in (
        ("compact", _compact, "put a pool's part files together"),
        ("show", _show, "say what a pool holds"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("pool", type=Path, metavar="POOL")
        command.set_defaults(run=run)
    return parser


def _import(arguments: argparse.Namespace) -> list[str]:
    made = import_jsonl(arguments.file, arguments.root, arguments.model, arguments.lengths)
    return [*_dropped(made.dropped), f"{made.n_new:,} new samples", *_show_pool(made.pool)]


def _export(arguments: argparse.Namespace) -> list[str]:
    pool = SamplePool(arguments.pool)
    if arguments.grader and arguments.grader not in pool.graders():
        known = ", ".join(pool.graders()) or "nobody"
        raise PlainError(f"{arguments.pool}: not graded by {arguments.grader}, but by {known}")
    return [f"{export_jsonl(pool, arguments.file, arguments.grader):,} samples in {arguments.file}"]


def _compact(arguments: argparse.Namespace) -> list[str]:
    pool = SamplePool(arguments.pool)
    before = pool.n_files()
    pool.compact()
    return [f"{before:,} part files before, {pool.n_files():,} now"]


def _show(arguments: argparse.Namespace) -> list[str]:
    return _show_pool(SamplePool(arguments.pool))


def _show_pool(pool: SamplePool) -> list[str]:
    samples = pool.table(["question_id", "n_tokens"])
    n_tokens = sum(samples["n_tokens"].to_pylist())
    asked, answered = pool.manifest["n_questions"], len(samples["question_id"].unique())
    lines = [
        f"pool {pool.folder}",
        f"model {json.dumps(pool.manifest['identity'], ensure_ascii=False)}",
        f"settings {json.dumps(pool.manifest['settings'], ensure_ascii=False)}",
        f"{asked:,} questions, {answered:,} with samples",
        f"{samples.num_rows:,} samples, {n_tokens:,} tokens, {pool.n_files():,} part files",
    ]
    for grader in pool.graders():
        statuses = Counter(pool.graded_table(grader, [])["status"].to_pylist())
        counts = ", ".join(f"{n:,} {status or 'ungraded'}" for status, n in statuses.most_common())
        lines.append(f"graded by {grader}: {counts}")
    return lines


def _dropped(dropped: Counter[str]) -> list[str]:
    return [f"left out: {n:,} {why}" for why, n in dropped.items()]
