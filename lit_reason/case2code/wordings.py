"""The words of a prompt: 28 instructions, 20 case headers, 8 name lines and 13 case layouts (section 2, step 5)."""

from __future__ import annotations

from dataclasses import dataclass

INSTRUCTIONS: tuple[str, ...] = (
    "Find the Python function that is behind these cases.",
    "Work out which function produced the cases, then write it in Python.",
    "The cases below all come from one function. Reconstruct it.",
    "Write a Python function that reproduces every case.",
    "Infer the rule that turns each input into its output and implement it.",
    "Some function was run on a few inputs. Recover its source.",
    "Look for the pattern in the recorded calls and express it as Python code.",
    "What function behaves like this? Answer with its implementation.",
    "Implement a function whose behaviour agrees with all recorded cases.",
    "From the observed behaviour alone, write the function.",
    "Here is how an unknown function behaves. Give Python code that does the same.",
    "Deduce the program from its inputs and outputs.",
    "Your task is to reverse engineer a function from examples of its use.",
    "Each case pairs an input with the result of a hidden function. Program that function.",
    "Guess the general rule, not just the listed results, and code it in Python.",
    "Study the cases and give a function that also handles inputs not listed.",
    "A function's code was lost, but a log of its calls survives. Rewrite the code.",
    "Turn these observations into a working Python function.",
    "Determine what is computed in the cases and write a function that computes it.",
    "Provide Python source that maps every given input to its given output.",
    "Reproduce the black box: write a function with the same behaviour.",
    "Generalise from the cases to a function and write it down.",
    "Which implementation explains all of the results? Write it in Python.",
    "Complete the specification by example: implement the function it describes.",
    "Use the examples as a specification and write the matching function.",
    "Identify the computation shown by the cases and define it as a Python function.",
    "Produce a function that would give exactly these results.",
    "Explain the cases by code: one Python function that fits them all.",
)

HEADERS: tuple[str, ...] = (
    "Cases:",
    "Examples:",
    "Observed behaviour:",
    "Recorded calls:",
    "Input and output pairs:",
    "Known results:",
    "The cases are:",
    "Here are the cases.",
    "Samples of its behaviour:",
    "Log of calls:",
    "Inputs with their outputs:",
    "What was observed:",
    "Test cases:",
    "Data:",
    "These results are known:",
    "It behaves as follows:",
    "Demonstrations:",
    "Evidence:",
    "Some calls and their results:",
    "## Cases",
)

NAME_LINES: tuple[str, ...] = (
    "The function is called `{name}`.",
    "Function name: {name}",
    "Name it `{name}`.",
    "Define it as `{name}`.",
    "Its name is {name}.",
    "Call the function {name}.",
    "Use the name `{name}` for it.",
    "name = {name}",
)


@dataclass(frozen=True)
class Layout:
    """How one case is written. Raw layouts use {inputs}, call layouts {call}; {i} counts from 1.

    `error` replaces `case` for a case that raised; by default the exception stands where the output would.
    """

    name: str
    case: str
    between: str = "\n"
    error: str | None = None

    @property
    def is_call(self) -> bool:
        """Whether the case is a call expression with its result."""
        return "{call}" in self.case


RAW_LAYOUTS = (
    Layout("input_output", "Input: {inputs}\nOutput: {output}", "\n\n"),
    Layout("arrow", "{inputs} => {output}"),
    Layout("gives", "Case {i}: {inputs} gives {output}"),
    Layout("list", "- for {inputs} the result is {output}"),
    Layout("indented", "Example {i}\n    in:  {inputs}\n    out: {output}"),
    Layout("table", "| {inputs} | {output} |"),
    Layout("numbered", "[{i}] arguments: {inputs}; returned: {output}"),
    Layout("sections", "### Input {i}\n{inputs}\n### Output {i}\n{output}", "\n\n"),
)

CALL_LAYOUTS = (
    Layout("assert", "assert {call} == {output}", error="{call}  # raises {output}"),
    Layout("doctest", ">>> {call}\n{output}"),
    Layout("call_arrow", "{call} -> {output}"),
    Layout("comment", "{call}  # {output}"),
    Layout("returns", "{i}. {call} returns {output}", error="{i}. {call} raises {output}"),
)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (*RAW_LAYOUTS, *CALL_LAYOUTS)}

SHORT_INSTRUCTION = "Write {signature}."
"""The one instruction of the short style: it holds the name and the parameters, so that inputs can be bare values."""

SHORT_LAYOUT = Layout("short", "{inputs} -> {output}")

EVALUATION_LAYOUT = "input_output"
