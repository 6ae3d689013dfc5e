"""Graders turn a sample's text into a verdict: right, wrong, unparsed or timed out."""

from lit_reason.grading.choice import ChoiceGrader
from lit_reason.grading.maths import MathGrader
from lit_reason.grading.programs import CodeGrader
from lit_reason.grading.protocol import Grader
from lit_reason.grading.text import TextGrader
from lit_reason.grading.verifier import VerifierGrader

__all__ = ["ChoiceGrader", "CodeGrader", "Grader", "MathGrader", "TextGrader", "VerifierGrader"]
