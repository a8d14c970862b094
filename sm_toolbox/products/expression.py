"""Expressions on bands: a grammar of their own, evaluated by NumPy alone.

    expressions = assignment {";" assignment}
    assignment  = name "=" or
    or          = and {"or" and}
    and         = not {"and" not}
    not         = ["not"] comparison
    comparison  = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
    sum         = product {("+" | "-") product}
    product     = power {("*" | "/") power}
    power       = ["-"] value ["**" power]
    value       = number | "nan" | name | function "(" or {"," or} ")" | "(" or ")"

Names that are no identifiers stand in double quotes. Nothing of Python is reachable from an expression.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_toolbox.errors import InputError

_MOST_CHARACTERS, _MOST_LEVELS = 10_000, 100
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<quoted>"[^"\n]*")
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>\*\*|<=|>=|==|!=|[-+*/<>=();,]))""",
    re.VERBOSE,
)
_WORDS = {"and", "or", "not", "nan"}
_COMPARISONS: dict[str, Callable[..., np.ndarray]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_STRENGTH = {"or": 1, "and": 2, **dict.fromkeys(_COMPARISONS, 4), "+": 5, "-": 5, "*": 6, "/": 6, "**": 8}
_ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "**": np.power,
}


@dataclass(frozen=True)
class Function:
    """A function of the grammar.

    Parameters
    ----------
    arguments : (int, int or None)
        Fewest and most; None for any number.
    help : str
    """

    arguments: tuple[int, int | None]
    help: str


FUNCTIONS = {
    "where": Function((3, 3), "where(condition, a, b): a where the condition holds, else b"),
    "min": Function((1, None), "min(a, b, …): the smallest, cell by cell"),
    "max": Function((1, None), "max(a, b, …): the largest, cell by cell"),
    "mean": Function((1, None), "mean(a, b, …): the mean, cell by cell"),
    "abs": Function((1, 1), "abs(x)"),
    "sqrt": Function((1, 1), "sqrt(x)"),
    "exp": Function((1, 1), "exp(x)"),
    "log": Function((1, 1), "log(x): natural logarithm"),
    "sin": Function((1, 1), "sin(x): of radians"),
    "cos": Function((1, 1), "cos(x): of radians"),
    "isnan": Function((1, 1), "isnan(x): 1 where there is no data, else 0"),
    "bits": Function((3, 3), "bits(x, lowest, highest): the number in some bits of a whole number, both inclusive"),
}
"""What can be called."""


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Parameters
    ----------
    kind : str
        `number`, `name`, `brackets`, `negative`, `not`, a comparison's sign, a function's name after `call `, or
        `chain`: operators of one strength, from the left.
    parts : tuple of Node
    number : float
    name : str
        Of a band, or the operators of a chain with spaces between them.
    strength : int
        Of a chain's operators.
    """

    kind: str
    parts: tuple[Node, ...] = ()
    number: float = 0.0
    name: str = ""
    strength: int = 0


@dataclass(frozen=True)
class Assignment:
    """A band to be made.

    Parameters
    ----------
    name : str
    value : Node
    """

    name: str
    value: Node


def parse(text: str) -> list[Assignment]:
    """Read expressions.

    Parameters
    ----------
    text : str
        `name = expression; name2 = …`

    Returns
    -------
    list of Assignment

    Raises
    ------
    InputError
        At the first character that does not fit.

    Examples
    --------
    >>> (ndwi,) = parse("ndwi = (nir - swir1) / (nir + swir1)")
    >>> ndwi.name, sorted(names_in([ndwi]))
    ('ndwi', ['nir', 'swir1'])
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"`expression` has {len(text):,} characters, but may have up to {_MOST_CHARACTERS:,}.")
    if not text.strip():
        raise InputError("`expression` is empty. Write name = expression, such as ndvi = (nir - red) / (nir + red).")
    return _Parser(text).expressions()


def names_in(assignments: Iterable[Assignment]) -> set[str]:
    """Return the names that expressions need, without those that earlier ones make.

    Parameters
    ----------
    assignments : iterable of Assignment

    Returns
    -------
    set of str
    """
    needed: set[str] = set()
    made: set[str] = set()
    for assignment in assignments:
        needed |= _names(assignment.value) - made
        made.add(assignment.name)
    return needed


def _names(node: Node) -> set[str]:
    own = {node.name} if node.kind == "name" else set()
    return own.union(*(_names(part) for part in node.parts))


def check_names(assignments: Sequence[Assignment], known: Iterable[str]) -> None:
    """Refuse names that no band has.

    Parameters
    ----------
    assignments : sequence of Assignment
    known : iterable of str

    Raises
    ------
    InputError
    """
    there = sorted(known)
    for name in sorted(names_in(assignments)):
        if name not in there:
            close = difflib.get_close_matches(name, there, 1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise InputError(
                f"`expression` names '{name}', but no band of `sources` has that name.{hint} There are: "
                f"{', '.join(there)}. Names that are no plain words stand in double quotes."
            )


def evaluate_expressions(assignments: Sequence[Assignment], values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Evaluate expressions.

    Parameters
    ----------
    assignments : sequence of Assignment
    values : mapping of str to ndarray of float
        All of one shape; NaN where there is no data, which makes NaN of all but `isnan` and `where`.

    Returns
    -------
    list of ndarray of float32
        Of each assignment, in that shape. Conditions are 1 and 0.
    """
    shape = next(iter(values.values())).shape if values else ()
    known = dict(values)
    made = []
    with np.errstate(all="ignore"):
        for assignment in assignments:
            known[assignment.name] = np.broadcast_to(_value(assignment.value, known), shape).astype(np.float32)
            made.append(known[assignment.name])
    return made


def _value(node: Node, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if node.kind == "number":
        return np.float32(node.number)  # type: ignore[return-value]
    if node.kind == "name":
        return values[node.name]
    parts = [_value(part, values) for part in node.parts]
    if node.kind == "brackets":
        return parts[0]
    if node.kind.startswith("call "):
        return _CALLS[node.kind[5:]](*parts)
    if node.kind == "negative":
        return -parts[0]
    if node.kind == "not":
        return _with_gaps(parts[0] == 0, parts)
    if node.kind in _COMPARISONS:
        return _with_gaps(_COMPARISONS[node.kind](*parts), parts)
    result = parts[0]
    for operator, part in zip(node.name.split(), parts[1:]):
        result = _applied(operator, result, part)
    return result


def _applied(operator: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if operator in ("and", "or"):
        function = np.logical_and if operator == "and" else np.logical_or
        return _with_gaps(function(first != 0, second != 0), (first, second))
    result: np.ndarray = _ARITHMETIC[operator](first, second)
    return result


def _with_gaps(condition: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return 1 and 0, NaN where any part is."""
    missing = np.isnan(parts[0]) if len(parts) == 1 else np.isnan(parts[0]) | np.isnan(parts[1])
    result: np.ndarray = np.where(missing, np.float32(np.nan), condition.astype(np.float32))
    return result


def _where(condition: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.where(np.isnan(condition), np.float32(np.nan), np.where(condition != 0, first, second))
    return result


def _bits(values: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    whole = np.where(missing, 0, values).astype(np.int64)
    found = (whole >> int(lowest)) & ((1 << (int(highest) - int(lowest) + 1)) - 1)
    result: np.ndarray = np.where(missing, np.float32(np.nan), found.astype(np.float32))
    return result


def _mean(*parts: np.ndarray) -> np.ndarray:
    total = parts[0].astype(np.float64)
    for part in parts[1:]:
        total = total + part
    return (total / len(parts)).astype(np.float32)


def _over(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def call(*parts: np.ndarray) -> np.ndarray:
        result = parts[0]
        for part in parts[1:]:
            result = function(result, part)
        return result

    return call


def _isnan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values).astype(np.float32)


_CALLS: dict[str, Callable[..., np.ndarray]] = {
    "where": _where,
    "min": _over(np.minimum),
    "max": _over(np.maximum),
    "mean": _mean,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "isnan": _isnan,
    "bits": _bits,
}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


class _Parser:
    def __init__(self, text: str):
        self._text, self._at, self._level = text, 0, 0
        self._tokens = self._split(text)

    def _split(self, text: str) -> list[_Token]:
        tokens, place = [], 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise self._error(start, f"'{text[start]}' is not of the grammar")
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            place = match.end()
        return [*tokens, _Token("end", "", len(text))]

    def _error(self, start: int, what: str) -> InputError:
        around = self._text[max(0, start - 20) : start + 20]
        return InputError(
            f"`expression`, character {start + 1}: {what} (near '{around}'). Write name = expression, several with ; "
            f"between them; + - * / ** < <= > >= == != and or not, and the functions {', '.join(FUNCTIONS)}."
        )

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self._token.kind in ("sign", "word") and self._token.text in texts

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            raise self._error(self._token.start, f"'{sign}' is expected")
        self._at += 1

    def expressions(self) -> list[Assignment]:
        assignments = [self._assignment()]
        while self._is(";"):
            self._at += 1
            if self._token.kind == "end":
                break
            assignments.append(self._assignment())
        if self._token.kind != "end":
            raise self._error(self._token.start, f"'{self._token.text}' is not expected here")
        names = [assignment.name for assignment in assignments]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"`expression` makes '{twice}' twice. Give each band a name of its own.")
        return assignments

    def _assignment(self) -> Assignment:
        token = self._take()
        if token.kind not in ("word", "quoted") or token.text in _WORDS or token.text in FUNCTIONS:
            raise self._error(token.start, "a name for the result is expected, followed by =")
        name = token.text.strip('"').strip()
        if not name or "@" in name:
            raise self._error(
                token.start, "the name of a result must not be empty, nor hold @: dates come by themselves"
            )
        self._expect("=")
        return Assignment(name, self._expression())

    def _expression(self, weakest: int = 0) -> Node:
        """Read what binds at least as strongly as an operator of a strength."""
        self._level += 1
        if self._level > _MOST_LEVELS:
            raise self._error(self._token.start, f"more than {_MOST_LEVELS} levels of brackets and signs")
        node = self._first()
        while self._is(*_STRENGTH) and _STRENGTH[self._token.text] >= weakest:
            token = self._take()
            strength = _STRENGTH[token.text]
            # Powers are read from the right: 2 ** 3 ** 2 is 2 ** 9.
            right = self._expression(strength if token.text == "**" else strength + 1)
            if token.text in _COMPARISONS and node.kind in _COMPARISONS:
                raise self._error(token.start, "comparisons are joined by and: a < b and b < c")
            # Long sums are one node, so that they can be as long as the text allows.
            if node.kind == "chain" and node.strength == strength:
                node = Node("chain", (*node.parts, right), name=f"{node.name} {token.text}", strength=strength)
            elif token.text in _COMPARISONS:
                node = Node(token.text, (node, right))
            else:
                node = Node("chain", (node, right), name=token.text, strength=strength)
        self._level -= 1
        return node

    def _first(self) -> Node:
        if self._is("-"):
            self._at += 1
            return Node("negative", (self._expression(_STRENGTH["**"]),))
        if self._is("not"):
            self._at += 1
            return Node("not", (self._expression(_STRENGTH["<"]),))
        token = self._take()
        if token.kind == "number":
            return Node("number", number=float(token.text))
        if token.kind == "quoted":
            return Node("name", name=token.text.strip('"'))
        if token.kind == "sign" and token.text == "(":
            node = self._expression()
            self._expect(")")
            # In brackets it is a part of its own.
            return Node("brackets", (node,))
        if token.kind == "word" and token.text == "nan":
            return Node("number", number=float("nan"))
        if token.kind == "word" and token.text not in _WORDS:
            return self._call(token) if self._is("(") else Node("name", name=token.text)
        what = "the expression ends too early" if token.kind == "end" else f"'{token.text}' is not expected here"
        raise self._error(token.start, what)

    def _call(self, token: _Token) -> Node:
        function = FUNCTIONS.get(token.text)
        if function is None:
            raise self._error(token.start, f"there is no function '{token.text}'")
        self._expect("(")
        parts = [self._expression()]
        while self._is(","):
            self._at += 1
            parts.append(self._expression())
        self._expect(")")
        fewest, most = function.arguments
        if len(parts) < fewest or (most is not None and len(parts) > most):
            raise self._error(token.start, f"{function.help} does not take {len(parts)} arguments")
        if token.text == "bits":
            self._check_bits(token, parts)
        return Node(f"call {token.text}", tuple(parts))

    def _check_bits(self, token: _Token, parts: Sequence[Node]) -> None:
        ends = [part.number for part in parts[1:] if part.kind == "number" and part.number.is_integer()]
        if len(ends) < 2 or not 0 <= ends[0] <= ends[1] <= 23:
            raise self._error(
                token.start, "bits takes two whole numbers, lowest and highest, from 0 to 23, which cells hold exactly"
            )
