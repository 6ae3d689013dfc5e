"""Turning the graded samples of one question into one answer or one estimate."""
