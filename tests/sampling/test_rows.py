"""In which order rows are decoded, whatever order they were asked in."""

import random

import pytest

from lit_reason.chat import Chat
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.rows import plan_rows

LENGTHS = {"a": 5, "b": 90, "c": 5, "d": 300, "e": 40, "f": 90}
SETTINGS = SamplingSettings(n=2, temperature=1.0, max_new_tokens=8)


@pytest.mark.parametrize("shuffle", [0, 1, 2])
def test_longest_prompts_come_first_and_samples_of_a_question_together(shuffle, tiny_llama, byte_tokenizer):
    wanted = [(Question(id, "x" * n), index) for id, n in LENGTHS.items() for index in range(SETTINGS.n)]
    random.Random(shuffle).shuffle(wanted)
    rows = plan_rows(tiny_llama, Chat(byte_tokenizer), wanted, SETTINGS)
    places = [(row.question_id, row.sample_index) for row in rows]
    assert places == [(id, index) for id in "dbfeac" for index in (0, 1)]
    lengths = [len(row.prompt) for row in rows]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] > 256 > lengths[2]
    assert all(one.prompt is other.prompt for one, other in zip(rows[::2], rows[1::2], strict=True))
    assert [row.finish_reason for row in rows] == ["length"] * 2 + [None] * 10
