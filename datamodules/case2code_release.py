"""Case2Code's published rows, entering at any step of the pipeline (sections 2 to 4)."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from datamodules.case2code import Case2CodeDataModule, settings_of
from lit_reason.batches import Loading
from lit_reason.case2code.functions import Function
from lit_reason.case2code.pipeline import build_in, build_key, build_part_in, stored_functions
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.prompts import PromptSettings, build_prompt, build_target
from lit_reason.case2code.published_test import read_questions
from lit_reason.case2code.release import Stage, evaluation_row, release_row
from lit_reason.case2code.settings import CORPUS, RealSettings
from lit_reason.case2code.splits import Split, dropped, split_folder
from lit_reason.files import write_jsonl_atomic
from lit_reason.records import Question
from lit_reason.shards import Shard

NO_PLANTED = PlantedSettings(n_train=0, n_val=0, n_test=0)
DEFAULT_OUT = "case2code-release"
WRITTEN_HERE = tuple(f"{step}.jsonl" for step in ("raw", "written", "executed", "prompted", "test"))
"""Files of `out_dir` in the published formats."""


class Case2CodeReleaseDataModule(Case2CodeDataModule):
    """Published functions, from the step that they have behind them to tasks.

    `out_dir` gets `functions.jsonl` (kept), `rejected.jsonl` (id, func_name, reason), `reasons.json` (the histogram),
    and rows as the release writes them after every step: `raw.jsonl`, `executed.jsonl` and `prompted.jsonl` of the
    functions kept, `written.jsonl` of all that got inputs, `test.jsonl` of those held out for the test.

    Args:
        release_path: a .jsonl file of published rows.
        release_stage: the step that they have behind them: `raw` functions, inputs `written`, `executed` (filtered or
            not), or `prompted` (training rows, and test rows).
        out_dir: where the results go; a run that was killed goes on there.
        test_path: the published test rows, asked as they are in `test` and scored with their exceptions' messages.
        real: rules, writer, filters and splits; `sources` has no say here.
        prompts: how cases are worded where rows bring no prompt.
        loading: rows, batches and workers.
        shard: with `prepare`, build only part `i/n` of the functions, i from 0; when all n parts are done, prepare
            without.
    """

    def __init__(
        self,
        release_path: str,
        release_stage: Stage = "raw",
        out_dir: str = DEFAULT_OUT,
        test_path: str | None = None,
        real: RealSettings = RealSettings(),
        prompts: PromptSettings = PromptSettings(),
        loading: Loading = Loading(),
        shard: str | None = None,
    ) -> None:
        super().__init__(NO_PLANTED, replace(real, sources=[release_path]), prompts, loading=loading, shard=shard)
        self.release_path = release_path
        self.release_stage = release_stage
        self.out_dir = Path(out_dir)
        self.test_path = test_path

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for files that are not there and settings that contradict each other."""
        real = settings_of(RealSettings, init_args.get("real"))
        own = {"real": replace(real, sources=[]), "planted": NO_PLANTED}
        own |= {name: init_args.get(name) for name in ("prompts", "shard")}
        found = super().check_config(own)
        for key in ("release_path", "test_path"):
            if init_args.get(key) and not Path(init_args[key]).is_file():
                kind = "is no .jsonl file but a folder" if Path(init_args[key]).is_dir() else "no such file"
                found.append((key, f"{kind}: {init_args[key]}"))
        out_dir = Path(init_args.get("out_dir") or DEFAULT_OUT)
        if Path(init_args.get("release_path") or "").resolve() in [(out_dir / name).resolve() for name in WRITTEN_HERE]:
            found.append(("release_path", f"would be overwritten by what is written into {out_dir}"))
        if real.rules == "none" and (init_args.get("release_stage") or "raw") in ("raw", "written"):
            found.append(("real.rules", "`none` is for rows that bring results: release_stage executed, prompted"))
        if real.sources not in ([], list(CORPUS)):
            found.append(("real.sources", "has no effect here: functions come from release_path"))
        return found

    def prepare_data(self) -> None:
        """Bring the rows to the end of the pipeline, and write every step in its published format."""
        functions = stored_functions(self._folder)
        executed = [release_row(function, "executed") for function in functions if function.cases]
        write_jsonl_atomic(self.out_dir / "raw.jsonl", [release_row(function, "raw") for function in functions])
        write_jsonl_atomic(self.out_dir / "executed.jsonl", executed)
        write_jsonl_atomic(self.out_dir / "prompted.jsonl", [self._training_row(function) for function in functions])
        if Path(self.test_path or "").resolve() != (self.out_dir / "test.jsonl").resolve():
            write_jsonl_atomic(self.out_dir / "test.jsonl", self._test_rows())

    def prepare_part(self, shard: Shard) -> list[str]:
        """Bring one part of the rows as far."""
        key = build_key(self.real, self.release_stage)
        return [build_part_in(self.out_dir, self.real, key, shard, self.release_stage)]

    def functions(self, split: Split) -> list[Function]:
        """The functions of a split; what was left out is counted once."""
        if not self._rows:
            self.dropped.update(dropped(self._folder, self.real))
        most = {"train": self.real.n_train, "val": self.real.n_val, "test": self.real.n_test}[split]
        return split_folder(self._folder, self.real)[split][:most]

    def questions(self, split: Literal["val", "test"]) -> list[Question]:
        """Held-out functions; in the test, the published test rows where a file is named."""
        if split == "test" and self.test_path:
            return self._published
        return super().questions(split)

    @cached_property
    def _published(self) -> list[Question]:
        return read_questions(str(self.test_path), self.dropped)

    @cached_property
    def _folder(self) -> Path:
        """`out_dir`, complete."""
        key = build_key(self.real, self.release_stage)
        return build_in(self.out_dir, self.real, key, self.release_stage)

    def _training_row(self, function: Function) -> dict[str, Any]:
        return release_row(function, "prompted", build_prompt(function, self.prompts).text, self._output(function))

    def _test_rows(self) -> list[dict[str, Any]]:
        rows = self.rows("test", "evaluation")
        return [evaluation_row(f, prompt.text, self._output(f), prompt.shown) for f, prompt in rows if f.cases]

    def _output(self, function: Function) -> str:
        return function.output or build_target(function.code, self.prompts.lead_in)
