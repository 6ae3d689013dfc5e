"""Overfitting to a weak supervisor in a small network, where everything is known: the toy study's one run.

Inputs are 8 signal and 20 distracting numbers; the class is the sign of a random direction u of the signal. On easy
items the distractors are 0 and the supervisor is nearly always right; on hard ones it also listens to a direction v of
the distractors. A network starts half deaf to distractors, so it learns the signal first, and only later, when it fits
the supervisor's mistakes, the distractors (2503.04249's argument in miniature).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from lit_reason.charts import Chart, Series, save_charts
from lit_reason.files import write_json_atomic
from lit_reason.progress import Job
from lit_reason.results import Figure, Results, count, share
from lit_reason.weak_to_strong.metrics import gap_standard_error
from lit_reason.weak_to_strong.thresholds import check_threshold, needed_votes
from lit_reason.weak_to_strong.votes import Answered, cast_vote, check_enough, split_by_confidence

SIGNAL, DISTRACTORS, HIDDEN = 8, 20, 128
N_VOTES, BATCH, RATE = 10, 32, 3e-3
STANDARD_ERROR = "standard error of the gap"

logger = logging.getLogger(__name__)

Curve = dict[str, list[float]]


@dataclass(frozen=True)
class Items:
    """Inputs float32 [n, 28], gold classes int64 [n], which are hard bool [n], the supervisor's votes for class 1 of
    `N_VOTES` int64 [n]."""

    inputs: Tensor
    gold: Tensor
    hard: Tensor
    votes: Tensor

    def __getitem__(self, chosen: Tensor) -> Items:
        return Items(self.inputs[chosen], self.gold[chosen], self.hard[chosen], self.votes[chosen])

    def __len__(self) -> int:
        return len(self.gold)


def run_toy(
    out: Path,
    seed: NonNegativeInt = 0,
    tau: ClosedUnitInterval = 0.8,
    epochs: PositiveInt = 60,
    n_items: PositiveInt = 600,
    n_test: PositiveInt = 4000,
) -> None:
    """Train naive, Stage I, Stage II and ceiling from the same weights, and write figures, curves and charts.

    Args:
        out: directory of the run.
        seed: of directions, items, votes, weights and order.
        tau: least share of votes for a label to be kept, in both stages.
        epochs: passes over the training items, in every variant.
        n_items: items to label, half of them hard.
        n_test: items to test on.

    Raises:
        WeakToStrongError: tau is no share, or it leaves no label for Stage I.
    """
    check_threshold("tau", tau)
    draw = torch.Generator().manual_seed(seed)
    transfer, test = make_items(n_items, n_test, draw)
    for warning in _check_kept(transfer.votes, tau):
        logger.warning("%s", warning)
    with Job("toy, trainings", 4, "trainings") as job:
        found = _variants(transfer, test, tau, epochs, draw, job)
    results = Results(run=f"toy/{seed}")
    for figure in _figures(found, transfer, test, tau, seed):
        results.put(figure)
    results.save(out)
    curves = {name: curve for name, (_, curve) in found.trained.items()}
    write_json_atomic(out / "curves.json", curves)
    save_charts(out, [overfitting_chart({name: [curve] for name, curve in curves.items()})])


def make_items(n_items: int, n_test: int, draw: torch.Generator) -> tuple[Items, Items]:
    """Items to label and items to test on, of the same random directions."""
    u = nn.functional.normalize(torch.randn(SIGNAL, generator=draw), dim=0)
    v = nn.functional.normalize(torch.randn(DISTRACTORS, generator=draw), dim=0)
    return _items(n_items, u, v, draw), _items(n_test, u, v, draw)


def majority(votes: Tensor) -> Tensor:
    """The class of most votes; the first of equal ones."""
    return (2 * votes > N_VOTES).long()


def is_kept(votes: Tensor, tau: float) -> Tensor:
    """Whether the majority has enough votes."""
    return torch.maximum(votes, N_VOTES - votes) >= needed_votes(tau, N_VOTES)


def _check_kept(votes: Tensor, tau: float) -> list[str]:
    """Warnings about Training Set A, which must not be empty."""
    cast = [cast_vote(str(i), [Answered("", "1")] * n + [Answered("", "0")] * (N_VOTES - n))
            for i, n in enumerate(votes.tolist())]  # fmt: skip
    kept, discarded = split_by_confidence(cast, tau)
    return check_enough(kept, cast, tau, BATCH) + ([] if discarded else ["D is empty, so S2 = S1"])


def network(seed: int) -> nn.Sequential:
    """The student before training; its first layer's weights on distractors are halved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(SIGNAL + DISTRACTORS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2))
    with torch.no_grad():
        net[0].weight[:, SIGNAL:] /= 2  # type: ignore[operator,index]
    return net


@dataclass
class Trained:
    """What the four trainings left: networks with their curves, and who was kept."""

    trained: dict[str, tuple[nn.Sequential, Curve]]
    kept: Tensor
    strong_votes: Tensor
    kept_again: Tensor


def _variants(transfer: Items, test: Items, tau: float, epochs: int, draw: torch.Generator, job: Job) -> Trained:
    seed = int(torch.randint(2**31 - 1, (1,), generator=draw))
    trained: dict[str, tuple[nn.Sequential, Curve]] = {}

    def fit(name: str, items: Items, labels: Tensor) -> nn.Sequential:
        trained[name] = train(network(seed), items, labels, transfer, test, epochs, seed)
        job.update(job.done + 1)
        return trained[name][0]

    weak = majority(transfer.votes)
    kept = is_kept(transfer.votes, tau)
    fit("naive", transfer, weak)
    fit("ceiling", transfer, transfer.gold)
    first = fit("stage1", transfer[kept], weak[kept])
    discarded = transfer[~kept]
    strong_votes = draw_votes(first(discarded.inputs).softmax(-1)[:, 1].detach(), draw)
    kept_again = is_kept(strong_votes, tau)
    labels = weak.clone()
    labels[~kept] = majority(strong_votes)
    chosen = kept.clone()
    chosen[~kept] = kept_again
    fit("stage2", transfer[chosen], labels[chosen])
    return Trained(trained, kept, strong_votes, kept_again)


def train(
    net: nn.Sequential, items: Items, labels: Tensor, transfer: Items, test: Items, epochs: int, seed: int
) -> tuple[nn.Sequential, Curve]:
    """Adam on the cross-entropy; after each epoch the accuracy on the test, and how well the supervisor's labels are
    reproduced, the wrong ones in particular."""
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    weak = majority(transfer.votes)
    curve: Curve = {"accuracy": [], "agreement": [], "agreement with wrong labels": []}
    for _ in range(epochs):
        for batch in torch.randperm(len(items), generator=draw).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(items.inputs[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            same = net(transfer.inputs).argmax(-1) == weak
            curve["accuracy"].append(_accuracy(net, test))
            curve["agreement"].append(float(same.double().mean()))
            wrong = same[weak != transfer.gold].double()
            curve["agreement with wrong labels"].append(float(wrong.mean()) if len(wrong) else 0.0)
    return net, curve


def draw_votes(probability: Tensor, draw: torch.Generator) -> Tensor:
    """Votes for class 1, of `N_VOTES`."""
    return (torch.rand(len(probability), N_VOTES, generator=draw) < probability[:, None]).sum(1)


def overfitting_chart(curves: Mapping[str, list[Curve]]) -> Chart:
    """Test accuracy by epoch, the mean over seeds with their range."""
    series = []
    for name, several in curves.items():
        values = np.array([curve["accuracy"] for curve in several])
        epochs = list(range(1, values.shape[1] + 1))
        series.append(Series(name, epochs, values.mean(0), values.min(0), values.max(0)))
    note = "Means over seeds with their range. Naive training peaks early, then fits wrong labels."
    return Chart("lines", "Test accuracy by epoch", "epochs", "accuracy", series, "share", note=note)


def _items(n: int, u: Tensor, v: Tensor, draw: torch.Generator) -> Items:
    signal, distractors = torch.randn(n, SIGNAL, generator=draw), torch.randn(n, DISTRACTORS, generator=draw)
    hard = torch.arange(n) % 2 == 1
    distractors[~hard] = 0
    heard, misheard = signal @ u, distractors @ v
    votes = draw_votes(torch.sigmoid(torch.where(hard, 0.6 * heard + 0.6 * misheard, 4 * heard)), draw)
    return Items(torch.cat([signal, distractors], 1), (heard > 0).long(), hard, votes)


def _accuracy(net: nn.Sequential, items: Items) -> float:
    with torch.no_grad():
        return float((net(items.inputs).argmax(-1) == items.gold).double().mean())


def _figures(found: Trained, transfer: Items, test: Items, tau: float, seed: int) -> list[Figure]:
    """What is a share of an empty set is left out."""
    figures = [
        *_accuracies(found, test, seed), *_label_figures(found, transfer, seed),
        count("kept in Stage II", "discarded", "", int(found.kept_again.sum())),
        Figure("tau", "", "", tau, seeds=[seed], kind="value"),
    ]  # fmt: skip
    return [figure for figure in figures if figure is not None]


def _accuracies(found: Trained, test: Items, seed: int) -> list[Figure | None]:
    def accuracy(name: str, value: float) -> Figure:
        return share(f"accuracy, {name}", "test", "", round(value * len(test)), len(test), [seed])

    weak = majority(test.votes) == test.gold
    figures: list[Figure | None] = [accuracy("weak", float(weak.double().mean()))]
    for name, (_, curve) in found.trained.items():
        figures.append(accuracy(name, curve["accuracy"][-1]))
        figures.append(accuracy(f"{name}, best epoch", max(curve["accuracy"])))
    with torch.no_grad():
        ceiling = found.trained["ceiling"][0](test.inputs).argmax(-1) == test.gold
    error = gap_standard_error(weak.tolist(), ceiling.tolist())
    return [*figures, Figure(STANDARD_ERROR, "test", "", error, len(test), seeds=[seed], kind="value")
            if len(test) > 1 else None]  # fmt: skip


def _label_figures(found: Trained, transfer: Items, seed: int) -> list[Figure | None]:
    def part(name: str, split: str, right: Tensor) -> Figure | None:
        return share(name, split, "", int(right.sum()), len(right), [seed]) if len(right) else None

    naive = found.trained["naive"][1]
    kept, discarded = transfer[found.kept], transfer[~found.kept]
    again, kept_again = majority(found.strong_votes), found.kept_again
    union = torch.cat([kept.hard, discarded.hard[kept_again]])
    return [
        part("kept", "H2", found.kept),
        part("fit to weak labels, naive", "H2", torch.arange(len(transfer)) < naive["agreement"][-1] * len(transfer)),
        part("hard share", "H2", transfer.hard),
        part("hard share", "A", kept.hard),
        part("hard share", "A and B", union),
        part("label accuracy", "A", majority(kept.votes) == kept.gold),
        part("label accuracy, weak", "discarded", majority(discarded.votes) == discarded.gold),
        part("label accuracy, S1", "discarded", again == discarded.gold),
        part("label accuracy, S1 filtered", "discarded", (again == discarded.gold)[kept_again]),
    ]
