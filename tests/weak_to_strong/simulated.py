"""A two-stage study whose models are dice: what its tables must then say is known."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from random import Random

from lit_reason.files import write_jsonl_atomic
from lit_reason.study_results import FinishedRun, FinishedRuns
from lit_reason.weak_to_strong.question_files import read_questions, read_votes
from lit_reason.weak_to_strong.steps import select
from lit_reason.weak_to_strong.votes import Answered, cast_vote

N = 400
WEAK = {1: 0.9, 2: 0.3}
STRONG = {1: 0.97, 2: 0.45}
"""How often a sample of the supervisor and of S1 is right, by difficulty."""

ACCURACY = {"weak": 0.5, "initial": 0.4, "naive": 0.55, "stage1": 0.7, "stage2": 0.8, "continued": 0.75,
            "iterated": 0.8, "oracle": 0.85, "ceiling": 0.9}  # fmt: skip


class Simulated:
    """Runs below `root`; `accuracy` replaces test accuracies, `starts` the hash from which a fit starts; `about` says
    whether questions have difficulty and topic."""

    def __init__(self, root: Path, accuracy=None, starts=None, seeds=(0, 1, 2), about=True):
        self.about = about
        self.root, self.accuracy, self.starts = root, {**ACCURACY, **(accuracy or {})}, starts or {}
        self.found: list[FinishedRun] = []
        for seed in seeds:
            self._seed(seed)
        self.runs = FinishedRuns(self.found)

    def _seed(self, seed):
        self.draw = Random(seed)
        questions = self._run("questions", seed)
        for file, ids in (("h2_gold", "h"), ("test", "t")):
            write_jsonl_atomic(questions / f"{file}.jsonl", [self._question(f"{ids}/{i}", i) for i in range(N)])
        h2 = str(questions / "h2_gold.jsonl")
        self.gold = {q.id: q for q in read_questions(h2, with_gold=True)}
        self._fit("initial", seed, {"start": "random", "end": "s0"})
        weak = self._answers("weak", seed)
        self._votes(weak / "votes.jsonl", self.gold, WEAK)
        self._answers("initial", seed)
        self._fit("ceiling", seed)
        self._answers("ceiling", seed)
        self._labels("naive", seed, h2, self._votes(weak / "greedy.jsonl", self.gold, WEAK, n=1), 0.0)
        self._labels("oracle", seed, h2, weak / "votes.jsonl", 0.6, oracle=True)
        for tau in (0.0, 0.6, 0.8):
            first = self._labels("stage1", seed, h2, weak / "votes.jsonl", tau, variables={"tau": tau})
            if not tau:
                continue
            left = {q.id for q in read_questions(first / "discarded.jsonl", with_gold=False)}
            votes = self._votes(first / "votes.jsonl", left, STRONG)
            for kind in ("filtered", "unfiltered"):
                self._labels("stage2", seed, h2, votes, tau, variables={"tau": tau, "stage2": kind},
                             onto=str(first / "rows.jsonl"), stage2=kind)  # fmt: skip
        for name in ("continued", "iterated"):
            self._fit(name, seed, {"start": "s1" if name == "continued" else "s0"})
            self._answers(name, seed)

        for name, variables in (
            ("naive", {}),
            ("stage1", {"tau": 0.6}),
            ("stage2", {"tau": 0.6, "stage2": "filtered"}),
        ):
            steps = {"steps": 40 if name == "stage1" else 55}
            self._fit(f"{name}_by_epochs", seed, steps, variables)
            self._answers(f"{name}_by_epochs", seed, variables)

    def _question(self, id, i):
        topic = "mixed" if self.draw.random() < (0.8 if i % 2 else 0.2) else "add"
        about = {"topic": topic, "difficulty": 1 + i % 2} if self.about else {}
        return {"id": id, "question": f"{id}?", "gold": str(self.draw.randrange(5)), **about}

    def _votes(self, path, ids, right, n=10):
        votes = []
        for id in sorted(ids):
            gold, p = self.gold[id].gold, right[self.gold[id].meta.get("difficulty", 1)]
            wrong = [str(i) for i in range(5) if str(i) != gold]
            drawn = [gold if self.draw.random() < p else self.draw.choice(wrong) for _ in range(n)]
            votes.append(asdict(cast_vote(id, [Answered(f"so {a}", a) for a in drawn])))
        write_jsonl_atomic(path, votes)
        return path

    def _labels(self, name, seed, h2, votes, tau, variables=None, **options):
        rows = self._run(f"{name}_rows", seed, variables)
        select(rows, h2, str(votes), h2, tau=tau, batch=1, **options)
        self._fit(name, seed, variables=variables)
        self._answers(name, seed, variables)
        return rows

    def _fit(self, name, seed, weights=None, variables=None):
        path = self._run(name, seed, variables)
        record = {"start": self.starts.get(name, "s0"), "end": f"{name} {seed}", "steps": 60, **(weights or {})}
        (path / "weights.json").write_text(json.dumps(record))
        if name == "naive":
            for epoch, share, said in ((1, 0.7, self._gold()), (2, 0.6, self._learned(seed))):
                self._test(path / "epochs" / f"test-{epoch:03d}.jsonl", share)
                rows = [{"id": id, "answer": answer, "right": None} for id, answer in said.items()]
                write_jsonl_atomic(path / "epochs" / f"h2-{epoch:03d}.jsonl", rows)

    def _answers(self, name, seed, variables=None):
        from lit_reason.results import Results, share

        path = self._run(f"{name}_answers", seed, variables)
        right = self._test(
            path / "answers.jsonl", self.accuracy[name.removesuffix("_by_epochs")] - 0.05 * name.endswith("_by_epochs")
        )
        results = Results(run=name)
        results.put(share("accuracy", "test", "", right, N, [seed]))
        results.save(path)
        if name != "weak":
            said = self._learned(seed) if name == "naive" else self._gold()
            write_jsonl_atomic(path / "greedy.jsonl", [{"id": id, "answer": answer} for id, answer in said.items()])
        return path

    def _gold(self):
        return {id: q.gold for id, q in self.gold.items()}

    def _learned(self, seed):
        """What a naive student says that fits its labels to the last one: the supervisor's greedy answers."""
        return {vote.id: vote.answer for vote in read_votes(self.root / "weak_answers" / str(seed) / "greedy.jsonl")}

    def _test(self, path, share):
        n = round(share * N)
        write_jsonl_atomic(path, [{"id": f"t/{i}", "answer": "9", "right": i < n} for i in range(N)])
        return n

    def _run(self, name, seed, variables=None):
        path = self.root / name / "-".join(map(str, [seed, *(variables or {}).values()]))
        path.mkdir(parents=True, exist_ok=True)
        self.found.append(FinishedRun(name, {**(variables or {}), "seed": seed}, path))
        return path
