"""What a model answers after each epoch of a fit: the data of an overfitting curve."""

from __future__ import annotations

from pathlib import Path

from jsonargparse.typing import PositiveInt
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from lit_reason.files import write_jsonl_atomic
from lit_reason.grading import TextGrader
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.protocol import Sampler
from lit_reason.weak_to_strong.question_files import read_questions

FOLDER = "epochs"


class EpochAnswers(Callback):
    """After each epoch, answers questions greedily and writes `epochs/<NAME>-<EPOCH>.jsonl`: `id, answer, right` (null
    where the question has no gold answer). Training is as without it.

    Args:
        questions: files of questions by the name that their answers get.
        max_new_tokens: length limit of an answer.
        batch_size: rows decoded together.
    """

    def __init__(
        self, questions: dict[str, str], max_new_tokens: PositiveInt = 96, batch_size: PositiveInt = 128
    ) -> None:
        self.questions, self.batch_size = questions, batch_size
        self.settings = SamplingSettings(max_new_tokens=max_new_tokens)
        self._asked: dict[str, list[Question]] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the questions: files that are not there end the fit before its first step."""
        self._asked = {name: read_questions(path, with_gold=True) for name, path in self.questions.items()}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every process builds the sampler, as weights may be sharded; the first one asks."""
        with pl_module.sampling(self.batch_size) as sampler_of:
            self._ask(sampler_of(None), Path(trainer.default_root_dir) / FOLDER, trainer.current_epoch + 1)

    @rank_zero_only
    def _ask(self, sampler: Sampler, folder: Path, epoch: int) -> None:
        for name, questions in self._asked.items():
            by_id = {question.id: question for question in questions}
            samples = [s for several in sampler.sample(questions, self.settings) for s in several]
            grades = TextGrader().grade_all([(by_id[s.question_id], s) for s in samples])
            rows = [
                {"id": g.question_id, "answer": g.answer_key,
                 "right": None if by_id[g.question_id].gold is None else g.status == "right"}
                for g in grades
            ]  # fmt: skip
            write_jsonl_atomic(folder / f"{name}-{epoch:03d}.jsonl", sorted(rows, key=lambda row: row["id"]))
