"""Graders turn a sample's text into a verdict: right, wrong, unparsed or timed out."""

from lit_reason.grading.protocol import Grader

__all__ = ["Grader"]
