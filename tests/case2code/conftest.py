"""A small corpus of real functions, and a cache that only the tests of this room use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lit_reason.case2code.settings import RealSettings

CORPUS = """
import math
from collections import Counter

def clip_sum(xs: list[int], cap: int):
    s = sum(xs)
    return cap if s > cap else s

def is_prime(n: int):
    if n < 2:
        return False
    for i in range(2, math.isqrt(n) + 1):
        if n % i == 0:
            return False
    return True

def most_common(words: list[str]):
    counts = Counter(words)
    return sorted(counts, key=lambda w: (-counts[w], w))[:2]

def vowels(text: str):
    return sum(c in "aeiou" for c in text.lower())

def inverse(x: int):
    return 100 // x

def letters(s: str):
    return set(s)

def collatz(n: int):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps

def always(x: int):
    return 42

def fails(x: int):
    raise ValueError(x)

def ordered(words: list[str]):
    return [w for w in {w + "!" for w in words}]

def maker(n: int):
    return lambda x: x + n

def symbolic(x):
    return x.is_Add and x.args

def big(n: int):
    return "x" * (n * n * 100)

def flatten(rows: list[list[int]]):
    return [v for row in rows for v in row]

def mutate(xs: list[int]):
    xs.append(len(xs))
    xs.reverse()
    return xs

def greet(name: str, greeting: str = "hello"):
    return f"{greeting}, {name or 'nobody'}"
"""


@pytest.fixture(scope="package", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache is neither read nor written."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIT_REASON_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of sixteen functions, good and bad."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "functions.py").write_text(CORPUS)
    return folder


@pytest.fixture(scope="session")
def small(corpus: Path) -> RealSettings:
    """Settings that use nothing but the small corpus."""
    return RealSettings(sources=[str(corpus)], call_seconds=0.1)
