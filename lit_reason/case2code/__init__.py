"""Case2Code: infer a program from input/output cases (Shao et al., arXiv 2407.12504).

Real functions are harvested from Python source, random inputs are written for them, and the interpreter computes the
outputs, so every label is right by construction. Planted functions with random constants and names measure induction
alone.
"""
