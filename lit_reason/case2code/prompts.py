"""Building prompts and targets from a function's shown cases (section 2, step 5); hidden cases are never read here."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from jsonargparse.typing import ClosedUnitInterval, PositiveInt

from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.names import unknown
from lit_reason.case2code.values import literal_text
from lit_reason.case2code.wordings import (
    EVALUATION_LAYOUT,
    HEADERS,
    INSTRUCTIONS,
    LAYOUTS,
    NAME_LINES,
    SHORT_INSTRUCTION,
    SHORT_LAYOUT,
    Layout,
)
from lit_reason.records import Message

Purpose = Literal["training", "evaluation"]

_NEWLINES = ("\n", "\n\n", "\n\n\n")
_NEWLINE_WEIGHTS = (5, 2, 1)


@dataclass(frozen=True)
class PromptSettings:
    """How prompts are worded.

    Args:
        style: `varied` draws instruction, name line, header, layout and order at random; `short` is one compact form.
        k_min: Fewest cases shown; a function with fewer shows all it may.
        k_max: Most cases shown; null means all that may be shown.
        name_share: Share of training prompts that give the function's name.
        evaluation_name_share: The same for evaluation prompts.
        header_share: Share of varied training prompts with a line above the cases.
        n_instructions: Varied training prompts draw from this many of the wordings of the instruction, the first ones.
        n_name_lines: The same for the line with the name.
        n_headers: The same for the line above the cases.
        layouts: Names of the case layouts that training draws from; null means all 13.
        evaluation_layout: The one layout of varied evaluation prompts.
        lead_in: Sentence before the code block in the target; may be empty.
        max_chars: Longer prompts are dropped and counted.
        error_messages: Show the exception's message beside its type.
        last_newlines: End a varied prompt with one to three newlines, as every other part, instead of one.
        seed: Seed of every draw; a prompt depends on this, the function's id and nothing else.
    """

    style: Literal["varied", "short"] = "varied"
    k_min: PositiveInt = 3
    k_max: PositiveInt | None = None
    name_share: ClosedUnitInterval = 0.8
    evaluation_name_share: ClosedUnitInterval = 1.0
    header_share: ClosedUnitInterval = 0.8
    n_instructions: PositiveInt = 28
    n_name_lines: PositiveInt = 8
    n_headers: PositiveInt = 20
    layouts: list[str] | None = None
    evaluation_layout: str = EVALUATION_LAYOUT
    lead_in: str = "Here is the function:"
    max_chars: PositiveInt = 32768
    error_messages: bool = True
    last_newlines: bool = False
    seed: int = 0

    def problems(self) -> list[tuple[str, str]]:
        """(key, message) for every setting that contradicts another or names what does not exist."""
        found = []
        counts = {"n_instructions": INSTRUCTIONS, "n_name_lines": NAME_LINES, "n_headers": HEADERS}
        for key, wordings in counts.items():
            if (n := getattr(self, key)) > len(wordings):
                found.append((key, f"there are {len(wordings)}, got {n}"))
        if self.k_max is not None and self.k_max < self.k_min:
            found.append(("k_max", f"must be at least k_min = {self.k_min}, got {self.k_max}"))
        if self.layouts == []:
            found.append(("layouts", "must name a layout, or be null for all"))
        for name in self.layouts or []:
            if name not in LAYOUTS:
                found.append(("layouts", unknown("layout", name, list(LAYOUTS))))
        if self.evaluation_layout not in LAYOUTS:
            found.append(("evaluation_layout", unknown("layout", self.evaluation_layout, list(LAYOUTS))))
        return found


@dataclass(frozen=True)
class Prompt:
    """A built prompt, the cases it shows (indices into the function's cases, in order), and whether it gives the name.

    Training prompts count as giving the name when they have the name line, whatever their layout.
    """

    text: str
    shown: tuple[int, ...]
    name_given: bool


def build_prompt(function: Function, settings: PromptSettings, purpose: Purpose = "training") -> Prompt:
    """The prompt for a function: its published one, else ours. Same settings and function, same bytes."""
    if function.prompt:
        return Prompt(function.prompt, function.shown, function.name in function.prompt)
    rng = Random(f"{settings.seed}/{purpose}/{function.id}")
    shown = draw_cases(function.shown, settings, rng)
    share = settings.name_share if purpose == "training" else settings.evaluation_name_share
    name_given = rng.random() < share
    cases = [function.cases[i] for i in shown]
    if settings.style == "short":
        text = _short(function, cases, name_given, settings)
    elif purpose == "evaluation":
        text = _evaluation(function, cases, name_given, settings, rng)
        name_given = name_given or LAYOUTS[settings.evaluation_layout].is_call
    else:
        text = _varied(function, cases, name_given, settings, rng)
    return Prompt(text, shown, name_given)


def draw_cases(shown: Sequence[int], settings: PromptSettings, rng: Random) -> tuple[int, ...]:
    """k of the showable cases in random order, k uniform on k_min..k_max; all where there are no more than k_min."""
    top = min(len(shown), settings.k_max or len(shown))
    k = rng.randint(min(settings.k_min, top), top)
    return tuple(rng.sample(shown, k))


def build_target(code: str, lead_in: str = "") -> str:
    """What the model is to answer: the lead-in, then the source in a fenced block."""
    return f"{lead_in}\n" * bool(lead_in) + f"```python\n{code.rstrip()}\n```"


def instruction_prompt(function: Function, shown: Sequence[int], *, error_messages: bool = True) -> list[Message]:
    """The same cases for a model that was never trained on this task.

    It is told the name, the keyword arguments and the form of the answer (section 5.4), so that format alone does not
    count as learning.
    """
    layout = LAYOUTS[EVALUATION_LAYOUT]
    cases = [_render(layout, function, function.cases[i], i, "dict", error_messages) for i in shown]
    call = f"{function.name}({', '.join(f'{p}=...' for p in function.params)})"
    text = (
        f"{INSTRUCTIONS[0]}\n\n{layout.between.join(cases)}\n\n"
        f"The function is named `{function.name}` and will be called with keyword arguments, like this: `{call}`. "
        "Answer with one fenced Python code block that contains the complete function and nothing else."
    )
    return [{"role": "user", "content": text}]


def literal(text: str) -> str:
    """A repr as prompts show it: strings in double quotes, everything else as it is."""
    if text[:1] != "'":
        return text
    return '"' + text[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'


def _short(function: Function, cases: list[Case], name_given: bool, settings: PromptSettings) -> str:
    signature = f"{function.name if name_given else ''}({', '.join(function.params)})"
    rendered = _render_all(SHORT_LAYOUT, function, cases, settings, lambda: "values")
    return f"{SHORT_INSTRUCTION.format(signature=signature)}\n{rendered}"


def _evaluation(function: Function, cases: list[Case], name_given: bool, settings: PromptSettings, rng: Random) -> str:
    layout = LAYOUTS[settings.evaluation_layout]
    form = "keywords" if layout.is_call else "dict"
    name_line = [NAME_LINES[0].format(name=function.name)] * name_given
    rendered = _render_all(layout, function, cases, settings, lambda: form)
    return _in_random_order([INSTRUCTIONS[0], *name_line, rendered], settings, rng)


def _varied(function: Function, cases: list[Case], name_given: bool, settings: PromptSettings, rng: Random) -> str:
    parts = [rng.choice(INSTRUCTIONS[: settings.n_instructions])]
    if name_given:
        parts.append(rng.choice(NAME_LINES[: settings.n_name_lines]).format(name=function.name))
    layout = LAYOUTS[rng.choice(settings.layouts or list(LAYOUTS))]
    header = rng.choice(HEADERS[: settings.n_headers]) + "\n" if rng.random() < settings.header_share else ""
    forms = ("keywords", "values") if layout.is_call else ("pairs", "values", "dict")
    rendered = _render_all(layout, function, cases, settings, lambda: rng.choice(forms))
    return _in_random_order([*parts, header + rendered], settings, rng)


def _in_random_order(parts: list[str], settings: PromptSettings, rng: Random) -> str:
    rng.shuffle(parts)
    newlines = rng.choices(_NEWLINES, _NEWLINE_WEIGHTS, k=len(parts))
    text = "".join(part + end for part, end in zip(parts, newlines, strict=True))
    return text if settings.last_newlines else text.rstrip("\n") + "\n"


def _render_all(
    layout: Layout, function: Function, cases: list[Case], settings: PromptSettings, form: Callable[[], str]
) -> str:
    """All cases in one layout; `form` is asked for every case how its input is written."""
    messages = settings.error_messages
    return layout.between.join(_render(layout, function, case, i, form(), messages) for i, case in enumerate(cases, 1))


def _render(layout: Layout, function: Function, case: Case, i: int, form: str, error_messages: bool) -> str:
    inputs = _inputs(case, function.params, form, layout)
    template = layout.case if case.error is None or layout.error is None else layout.error
    return template.format(i=i, inputs=inputs, call=f"{function.name}({inputs})", output=_output(case, error_messages))


def _inputs(case: Case, params: Sequence[str], form: str, layout: Layout) -> str:
    """The input in one of the forms `name: value` pairs, bare values, `dict(...)`, or keyword arguments."""
    values = _argument_texts(case.kwargs)
    if form == "pairs":
        return ", ".join(f"{name}: {value}" for name, value in values.items())
    keywords = ", ".join(f"{name}={value}" for name, value in values.items())
    if form == "dict":
        return f"dict({keywords})"
    if form == "values" and list(values) == list(params)[: len(values)]:
        return ", ".join(values.values())
    return keywords


def _argument_texts(kwargs: str) -> dict[str, str]:
    """Parameter name to shown literal."""
    return {name: literal(literal_text(value)) for name, value in ast.literal_eval(kwargs).items()}


def _output(case: Case, error_messages: bool) -> str:
    if case.error is None:
        return literal(str(case.returned))
    return f"{case.error}: {case.message}" if error_messages and case.message else case.error
