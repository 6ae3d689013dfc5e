import pytest

from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.endpoint import Endpoint, EndpointError, EndpointSampler
from lit_reason.sampling.spending import spending_notice

QUESTIONS = [Question(f"q{i}", f"question {i}") for i in range(9)]
SETTINGS = SamplingSettings(n=4, temperature=1.0, max_new_tokens=100)


def sampler(**options):
    return EndpointSampler(Endpoint("http://nobody.invalid/v1", "big"), system="Be brief.", **options)


def test_it_says_what_will_be_spent_and_shows_three_final_prompts():
    notice = spending_notice(sampler(max_total_tokens=2000), QUESTIONS, SETTINGS, done={("q0", 0)})
    assert "http://nobody.invalid/v1, model big: 35 samples of 9 questions, 1 are there already" in notice
    # 35 prompts of "Be brief." and "question i", 19 bytes, at three bytes a token
    assert "at most 3,500 new tokens and about 221 prompt tokens; stops at 2,000 tokens" in notice
    assert notice.count("[system] Be brief.\n[user] question ") == 3
    assert [f"of question q{i}" in notice for i in range(9)] == [i in (0, 4, 8) for i in range(9)]
    assert "no token cap" in spending_notice(sampler(), QUESTIONS, SETTINGS)
    assert spending_notice(sampler(), QUESTIONS[:1], SETTINGS).count("final prompt") == 1


def test_nothing_to_ask_is_nothing_to_say():
    assert spending_notice(sampler(), QUESTIONS, SETTINGS, {(q.id, i) for q in QUESTIONS for i in range(4)}) == ""


def test_a_cap_below_one_answer_is_a_mistake():
    with pytest.raises(EndpointError, match="max_total_tokens is 99, but one answer may take max_new_tokens, 100"):
        spending_notice(sampler(max_total_tokens=99), QUESTIONS, SETTINGS)
