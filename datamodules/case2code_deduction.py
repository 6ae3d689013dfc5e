"""The deductive control of Case2Code: from code and input to output."""

from __future__ import annotations

from typing import Literal

from datamodules.case2code import Case2CodeDataModule
from lit_reason.batches import TokenDocument
from lit_reason.case2code.deduction import Deduction, deduction
from lit_reason.records import Question


class Case2CodeDeductionDataModule(Case2CodeDataModule):
    """The functions of `Case2CodeDataModule` under the same settings, one call of each, whose output is the target.

    Evaluate it with `Case2CodeEvaluation` and `grader: DeductionGrader`. Of `prompts` only the seed has a meaning here.
    """

    def documents(self, split: Literal["train", "val"]) -> list[TokenDocument]:
        """One document a function: program and call, and the output as target."""
        return [self._document(deduction(function, self.prompts.seed)) for function, _ in self.rows(split, "training")]

    def questions(self, split: Literal["val", "test"]) -> list[Question]:
        """One call of each held-out function."""
        rows = self.rows(split, "evaluation")
        return [_question(deduction(function, self.prompts.seed)) for function, _ in rows]

    def _document(self, asked: Deduction) -> TokenDocument:
        messages = [{"role": "user", "content": asked.prompt}, {"role": "assistant", "content": asked.answer}]
        return self.chat.document(asked.function.id, messages)


def _question(asked: Deduction) -> Question:
    function = asked.function
    meta = {
        "source": function.source, "family": function.family, "func_name": function.name,
        "instruction_prompt": asked.instruction_prompt,
    }  # fmt: skip
    return Question(function.id, asked.prompt, asked.answer, meta)
