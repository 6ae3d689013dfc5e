"""Check I: everything a judge may write, and which chain each score lands on."""

from __future__ import annotations

import pytest

from lit_reason.aggregation.aor.parser import read_scores
from lit_reason.aggregation.aor.release import release_answer

CHAINS = ["Chain 1", "Chain 2", "Chain 3"]
ANSWERS = ["1/2", "two words", "x=3", "18"]

READ = {
    "JSON in a fence": ('Reasons.\n```json\n{"Chain 1": 7, "Chain 2": 8, "Chain 3": 9}\n```', [7, 8, 9]),
    "bare JSON": ('{"Chain 1": 7, "Chain 2": 8, "Chain 3": 9}', [7, 8, 9]),
    "JSON inside another object": ('{"scores": {"Chain 1": 7, "Chain 2": 8, "Chain 3": 9}}', [7, 8, 9]),
    "the last JSON object": ('{"Chain 1": 1, "Chain 2": 1, "Chain 3": 1} no: {"1": 7, "2": 8, "3": 9}', [7, 8, 9]),
    "texts and floats": ('{"Chain 1": "7/10", "Chain 2": 8.0, "Chain 3": "9 out of 10"}', [7, 8, 9]),
    "other spellings": ('{"chain 1": 7, "CHAIN_2": 8, "3": 9}', [7, 8, 9]),
    "closing lines": (
        "It adds well.\n\nChain 1 Total Score: 7/10\nChain 2 Total Score: 8 / 10\nChain 3 Total Score: 9 out of 10",
        [7, 8, 9],
    ),
    "another order": ("Chain 2 Total Score: 8/10\nChain 1 Total Score: 7/10\nChain 3 Total Score: 9/10", [7, 8, 9]),
    "another order in JSON": ('{"Chain 2": 8, "Chain 1": 7, "Chain 3": 9}', [7, 8, 9]),
    "markup and bullets": ("- **Chain 1**: 7/10.\n* Chain 2 - 8/10\n1. `Chain 3 Total Score:` **9**/10", [7, 8, 9]),
    "no ten after a total": ("Chain 1 Total Score: 7\nChain 2 Total Score: 8.0\nChain 3 Total Score: 9", [7, 8, 9]),
    "criteria before totals": (
        "Chain 1 consistency: 2/3\nChain 1 Total Score: 7/10\nChain 2 Total Score: 8/10\nChain 3 total score: 9/10",
        [7, 8, 9],
    ),
    "second thoughts": (
        "Chain 1 Total Score: 2/10\nOn reflection:\nChain 1 Total Score: 7/10\nChain 2: 8/10\nChain 3: 9/10", [7, 8, 9]
    ),
    "said once above, the rest below": ("Chain 1: 7/10\nbut\nChain 2: 8/10\nChain 3: 9/10", [7, 8, 9]),
    "the same value twice": ("Chain 1: 7/10\nChain 1: 7/10\nChain 2: 8/10\nChain 3: 9/10", [7, 8, 9]),
    "braces that are no JSON": (r"Since \frac{1}{2} {is}: {'Chain 1': 7, 'Chain 2': 8, 'Chain 3': 9}"
                                "\nChain 1: 7/10\nChain 2: 8/10\nChain 3: 9/10", [7, 8, 9]),
}  # fmt: skip

REFUSED = {
    "more than ten": ("Chain 1 Total Score: 11/10\nChain 2: 8/10\nChain 3: 9/10", "Chain 1: '11' is no score"),
    "less than zero": ('{"Chain 1": -1, "Chain 2": 8, "Chain 3": 9}', "Chain 1: -1 is no score"),
    "less than zero in a line": ("Chain 1: -1/10\nChain 2: 8/10\nChain 3: 9/10", "Chain 1: '-1' is no score"),
    "out of a hundred": ("Chain 1: 7/100\nChain 2: 8/10\nChain 3: 9/10", "no score for Chain 1"),
    "a missing chain": ("Chain 1 Total Score: 7/10\nChain 2 Total Score: 8/10", "no score for Chain 3"),
    "null": ('{"Chain 1": 7, "Chain 2": null, "Chain 3": 9}', "Chain 2: None is no score"),
    "true": ('{"Chain 1": true, "Chain 2": 8, "Chain 3": 9}', "Chain 1: True is no score"),
    "NaN": ('{"Chain 1": NaN, "Chain 2": 8, "Chain 3": 9}', "Chain 1: nan is no score"),
    "a fraction": ("Chain 1: 7.5/10\nChain 2: 8/10\nChain 3: 9/10", "Chain 1: '7.5' is no score"),
    "two scores at the end": ("Chain 1: 7/10\nChain 1: 5/10\nChain 2: 8/10\nChain 3: 9/10", "Chain 1 has two scores"),
    "two scores in JSON": ('{"Chain 1": 7, "Chain 1": 5, "Chain 2": 8, "Chain 3": 9}', "Chain 1 has two scores"),
    "nothing": ("", "no score found"),
    "a refusal": ("I cannot judge this.", "no score found"),
    "braces without end": ("{" * 2000, "no score found"),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_read(case: str) -> None:
    text, scores = READ[case]
    reading = read_scores(text, CHAINS)
    assert (reading.scores, reading.problem) == (scores, "")
    assert all(isinstance(score, int) for score in reading.scores)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    text, problem = REFUSED[case]
    reading = read_scores(text, CHAINS)
    assert reading.scores is None and reading.problem.startswith(problem)


def test_fractions_by_permission() -> None:
    reading = read_scores('{"Chain 1": 7.5, "Chain 2": "8.5/10", "Chain 3": 9.0}', CHAINS, allow_fraction=True)
    assert reading.scores == [7.5, 8.5, 9] and isinstance(reading.scores[2], int)


@pytest.mark.parametrize(
    "text",
    [
        "Answer Option: 1/2 Total Score: 1/10\nAnswer Option: two words Total Score: 2/10\n"
        "Answer Option: x=3 Total Score: 3/10\nAnswer Option: 18 Total Score: 4/10",
        "1/2: 1/10\nTwo  Words: 2/10\nx=3: 3/10\n18: 4/10",
        '{"18": 4, "Answer Option: 1/2": 1, "two words": 2, "X=3": 3}',
    ],
)
def test_labels_that_are_answers(text: str) -> None:
    assert read_scores(text, ANSWERS).scores == [1, 2, 3, 4]


def test_an_answer_nobody_gave_is_ignored_and_counted() -> None:
    reading = read_scores('{"1/2": 1, "two words": 2, "x=3": 3, "18": 4, "99": 10}', ANSWERS)
    assert reading.scores == [1, 2, 3, 4] and reading.n_unknown == 1
    reading = read_scores("1/2: 1/10\ntwo words: 2/10\nx=3: 3/10\n18: 4/10\n99: 11/10", ANSWERS)
    assert reading.scores == [1, 2, 3, 4] and reading.n_unknown == 1


def test_labels_that_differ_in_case_only() -> None:
    assert read_scores('{"a": 1, "A": 2}', ["a", "A"]).scores == [1, 2]
    assert read_scores('{"a ": 1, "A": 2}', ["a", "A"]).scores is None  # which of the two is meant?


@pytest.mark.parametrize(
    ("text", "extractor", "answer"),
    [
        ("the answer is B because of C.", "release_option", "C"),
        ("(B). Done", "release_option", "E"),
        ("no idea", "release_option", "A"),
        ("so 3/4", "release_number", "4"),
        ("1e3", "release_number", "3"),
        ("the answer is 1,234.50 dollars", "release_number", "1234.50"),
        ("18 apples; The answer is -3. the answer is 7", "release_number", "7"),
        ("the answer is none", "release_number", ""),
        ("Yes. the answer is no", "release_yes_no", "no"),
    ],
)
def test_what_the_release_reads(text: str, extractor: str, answer: str) -> None:
    assert release_answer(text, extractor) == answer
