"""Sampling from SmolLM2-135M: our decoder beside transformers' `generate(num_return_sequences=8)`.

    python benchmarks/sampling.py            # 32 prompts x 8 samples x up to 256 tokens, three rounds
    python benchmarks/sampling.py --quick    # 8 prompts x 8 samples x up to 64 tokens, one round
    python benchmarks/sampling.py --all      # transformers' static cache and continuous batching take part
    python benchmarks/sampling.py --fallback # our slow path in place of the fast one, which must fail

Both sample from the model's whole distribution at one temperature, in the same dtype, on two threads, in turn. Counted
are tokens up to the model's own end, a second; what `generate` computes for rows that have ended is nobody's token. It
may choose how many prompts to take at once: each of its sizes runs once, and the fastest goes on. transformers is
installed with lit-reason. Idle threads spin for some ten microseconds here before they sleep. Under
`OMP_WAIT_POLICY=PASSIVE` a step of 128 rows took 165 ms instead of 95, because waking a thread takes longer than many
of its products; spinning without end stops everything on a machine that has other work.

transformers' own remedies were tried first. Beside each other on a busy machine (4 prompts, 24 tokens), `generate` with
its static cache was as fast as with its growing one, and continuous batching took four times as long.

Besides the speed it is asserted that prompts are computed once for all of their samples, that rows end where the model
ends them, and that greedy decoding in float32 gives transformers' tokens up to the first step at which its two best
logits differ by less than 1e-3, where either is right.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "20000")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from rich.console import Console
from rich.table import Table

from lit_reason.backbones import EMBEDDED, Backbone, has_fast_bfloat16, load_model, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.records import Question, Sample
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.local import local_sampler
from lit_reason.sampling.transformers_sampler import TransformersSampler

GOAL = 4.0
N_SAMPLES = 8
BATCH_SIZE = 256
NEAR = 1e-3
"""Two logits as close as this may change places with the shape of a product in float32."""

SUBJECTS = (
    "the tides",
    "a rainbow",
    "sourdough bread",
    "the number zero",
    "volcanoes",
    "honey bees",
    "steam engines",
    "sleep",
)
TASKS = (
    "Explain {} to a child in two sentences.",
    "Give three facts about {}, then say which one most people do not know.",
    "Write a short poem about {}.",
    "A class of {n} pupils reads about {}. Each reads {m} pages a day for {n} days. How many pages do they read in "
    "all? Think step by step and end with the answer.",
)  # fmt: skip

Texts = list[list[int]]


def questions(n: int) -> list[Question]:
    """`n` of 32 questions whose answers are of very different lengths."""
    pairs = [(task, subject) for subject in SUBJECTS for task in TASKS]
    return [
        Question(f"q{i}", task.format(subject, n=i + 3, m=i % 7 + 2)) for i, (task, subject) in enumerate(pairs[:n])
    ]


def ends(model: Any) -> set[int]:
    """The model's end tokens."""
    configured = model.generation_config.eos_token_id
    return set(configured if isinstance(configured, list) else [configured])


def cut(tokens: list[int], end_ids: set[int]) -> list[int]:
    """Up to the first end token, which counts."""
    return tokens[: next((i + 1 for i, token in enumerate(tokens) if token in end_ids), len(tokens))]


def generate(model: Any, prompts: Texts, per_call: int, settings: SamplingSettings, **options: Any) -> Texts:
    """transformers' own sampling, so many prompts a call."""
    found = []
    for start in range(0, len(prompts), per_call):
        part = prompts[start : start + per_call]
        width = max(map(len, part))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in part])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part])
        output = model.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, temperature=settings.temperature, top_k=0,
            top_p=settings.top_p, max_new_tokens=settings.max_new_tokens, num_return_sequences=settings.n,
            pad_token_id=model.generation_config.eos_token_id, **options,
        )  # fmt: skip
        found += [cut(row[width:].tolist(), ends(model)) for row in output]
    return found


def continuous(model: Any, prompts: Texts, settings: SamplingSettings) -> Texts:
    """transformers' continuous batching."""
    from transformers import GenerationConfig

    config = GenerationConfig(
        do_sample=True, temperature=settings.temperature, top_k=0, top_p=settings.top_p,
        max_new_tokens=settings.max_new_tokens, eos_token_id=model.generation_config.eos_token_id,
    )  # fmt: skip
    output = model.generate_batch([p for p in prompts for _ in range(settings.n)], generation_config=config)
    return [cut(result.generated_tokens, ends(model)) for result in output.values()]


def contenders(model: Any, prompts: Texts, settings: SamplingSettings, every: bool) -> dict[str, Callable[[], Texts]]:
    """The peers by name."""
    sizes = sorted({len(prompts), max(1, len(prompts) // 2), max(1, len(prompts) // 4)})
    peers: dict[str, Callable[[], Texts]] = {
        f"generate, {size} prompts a call": lambda size=size: generate(model, prompts, size, settings) for size in sizes
    }
    if every:
        peers["generate, static cache"] = lambda: generate(
            model, prompts, sizes[-1], settings, cache_implementation="static", disable_compile=True
        )
        peers["continuous batching"] = lambda: continuous(model, prompts, settings)
    return peers


def timed(run: Callable[[], Sequence[Any]], length: Callable[[Any], int]) -> tuple[float, Sequence[Any]]:
    """Tokens a second, and what was sampled."""
    began = time.perf_counter()
    found = run()
    return sum(map(length, found)) / (time.perf_counter() - began), found


def flat(batches: Iterable[list[Sample]]) -> list[Sample]:
    """All samples of a call."""
    return [sample for batch in batches for sample in batch]


def check_samples(sampler: Any, samples: Sequence[Sample], prompts: Texts, settings: SamplingSettings) -> None:
    """Each prompt once through the model, and rows that end where the model ends them."""
    assert sampler.n_prefilled == sum(map(len, prompts)), "prompt tokens were computed more than once"
    end_ids = ends(sampler.model)
    assert len(samples) == settings.n * len(prompts)
    for sample in samples:
        assert sample.token_ids == cut(sample.token_ids or [], end_ids), "a row went on after its end"
        ended = (sample.token_ids or [0])[-1] in end_ids
        assert ended == (sample.finish_reason == "stop")
        assert ended or sample.n_tokens == settings.max_new_tokens


def greedy_peer(model: Any, prompt: list[int], n_tokens: int) -> tuple[list[int], int]:
    """transformers' greedy tokens, and how many of them are beyond doubt."""
    gaps: list[float] = []

    def gap(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        first, second = scores[0].topk(2).values.tolist()
        gaps.append(first - second)
        return scores

    output = model.generate(
        input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        max_new_tokens=n_tokens, logits_processor=[gap], pad_token_id=model.generation_config.eos_token_id,
    )  # fmt: skip
    return output[0, len(prompt) :].tolist(), next((i for i, g in enumerate(gaps) if g < NEAR), len(gaps))


def check_greedy(make: Callable[..., Any], asked: list[Question], n_tokens: int) -> str:
    """Assert that both decode the same in float32; returns how much was compared."""
    model = load_model(Backbone(EMBEDDED, dtype="float32")).eval()
    sampler = make(model)
    settings = SamplingSettings(max_new_tokens=n_tokens)
    compared, total = 0, 0
    samples = {sample.question_id: sample for sample in flat(sampler.sample(asked, settings))}
    for question in asked:
        expected, sure = greedy_peer(model, sampler.chat.prompt_ids(question.prompt), n_tokens)
        tokens = samples[question.id].token_ids
        assert tokens[:sure] == expected[:sure], f"{question.id}: other tokens than transformers within {sure}"
        if sure == len(expected):
            assert tokens == expected, f"{question.id}: ends elsewhere than transformers"
        compared, total = compared + sure, total + len(expected)
    return f"greedy, float32: {compared:,} of {total:,} tokens beyond doubt, all equal"


def measure(sampler: Any, asked: list[Question], settings: SamplingSettings, n_rounds: int, every: bool) -> list[float]:
    """Print the table; the ratio of each round, ours to the fastest peer's."""
    prompts = [sampler.chat.prompt_ids(question.prompt) for question in asked]
    peers = contenders(sampler.model, prompts, settings, every)
    speeds: dict[str, list[float]] = {name: [timed(run, len)[0]] for name, run in peers.items()}
    best = max(speeds, key=lambda name: speeds[name][0])
    ours = []
    for number in range(n_rounds):
        if number:
            speeds[best].append(timed(peers[best], len)[0])
        again = replace(settings, seed=number)
        speed, samples = timed(lambda again=again: flat(sampler.sample(asked, again)), lambda s: s.n_tokens)
        check_samples(sampler, samples, prompts, again)
        sampler.n_prefilled = 0
        ours.append(speed)
    mean_length = statistics.mean(s.n_tokens for s in samples)
    table = Table(
        "sampler", "tokens/s, each round", title=f"{len(samples)} samples of {mean_length:.0f} tokens on average"
    )
    for name, values in {"ours": ours, **speeds}.items():
        table.add_row(name, ", ".join(f"{value:,.0f}" for value in values))
    Console().print(table)
    return [a / b for a, b in zip(ours, speeds[best], strict=True)]


def main() -> int:
    """Run, assert and print; the exit code is 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("quick", "all", "fallback"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(2)
    n_prompts, n_tokens, n_rounds = (8, 64, 1) if options.quick else (32, 256, options.rounds)
    asked = questions(n_prompts)
    tokenizer = load_tokenizer(Backbone(EMBEDDED))

    def make(model: Any) -> Any:
        kind = TransformersSampler if options.fallback else local_sampler
        return kind(model, tokenizer, Chat(tokenizer), identity={}, batch_size=BATCH_SIZE, keep_tokens=True)

    sampler = make(load_model(Backbone(EMBEDDED)).eval())
    if not hasattr(sampler, "n_prefilled"):
        print("no fast decoder: it does not count the prompt tokens that it computes")
        return 1
    print(f"{torch.get_num_threads()} threads, native bfloat16: {has_fast_bfloat16()}, {sampler.model.dtype}")
    settings = SamplingSettings(N_SAMPLES, options.temperature, options.top_p, max_new_tokens=n_tokens)
    ratios = measure(sampler, asked, settings, n_rounds, options.all)
    print(check_greedy(make, asked[:8], n_tokens))
    print(f"ratio: {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}), goal {GOAL:.0f}")
    return 0 if statistics.median(ratios) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
