"""How well a model finds the programs behind cases, before and after training (Case2Code, sections 5 and 6).

Everything sampled goes to a pool first, so an evaluation that was killed goes on where it stopped, and one that was
finished costs nothing the second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveFloat, PositiveInt
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_reason.answers import Answers, read_pools, write_examples, write_pools
from lit_reason.case2code.deduction import DeductionGrader
from lit_reason.case2code.grader import CaseGrader
from lit_reason.case2code.metrics import Metric, summarise
from lit_reason.chat import Chat
from lit_reason.evaluation import evaluate
from lit_reason.grading import Grader
from lit_reason.human_eval_grader import SOURCE, HumanEvalGrader, human_eval_questions
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question
from lit_reason.results import Figure, Results, difference, mean, share
from lit_reason.sampling import SamplingSettings
from lit_reason.sandbox import require_protections

if TYPE_CHECKING:
    from lit_reason.language_model import CausalLanguageModel
    from lit_reason.sampling.protocol import Sampler

PYTHON_TAGS = ("python", "py", "python3", "py3")
"""Tags of the block that grading takes; sampling ends where it is closed."""

CHANGES = ("strict", "case_fraction")
"""Measures whose change over training is reported, question by question."""

_MISSING = {"strict": False, "value_aware": False, "shown_pass": False, "hidden_pass": False, "error_match": None}


@dataclass(frozen=True)
class Examination:
    """Questions of one kind: how they are asked at this moment, and who grades the answers.

    `asked` are the same questions in the same order as `questions`, perhaps with other prompts.
    """

    questions: list[Question]
    asked: list[Question]
    chat: Chat
    grader: Grader
    settings: list[SamplingSettings]
    subject: str = ""


class Case2CodeEvaluation(Callback):
    """Asks every held-out function of the DataModule once, greedily, and runs the answers on all cases in the sandbox.

    During fit it measures before and after training. Before, the model is asked with a plain instruction prompt that
    names the function, its arguments and the form of the answer, under its tokenizer's own chat template, so that
    learning the format alone does not count. In validate and test it measures once.

    With `human_eval`, the problems of HumanEval are asked as well, to see whether what was learned carries over: always
    with their plain instruction and under the tokenizer's own template, before and after, so that the two compare.

    Planted functions, real functions and HumanEval are reported apart. Figures go to results.json, some answers to
    examples.jsonl, and the places of the pools to pools.json.

    Args:
        max_new_tokens: length limit of an answer; a longer one is cut and counts as wrong.
        samples: sampled answers a question, in addition to the greedy one, for pass@k; 0 for none.
        temperature: of the sampled answers.
        top_p: of the sampled answers.
        seed: of the sampled answers.
        before: measure before training, too.
        instruction_prompt: in validate and test, ask as one asks an untrained model.
        human_eval: how many of HumanEval's problems are asked as well; 164 is all of them.
        human_eval_tokens: length limit of an answer to these.
        human_eval_grader: runs these answers; null takes its defaults.
        grader: judges the answers; null is `CaseGrader`, which runs them.
        batch_size: answers generated at once.
        merge_adapter: merge a LoRA adapter into a copy of the base weights while generating, as the fast decoder always
            does; the rounding is that of a merged export.
        pools: folder of the sample pools.
        n_examples: answers of each source of functions that the report shows.
    """

    def __init__(
        self,
        max_new_tokens: PositiveInt = 256,
        samples: NonNegativeInt = 0,
        temperature: PositiveFloat = 0.8,
        top_p: ClosedUnitInterval = 0.95,
        seed: NonNegativeInt = 0,
        before: bool = True,
        instruction_prompt: bool = False,
        human_eval: NonNegativeInt = 0,
        human_eval_tokens: PositiveInt = 512,
        human_eval_grader: HumanEvalGrader | None = None,
        grader: CaseGrader | DeductionGrader | None = None,
        batch_size: PositiveInt = 64,
        merge_adapter: bool = True,
        pools: str = "pools",
        n_examples: NonNegativeInt = 10,
    ) -> None:
        greedy = SamplingSettings(max_new_tokens=max_new_tokens, stop_after_block=PYTHON_TAGS)
        sampled = replace(greedy, n=samples, temperature=temperature, top_p=top_p, seed=seed) if samples else None
        self.settings = [greedy, *filter(None, [sampled])]
        self.before, self.instruction_prompt = before, instruction_prompt
        self.human_eval, self.human_eval_tokens = human_eval, human_eval_tokens
        self.grader: Grader = grader or CaseGrader()
        self.human_eval_grader = human_eval_grader or HumanEvalGrader()
        self.merge_adapter = merge_adapter
        self.batch_size, self.pools, self.n_examples = batch_size, Path(pools), n_examples
        self._measured_after = False

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for settings that their types cannot exclude."""
        return [("top_p", "must be above 0")] if init_args.get("top_p") == 0 else []

    def setup(self, trainer: Trainer, pl_module: CausalLanguageModel, stage: str) -> None:
        """Refuse before anything is trained or generated what would fail after it: a sandbox without a protection, and
        outputs of another Python."""
        graders = [self.grader, *([self.human_eval_grader] if self.human_eval else [])]
        executing = [grader for grader in graders if isinstance(grader, CaseGrader | HumanEvalGrader)]
        if executing:
            require_protections(all(grader.allow_unprotected for grader in executing))
        if isinstance(self.grader, CaseGrader) and trainer.datamodule is not None:
            questions = trainer.datamodule.questions("test" if stage == "test" else "val")
            if warning := self.grader.check_python(questions):
                rank_zero_warn(warning)

    def on_train_start(self, trainer: Trainer, pl_module: CausalLanguageModel) -> None:
        """Measure the untrained model. A resumed run has that in its results, and its model is no longer untrained."""
        self._measured_after = False
        if self.before and trainer.global_step == 0:
            self._measure_in_fit(trainer, pl_module, "before")
        elif self.before and not any(figure.when == "before" for figure in Results.load(_run_dir(trainer)).figures):
            rank_zero_warn(f"resumed at step {trainer.global_step}: the untrained model can no longer be measured")

    def on_train_end(self, trainer: Trainer, pl_module: CausalLanguageModel) -> None:
        """Measure the trained model while it is still where it was trained."""
        self._measure_in_fit(trainer, pl_module, "after")
        self._measured_after = True

    def on_fit_end(self, trainer: Trainer, pl_module: CausalLanguageModel) -> None:
        """Measure now if nothing was left to train: a finished run was killed in this evaluation, and resumed."""
        if not self._measured_after:
            pl_module.to(trainer.strategy.root_device)
            self._measure_in_fit(trainer, pl_module, "after")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: CausalLanguageModel) -> None:
        """Measure once in `validate`; validation during fit is left alone."""
        if trainer.state.fn == "validate":
            pl_module.log_dict(self._measure(trainer, pl_module, "validate"), rank_zero_only=True)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: CausalLanguageModel) -> None:
        """Measure once in `test`, on the questions held out for it."""
        pl_module.log_dict(self._measure(trainer, pl_module, "test"), rank_zero_only=True)

    def _measure_in_fit(self, trainer: Trainer, pl_module: CausalLanguageModel, when: str) -> None:
        logged = self._measure(trainer, pl_module, when)
        for logger in trainer.loggers:
            logger.log_metrics(logged, step=trainer.global_step)

    def _measure(self, trainer: Trainer, pl_module: CausalLanguageModel, when: str) -> dict[str, float]:
        """Ask, grade and write; returns the figures of whole sources for the loggers, by `name/source`."""
        examinations = self._examinations(trainer, pl_module, when)
        if not examinations:
            rank_zero_warn(f"no Case2Code evaluation: {type(trainer.datamodule).__name__} has no questions")
            return {}
        answers = self._answers(trainer, pl_module, examinations, when)
        figures = []
        for examination, found in zip(examinations, answers, strict=True):
            figures += _figures(examination.questions, found, when)
            if when == "after" and trainer.is_global_zero:
                figures += self._changes(examination.questions, found[0], _run_dir(trainer))
        if trainer.is_global_zero:
            self._write(trainer, answers, figures, when)
        strict = [figure for figure in figures if (figure.name, figure.when) == ("strict_pass", when)]
        whole = [f"{figure.split} {figure.text()} of {figure.n}" for figure in strict if "/" not in figure.split]
        rank_zero_info(f"{when}: strict pass on " + ", ".join(whole))
        return {f"{f.name}/{f.split}": float(f.value) for f in figures if "/" not in f.split and f.when == when}

    def _examinations(self, trainer: Trainer, pl_module: CausalLanguageModel, when: str) -> list[Examination]:
        """The DataModule's questions, then HumanEval's; either may be missing."""
        own = Chat(pl_module.tokenizer, "own" if pl_module.tokenizer.chat_template else "plain")
        found = []
        if questions := trainer.datamodule.questions("test" if when == "test" else "val"):
            asked, chat = questions, pl_module.chat
            if when == "before" or (self.instruction_prompt and when != "after"):
                asked = [replace(question, prompt=question.meta["instruction_prompt"]) for question in questions]
                chat = own
            found.append(Examination(questions, asked, chat, self.grader, self.settings))
        if self.human_eval:
            problems = human_eval_questions(self.human_eval)
            settings = [replace(one, max_new_tokens=self.human_eval_tokens) for one in self.settings]
            found.append(Examination(problems, problems, own, self.human_eval_grader, settings, SOURCE))
        return found

    def _answers(
        self, trainer: Trainer, pl_module: CausalLanguageModel, examinations: list[Examination], when: str
    ) -> list[list[Answers]]:
        """For each examination greedy answers, then sampled ones; each process asks its share, and all get all
        answers."""
        with pl_module.sampling(self.batch_size, self.merge_adapter) as sampler_of:
            return [self._ask(trainer, sampler_of(asked.chat), asked, when) for asked in examinations]

    def _ask(self, trainer: Trainer, sampler: Sampler, asked: Examination, when: str) -> list[Answers]:
        found = []
        for settings in asked.settings:
            pool = SamplePool.open(self.pools, sampler.identity, settings, asked.asked)
            about = f" of {asked.subject}" if asked.subject else ""
            rank_zero_info(f"{when}: asking {len(asked.asked)} questions{about}, {settings.n} answer(s) each")
            own = asked.asked[trainer.global_rank :: trainer.world_size]
            evaluation = evaluate(own, sampler, [asked.grader], pool, settings)
            order = [question.id for question in asked.asked]
            found.append(Answers.gather(evaluation, pool, settings, order, asked.subject))
        return found

    def _changes(self, questions: list[Question], after: Answers, run_dir: Path) -> list[Figure]:
        """Paired differences of the greedy answers before and after, where the pool of before is still there."""
        entries = [e for e in read_pools(run_dir) if (e["when"], e["answers"]) == ("before", after.kind)]
        if not entries or not (run_dir / entries[0]["folder"]).is_dir():
            return []
        graded = SamplePool(run_dir / entries[0]["folder"]).grades(entries[0]["grader"])
        old = {metric.name: metric for metric in summarise(questions, graded).metrics}
        new = {metric.name: metric for metric in summarise(questions, _grades(after)).metrics}
        sources = dict.fromkeys(question.meta["source"] for question in questions)
        names = [f"{source}/{name}" for name in CHANGES for source in sources]
        known = [name for name in names if name in old]
        return [difference(*_place(name), old[name].values, new[name].values) for name in known]

    def _write(self, trainer: Trainer, answers: list[list[Answers]], figures: list[Figure], when: str) -> None:
        run_dir = _run_dir(trainer)
        results = Results.load(run_dir)
        results.run = results.run or f"{run_dir.parent.name}/{run_dir.name}"
        for figure in figures:
            results.put(figure)
        everything = [several for found in answers for several in found]
        for several in everything:
            several.account(results, when)
        results.dropped.update(trainer.datamodule.dropped)
        write_pools(run_dir, when, everything)
        write_examples(run_dir, when, [row for found in answers for row in found[0].rows], self.n_examples)
        results.save(run_dir)


def _figures(questions: list[Question], answers: list[Answers], when: str) -> list[Figure]:
    """Every measure of the greedy answers; of the sampled ones pass@k, for the powers of two."""
    greedy, *sampled = answers
    figures = [_figure(metric, when) for metric in summarise(questions, _grades(greedy)).metrics]
    for several in sampled:
        ks = [2**i for i in range(several.settings.n.bit_length())]
        metrics = summarise(questions, _grades(several), ks).metrics
        seeds = [several.settings.seed]
        figures += [_figure(metric, when, seeds) for metric in metrics if "/pass@" in metric.name]
    return figures


def _grades(answers: Answers) -> list[Grade]:
    """A grade for every answer; one that is missing fails at everything."""
    return [replace(row.grade, detail={**_MISSING, **row.grade.detail}) for row in answers.rows]


def _figure(metric: Metric, when: str, seeds: Sequence[int] = ()) -> Figure:
    name, split = _place(metric.name)
    if metric.kind == "share":
        return share(name, split, when, int(sum(metric.values)), len(metric.values), seeds)
    return mean(name, split, when, metric.values, seeds)


def _place(metric: str) -> tuple[str, str]:
    """Name and split of a metric's figure: `planted/strict/family/prefix` is `strict_pass` on `planted/prefix`."""
    source, name, *part = metric.split("/")
    if name == "kind":
        return f"kind/{part[0]}", source
    return "strict_pass" if name == "strict" else name, "/".join([source, *part[-1:]])


def _run_dir(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir)
