"""Random texts, numbers and lists for planted functions."""

from __future__ import annotations

from random import Random

from lit_reason.case2code.words import WORDS

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MARKS = "-_:./+~#*=|!&@%^$"


def word(r: Random) -> str:
    """One everyday word."""
    return r.choice(WORDS)


def words(r: Random, low: int = 2, high: int = 3) -> list[str]:
    """Distinct words."""
    return r.sample(WORDS, r.randint(low, high))


def before(r: Random) -> str:
    """What is put before a text: a word and a mark, such as `sun:`."""
    return word(r) + r.choice(MARKS)


def after(r: Random) -> str:
    """What is put after a text: a mark and a word, such as `-lake`."""
    return r.choice(MARKS) + word(r)


def separator(r: Random) -> str:
    """One or two marks, often spaced."""
    marks = "".join(r.choices(MARKS, k=r.choice((1, 1, 2))))
    return r.choice((marks, f" {marks} ", f"{marks} "))


def numbers(r: Random, low: int = 3, high: int = 5, top: int = 20) -> list[int]:
    """A list of small numbers."""
    return [r.randint(0, top) for _ in range(r.randint(low, high))]


def around(r: Random, center: int, spread: int = 6) -> int:
    """A number near `center`, so that thresholds are tested where they bite."""
    return center + r.randint(-spread, spread)


def numbers_with(r: Random, value: int) -> list[int]:
    """A list in which `value` is common."""
    return [r.choice((value, around(r, value), r.randint(0, 60))) for _ in range(r.randint(2, 5))]


def symbol(r: Random) -> str:
    """A mark, a letter or two letters."""
    return r.choice((r.choice(MARKS), r.choice(LETTERS), "".join(r.sample(LETTERS, 2))))


def sprinkled(r: Random, what: str) -> str:
    """A short text in which `what` occurs 0 to 3 times."""
    letters = r.choices([c for c in LETTERS if c not in what], k=r.randint(2, 4)) + [what] * r.randint(0, 3)
    r.shuffle(letters)
    return "".join(letters)


def edged(r: Random, mark: str) -> str:
    """A word with 0 to 2 marks at either end."""
    return mark * r.randint(0, 2) + word(r) + mark * r.randint(0, 2)


def joined(r: Random, mark: str, low: int = 2, high: int = 4) -> str:
    """Words with `mark` between them."""
    return mark.join(words(r, low, high))
