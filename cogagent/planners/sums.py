"""Arithmetic in a question, worked out without a model and without ``eval``.

Exact fractions all the way, with limits on length, depth and size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from cogagent.planners.sum_words import Token, shown, tokens_of

_LONGEST = 300
"""Characters of a question that may be a sum."""
_DEEPEST = 40
"""Brackets in brackets, and words that take a number after them."""
_BITS = 4096
"""Size of a number, numerator and denominator each; larger ones are not worked out."""
_FACTORIAL = 500
"""The largest number whose factorial is worked out."""
_DIGITS = 12
"""Figures of a result that is no whole number."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum that a question asks for.

    Attributes:
        expression: As it was understood.
        value: What it comes to, in figures; empty where it has no value, or one too large.
        remark: Why there is no value, or that it is rounded.
    """

    expression: str
    value: str
    remark: str = ""

    def __str__(self) -> str:
        """The sum and its value in a line."""
        if not self.value:
            return f"{self.expression} {self.remark}."
        return f"{self.expression} = {self.value}" + (f" ({self.remark})" if self.remark else "")


def worked_out(question: str) -> Sum | None:
    """The sum that a question is, or ``None`` if it is none.

    Examples: ``What is 17 times 23?``, ``(3 + 4) * 5``, ``15% of 80``, ``the square root
    of two``, ``subtract 5 from 12``. A number alone is no sum, and neither is what
    reads like a date or a name: ``9/11``, ``2019-2020``.
    """
    if len(question) > _LONGEST:
        return None
    tokens = tokens_of(question)
    if not tokens:
        return None
    try:
        value, rounded = _Parser(tokens).whole()
    except _NoValueError as error:
        return Sum(shown(tokens), "", str(error))
    except _NoSumError:
        return None
    text, cut = _written(value)
    return Sum(shown(tokens), text, "rounded" if cut or rounded else "")


class _NoSumError(Exception):
    """The words are no sum."""


class _NoValueError(Exception):
    """The sum has no value that can be written down."""


_ORDERS = ("add", "subtract", "multiply", "divide")
_LISTS = ("sum", "product", "difference", "quotient", "mean")
_FACTORS = {
    "half": Fraction(1, 2), "third": Fraction(1, 3), "quarter": Fraction(1, 4),
    "twice": Fraction(2), "thrice": Fraction(3),
}  # fmt: skip


class _Parser:
    """Recursive descent over the tokens; each level of it is counted."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._rounded = False

    def whole(self) -> tuple[Fraction, bool]:
        """What all tokens come to, and whether a root was rounded."""
        value = self._order() if self._next() in _ORDERS else self._expression()
        if self._at < len(self._tokens):
            raise _NoSumError
        return value, self._rounded

    def _next(self) -> str:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def _take(self, *kinds: str) -> str:
        kind = self._next()
        if kind not in kinds:
            raise _NoSumError
        self._at += 1
        return kind

    def _order(self) -> Fraction:
        """An order: add 3 and 4, subtract 5 from 12, multiply 3 by 4, divide 12 by 4."""
        kind = self._take(*_ORDERS)
        first = self._expression()
        if kind == "add":
            self._take("and", "to")
            total = first + self._expression()
            while self._next() == "and":
                self._at += 1
                total += self._expression()
            return _sized(total)
        if kind == "subtract":
            self._take("from")
            return _sized(self._expression() - first)
        self._take("by", "and")
        second = self._expression()
        return _sized(first * second) if kind == "multiply" else _divided(first, second)

    def _expression(self) -> Fraction:
        value = self._term()
        while (kind := self._next()) in ("+", "-"):
            self._at += 1
            other = self._term()
            if self._tokens[self._at - 1].kind == "%":
                raise _NoSumError  # "100 + 10%" may be 100.1 or 110
            value = _sized(value + other if kind == "+" else value - other)
        return value

    def _term(self) -> Fraction:
        value = self._signed()
        while True:
            kind = self._next()
            if kind in ("*", "/", "mod"):
                self._at += 1
                other = self._signed()
                if kind == "*":
                    value = _sized(value * other)
                elif kind == "/":
                    value = _divided(value, other)
                else:
                    value = _remainder(value, other)
            elif kind == "of" and self._tokens[self._at - 1].kind == "%":
                self._at += 1
                value = _sized(value * self._signed())
            elif kind == "(":
                value = _sized(value * self._signed())
            else:
                return value

    def _signed(self) -> Fraction:
        if self._next() in ("+", "-"):
            kind = self._take("+", "-")
            value = self._deeper(self._signed)
            return -value if kind == "-" else value
        return self._power()

    def _power(self) -> Fraction:
        base = self._after(self._primary())
        if self._next() == "^":
            self._at += 1
            return self._raised(base, self._deeper(self._signed))
        return base

    def _after(self, value: Fraction) -> Fraction:
        """What stands behind a number: squared, factorial, per cent."""
        while (kind := self._next()) in ("squared", "cubed", "!", "%"):
            self._at += 1
            if kind == "%":
                if self._starts_number():
                    raise _NoSumError  # "7 % 3" may mean either
                value = value / 100
            elif kind == "!":
                value = _factorial(value)
            else:
                value = self._raised(value, Fraction(2 if kind == "squared" else 3))
        return value

    def _starts_number(self) -> bool:
        return self._next() in ("number", "(")

    def _primary(self) -> Fraction:
        kind = self._next()
        if kind == "number":
            self._at += 1
            return _sized(self._tokens[self._at - 1].value)
        if kind == "(":
            self._at += 1
            value = self._deeper(self._expression)
            self._take(")")
            return value
        if kind in ("sqrt", "cbrt"):
            self._at += 1
            return self._root(self._deeper(self._signed), 2 if kind == "sqrt" else 3)
        if kind in ("square", "cube"):
            self._at += 1
            return self._raised(self._deeper(self._signed), Fraction(2 if kind == "square" else 3))
        if kind == "factorial":
            self._at += 1
            return _factorial(self._deeper(self._signed))
        if kind in _FACTORS:
            self._at += 1
            return _sized(_FACTORS[kind] * self._deeper(self._signed))
        if kind == "remainder":
            self._at += 1
            first = self._deeper(self._signed)
            self._take("/", "mod")
            return _remainder(first, self._deeper(self._signed))
        if kind in _LISTS:
            self._at += 1
            return self._deeper(lambda: self._listed(kind))
        raise _NoSumError

    def _listed(self, kind: str) -> Fraction:
        """Numbers joined by "and" and commas, made one."""
        values = [self._expression()]
        while self._next() == "and":
            while self._next() == "and":
                self._at += 1
            values.append(self._expression())
        if len(values) < 2 or (kind in ("difference", "quotient") and len(values) > 2):
            raise _NoSumError
        if kind == "sum":
            return _sized(sum(values, Fraction(0)))
        if kind == "mean":
            return _sized(sum(values, Fraction(0)) / len(values))
        if kind == "difference":
            return _sized(abs(values[0] - values[1]))
        if kind == "quotient":
            return _divided(*values)
        value = Fraction(1)
        for factor in values:
            value = _sized(value * factor)
        return value

    def _root(self, value: Fraction, degree: int) -> Fraction:
        if value < 0:
            if degree == 2:
                raise _NoValueError("has no real value")
            return -self._root(-value, degree)
        exact = [_whole_root(part, degree) for part in (value.numerator, value.denominator)]
        if exact[0] is not None and exact[1] is not None:
            return Fraction(exact[0], exact[1])
        self._rounded = True
        context = Context(prec=40)
        number = context.divide(Decimal(value.numerator), Decimal(value.denominator))
        if degree == 2:
            return Fraction(context.sqrt(number))
        return Fraction(context.power(number, context.divide(Decimal(1), Decimal(3))))

    def _raised(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator == 2 and abs(exponent.numerator) < _BITS:
            return self._raised(self._root(base, 2), Fraction(exponent.numerator))
        if exponent.denominator != 1:
            raise _NoValueError("is not worked out here: the power is no whole number")
        power = exponent.numerator
        if base == 0 and power < 0:
            raise _NoValueError("has no value: it divides by zero")
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base not in (0, 1, -1) and bits * abs(power) > 2 * _BITS:
            raise _NoValueError("is too large to be written down")
        if base in (1, -1):
            power %= 2
        return _sized(base**power)

    def _deeper(self, parse: Callable[[], Fraction]) -> Fraction:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NoSumError
        value = parse()
        self._depth -= 1
        return value


def _sized(value: Fraction) -> Fraction:
    """The value, if it is not too large to go on with."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS:
        raise _NoValueError("is too large to be worked out here")
    return value


def _divided(first: Fraction, second: Fraction) -> Fraction:
    if second == 0:
        raise _NoValueError("has no value: it divides by zero")
    return _sized(first / second)


def _remainder(first: Fraction, second: Fraction) -> Fraction:
    return first - second * (_divided(first, second) // 1)


def _factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or value < 0:
        raise _NoValueError("has no value: a factorial is that of a whole number")
    if value > _FACTORIAL:
        raise _NoValueError("is too large to be worked out here")
    return Fraction(math.factorial(value.numerator))


def _whole_root(value: int, degree: int) -> int | None:
    """The root, if it is a whole number."""
    if degree == 2:
        root = math.isqrt(value)
    else:
        root = round(value ** (1 / 3)) if value.bit_length() < 900 else 0
    return root if root**degree == value else None


def _written(value: Fraction) -> tuple[str, bool]:
    """A value in figures, and whether it was rounded."""
    if value.denominator == 1:
        return str(value.numerator), False
    context = Context(prec=_DIGITS)
    number = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    text = f"{number.normalize(context):f}"
    return text, Fraction(text) != value
