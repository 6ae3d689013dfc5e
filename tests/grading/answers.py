"""What models write, and what the mathematics grader must make of it."""

from __future__ import annotations

from typing import NamedTuple

from lit_reason.records import GradeStatus

UNPARSED: GradeStatus = "unparsed"


class Answer(NamedTuple):
    """One text under a gold answer: the verdict and the key that it must get. `alone` is what math-verify makes of the
    same text by itself where that is a mistake."""

    text: str
    gold: str
    status: GradeStatus
    key: str | None = None
    alone: GradeStatus | None = None


def right(text: str, gold: str, key: str, alone: GradeStatus | None = None) -> Answer:
    return Answer(text, gold, "right", key, alone)


def wrong(text: str, gold: str, key: str, alone: GradeStatus | None = None) -> Answer:
    return Answer(text, gold, "wrong", key, alone)


def unparsed(text: str, gold: str = "5") -> Answer:
    return Answer(text, gold, UNPARSED)


WHERE = [
    right(r"so \boxed{5}.", "5", "5"),
    right(r"\boxed{4}. Wait, that is wrong. \boxed{5}", "5", "5"),
    wrong(r"\boxed{5}. Wait, that is wrong. \boxed{4}", "5", "4"),
    right(r"\boxed{\frac{\sqrt{3}}{2}}", r"\frac{\sqrt{3}}{2}", "0.866025403784439"),
    right(r"$\boxed{\{x : 1, 2\}}$ no, $\boxed{\left\{1, 2\right\}}$", r"\{1,2\}", "{1, 2}"),
    right(r"\boxed{\text{If } a = 5 \text{ then}}. So \fbox{5}", "5", "5"),
    right(r"\boxed{\boxed{5}}", "5", "5"),
    right(r"\boxed 5.", "5", "5"),
    right(r"$\boxed{3}$ and $\boxed{-3}$", r"\pm 3", "{-3, 3}"),
    right(r"\boxed{2}, \boxed{3}", "2,3", "{2, 3}"),
    right("The answer is 5.", "5", "5"),
    right("The final answer is $\\frac{1}{2}$. I hope it is correct.", "0.5", "1/2"),
    right("**Answer:** 42", "42", "42"),
    right("Answer:\n42", "42", "42"),
    right("16 + 2 = 18\n#### 18", "18", "18"),
    right("Sure. <answer>7</answer> Bye 8", "7", "7"),
    right("The answer is 18 dollars because 9 * 2 = 18.", "18", "18"),
    right("The answer is 3.5. We had 7 halves.", "7/2", "7/2"),
    right("The answer to the second part is: $x = 5$, since $y = 3$.", "5", "5"),
    right("The answer is $18 and not $20.", "18", "18"),
    right("I said the answer is 3. No: the answer is 4.", "4", "4"),
    right("<think>The answer is 3? Or 4?</think>The answer is 4.", "4", "4"),
    right("<think>\\boxed{3}</think> It is \\boxed{4}", "4", "4"),
    right("<think>So \\boxed{4}</think>", "4", "4"),
    right("42", "42", "42"),
    right("x + 1", "1 + x", "x + 1"),
    unparsed(r"so it is \boxed{5"),
    unparsed(r"\boxed{}"),
    unparsed(""),
    unparsed("   \n "),
    unparsed("First we add 3 and 2, which gives 5, and then we are done with it."),
    unparsed("The answer is not 5"),
    unparsed("I do not know what this could possibly mean"),
    unparsed(r"\boxed{5\frac}"),
    unparsed(r"\boxed{x^2 + }"),
    unparsed(r"\boxed{1/0}", "0"),
    unparsed("\\boxed{" + "9" * 1001 + "}"),
]

NUMBERS = [
    right(r"\boxed{18.0}", "18", "18"),
    right(r"\boxed{18.00}", "18", "18"),
    right(r"\boxed{18.}", "18", "18", alone="wrong"),
    right(r"\boxed{018}", "18", "18"),
    right(r"\boxed{+7}", "7", "7"),
    right(r"\boxed{-5}", "-5", "-5"),
    right(r"\boxed{−5}", "-5", "-5"),
    right(r"\boxed{–5}", "-5", "-5"),
    wrong(r"\boxed{5}", "-5", "5"),
    right(r"\boxed{.5}", r"\frac12", "1/2"),
    right(r"\boxed{\dfrac{3}{4}}", "0.75", "3/4"),
    right(r"\boxed{\tfrac34}", "3/4", "3/4"),
    right(r"\boxed{-\frac{3}{4}}", "-0.75", "-3/4"),
    right(r"\boxed{½}", "0.5", "1/2", alone="wrong"),
    right(r"\boxed{2 1/2}", "5/2", "5/2", alone="wrong"),
    right(r"\boxed{2\frac{1}{2}}", "2.5", "5/2"),
    right(r"\boxed{1,234}", "1234", "1234"),
    right(r"\boxed{1{,}234}", "1234", "1234"),
    right(r"\boxed{10,\!080}", "10080", "10080"),
    right(r"\boxed{1\,234}", "1234", "1234", alone="wrong"),
    right(r"\boxed{1 234}", "1234", "1234", alone="wrong"),
    right(r"\boxed{1,234, 5,678}", r"\{5678, 1234\}", "{1234, 5678}"),
    right(r"\boxed{1e3}", "1000", "1000", alone="wrong"),
    right(r"\boxed{1.5e-3}", "0.0015", "3/2000", alone="wrong"),
    right(r"\boxed{3 \times 10^5}", "300000", "300000"),
    right(r"\boxed{3×10⁵}", "300000", "300000", alone="wrong"),
    right(r"\boxed{5 \text{ million}}", "5000000", "5000000", alone="wrong"),
    right(r"\boxed{0.333333}", r"\frac{1}{3}", "333333/1000000"),
    wrong(r"\boxed{0.33}", r"\frac{1}{3}", "33/100"),
    right(r"\boxed{0.\overline{3}}", r"\frac{1}{3}", "1/3", alone="wrong"),
    wrong(r"\boxed{10000001}", "10000000", "10000001"),
    right(r"\boxed{٤٢}", "42", "42", alone="wrong"),
    right(r"\boxed{４２}", "42", "42", alone="wrong"),
    right(r"\boxed{50\%}", "50", "50%"),
    right(r"\boxed{50\%}", "0.5", "50%"),
    right(r"\boxed{0.5}", r"50\%", "1/2"),
    right(r"\boxed{50}", r"50\%", "50"),
    wrong(r"\boxed{0.5}", "50", "1/2"),
    right(r"\boxed{12 + 6 = 18}", "18", "18"),
    right(r"\boxed{\log_2 8}", "3", "3"),
    right(r"\boxed{5!}", "120", "120"),
    right(r"\boxed{\binom{5}{2}}", "10", "10"),
]

UNITS = [
    right(r"\boxed{5\text{ cm}}", "5", "5"),
    right(r"\boxed{5\ \mathrm{cm}^2}", "5", "5"),
    right(r"\boxed{5 cm}", "5", "5"),
    right(r"\boxed{18 dollars}", "18", "18", alone="wrong"),
    right(r"\boxed{\$18}", "18", "18"),
    right(r"\boxed{\text{\$18}}", "18", "18"),
    right(r"\boxed{€18}", "18", "18", alone="wrong"),
    right(r"\boxed{90^\circ}", "90", "90"),
    right(r"\boxed{7\sqrt{3}\text{ cm}}", r"7\sqrt{3}", "12.1243556529821"),
    right(r"\boxed{x = 5}", "5", "5"),
    right(r"\boxed{5}", "x = 5", "5"),
    wrong(r"\boxed{5x}", "5", "5*x"),
]

FORMULAS = [
    right(r"\boxed{2\sqrt{2}}", r"\sqrt 8", "2.82842712474619"),
    right(r"\boxed{√8}", r"2\sqrt{2}", "2.82842712474619", alone="wrong"),
    right(r"\boxed{sqrt(8)}", r"2\sqrt{2}", "2.82842712474619"),
    right(r"\boxed{1.414214}", r"\sqrt{2}", "707107/500000"),
    wrong(r"\boxed{1.41}", r"\sqrt{2}", "141/100"),
    right(r"\boxed{ln(2)}", r"\ln 2", "0.693147180559945", alone="wrong"),
    right(r"\boxed{π/4}", r"\frac{\pi}{4}", "0.785398163397448"),
    right(r"\boxed{x²}", "x^2", "x**2", alone="wrong"),
    right(r"\boxed{x**2}", "x^2", "x**2"),
    right(r"\boxed{(a+b)^2}", "a^2 + 2ab + b^2", "a**2 + 2*a*b + b**2"),
    right(r"\boxed{\frac{x^2-1}{x-1}}", "x+1", "x + 1"),
    wrong(r"\boxed{x-1}", "x+1", "x - 1"),
    right(r"\boxed{0.5x}", r"\frac{x}{2}", "x/2"),
    right(r"\boxed{4i + 3}", "3+4i", "3.0 + 4.0*I"),
    right(r"\boxed{y = 2x+1}", "2x - y + 1 = 0", "2*x - y + 1 = 0"),
    right(r"\boxed{y = 2x+1}", "2x + 1", "2*x - y + 1 = 0"),
    right(r"\boxed{2x + 1}", "y = 2x + 1", "2*x + 1"),
    wrong(r"\boxed{2x - y + 1 = 0}", "0", "2*x - y + 1 = 0", alone="right"),
    right(r"\boxed{4x + 6y = 12}", "2x + 3y = 6", "2*x + 3*y - 6 = 0"),
    right(r"\boxed{f(x) = x^2}", "x^2", "x**2"),
    right(r"\boxed{\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}}",
          r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", "[[1, 2], [3, 4]]"),
]  # fmt: skip

COLLECTIONS = [
    right(r"\boxed{3, 1, 2}", r"\{1,2,3\}", "{1, 2, 3}"),
    right(r"\boxed{1 \text{ and } 2}", "1,2", "{1, 2}"),
    right(r"\boxed{x = 2 \text{ or } x = 3}", "2, 3", "{2, 3}"),
    wrong(r"\boxed{1, 2}", "1,2,3", "{1, 2}"),
    right(r"\boxed{3 \pm \sqrt{2}}", r"3+\sqrt2, 3-\sqrt2", "{1.58578643762690, 4.41421356237309}"),
    right(r"\boxed{\left( \frac{1}{2}, 3 \right)}", "(0.5,3)", "(1/2, 3)"),
    wrong(r"\boxed{(2, 1)}", "(1,2)", "(2, 1)"),
    wrong(r"\boxed{(1, 2)}", r"\{1,2\}", "(1, 2)", alone="right"),
    wrong(r"\boxed{[1, 2)}", "(1,2)", "[1, 2)"),
    right(r"\boxed{1 < x < 2}", "(1,2)", "(1, 2)"),
    right(r"\boxed{x \le 3}", r"(-\infty, 3]", "(-oo, 3]"),
    right(r"\boxed{x \in [1, 2]}", "[1,2]", "[1, 2]"),
    right(r"\boxed{x < 1 \text{ or } x > 2}", r"(-\infty,1)\cup(2,\infty)", r"(-oo, 1) \cup (2, oo)", alone="wrong"),
    right(r"\boxed{\emptyset}", r"\text{no solution}", "{}", alone="wrong"),
    wrong(r"\boxed{x = 1, y = 2}", "x = 2, y = 1", "x=1, y=2"),
]

WORDS = [
    right(r"\boxed{\text{Monday}}", "Monday", "monday"),
    right(r"\boxed{\textbf{(C)}}", "C", "c"),
    right("The answer is even.", r"\text{even}", "even"),
    right(r"\boxed{\text{New York}}", "new york", "new york"),
    wrong(r"\boxed{listen}", "silent", "listen", alone="right"),
    wrong(r"\boxed{no}", "on", "no", alone="right"),
    right(r"\boxed{ab}", "ba", "a*b"),
    right(r"\boxed{1010_2}", "1010_{2}", "1010_2"),
    right(r"\boxed{1010}", "1010_2", "1010"),
    wrong(r"\boxed{12_3}", "12_4", "12_3", alone="right"),
    right(r"\boxed{12:30}", "12:30", "12:30"),
    wrong(r"\boxed{12:30}", "2/5", "12:30", alone="right"),
    right(r"\boxed{3/4}", "3:4", "3/4"),
]

ANSWERS = [*WHERE, *NUMBERS, *UNITS, *FORMULAS, *COLLECTIONS, *WORDS]
