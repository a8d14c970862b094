"""Expressions: the grammar, NumPy's values, gaps, and that nothing but numbers comes of them."""

import ast
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_toolbox.errors import InputError
from sm_toolbox.products.expression import FUNCTIONS, check_names, evaluate_expressions, names_in, parse

A = np.array([[0.5, -2.0], [3.0, np.nan]], np.float32)
B = np.array([[1.0, 2.0], [-3.0, 4.0]], np.float32)


def value(expression, **values):
    return evaluate_expressions(parse(f"x = {expression}"), values or {"a": A, "b": B})[0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b * 2 - 1", A + B * 2 - 1),
        ("(a + b) * (2 - 1)", (A + B) * (2 - 1)),
        ("a - b - 1", A - B - 1),
        ("8 / 4 / 2 + 0 * a", 1 + 0 * A),
        ("2 ** 3 ** 2 + 0 * a", 512 + 0 * A),
        ("-a ** 2", -(A**2)),
        ("(-a) ** 2", A**2),
        ("2 ** -1 + 0 * a", 0.5 + 0 * A),
        ("--a", A),
        ("min(a, b, 0)", np.minimum(np.minimum(A, B), 0)),
        ("max(a, b)", np.maximum(A, B)),
        ("mean(a, b)", (A + B) / 2),
        ("sqrt(abs(a)) + exp(b) + log(abs(b)) + sin(a) * cos(b)", None),
        (".5e1 * a + 1e-1", 5 * A + 0.1),
    ],
)
def test_arithmetic_is_numpys(expression, expected):
    if expected is None:
        expected = np.sqrt(np.abs(A)) + np.exp(B) + np.log(np.abs(B)) + np.sin(A) * np.cos(B)
    np.testing.assert_allclose(value(expression), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a > 0", [[1, 0], [1, np.nan]]),
        ("a > 0 and b < 2", [[1, 0], [1, np.nan]]),
        ("a > 0 or b > 1", [[1, 1], [1, np.nan]]),
        ("not a > 0", [[0, 1], [0, np.nan]]),
        ("not not a > 0", [[1, 0], [1, np.nan]]),
        ("a == 0.5 or a != a", [[1, 0], [0, np.nan]]),
        ("1 < 2 and a >= -2 and a <= 3", [[1, 1], [1, np.nan]]),
        ("where(a > 0, a, nan)", [[0.5, np.nan], [3, np.nan]]),
        ("where(isnan(a), b, a)", [[0.5, -2], [3, 4]]),
        ("isnan(a)", [[0, 0], [0, 1]]),
        ("where(b > 0, 1, nan) * a", [[0.5, -2], [np.nan, np.nan]]),
    ],
)
def test_conditions_are_1_and_0_and_know_gaps(expression, expected):
    np.testing.assert_array_equal(value(expression), np.array(expected, np.float32))


def test_bits_by_hand():
    words = np.array([[0b110101, 0b000010, 65535, np.nan]], np.float32)
    np.testing.assert_array_equal(value("bits(q, 0, 1)", q=words), [[1, 2, 3, np.nan]])
    np.testing.assert_array_equal(value("bits(q, 2, 5)", q=words), [[0b1101, 0, 15, np.nan]])
    np.testing.assert_array_equal(value("bits(q, 15, 15) == 1", q=words), [[0, 0, 1, np.nan]])


def test_several_results_and_names_in_quotes():
    made = parse('ndvi = "1 km 16 days NDVI" / 10000; dense = ndvi > 0.5;')
    assert [item.name for item in made] == ["ndvi", "dense"] and names_in(made) == {"1 km 16 days NDVI"}
    first, second = evaluate_expressions(made, {"1 km 16 days NDVI": np.array([[6000.0, 2000.0]], np.float32)})
    np.testing.assert_allclose(first, [[0.6, 0.2]])
    np.testing.assert_array_equal(second, [[1, 0]])


@pytest.mark.parametrize(
    ("text", "character", "words"),
    [
        ("x = a +", 8, "ends too early"),
        ("x = a b", 7, "'b' is not expected here"),
        ("x = (a", 7, r"'\)' is expected"),
        ("x = a)", 6, r"'\)' is not expected here"),
        ("x a", 3, "'=' is expected"),
        ("a + b", 3, "'=' is expected"),
        ("x = a < b < 2", 11, "joined by and"),
        ("x = foo(a)", 5, "no function 'foo'"),
        ("x = where(a, b)", 5, "does not take 2 arguments"),
        ("x = bits(a, 3, 1)", 5, "lowest and highest"),
        ("x = bits(a, b, 1)", 5, "two whole numbers"),
        ("x = bits(a, 0, 30)", 5, "0 to 23"),
        ("x = a @ b", 7, "'@' is not of the grammar"),
        ("and = a", 1, "a name for the result"),
        ("min = a", 1, "a name for the result"),
        ('"x@2018" = a', 1, "dates come by themselves"),
        ("x = " + "(" * 150 + "a" + ")" * 150, 105, "100 levels"),
        ("x = " + "-" * 150 + "a", 105, "100 levels"),
    ],
)
def test_faults_point_at_their_character(text, character, words):
    with pytest.raises(InputError, match=rf"`expression`, character {character}: .*{words}"):
        parse(text)


def test_other_faults():
    with pytest.raises(InputError, match="`expression` is empty"):
        parse("  ")
    with pytest.raises(InputError, match="10,004 characters"):
        parse("x = " + "a" * 10_000)
    with pytest.raises(InputError, match="makes 'x' twice"):
        parse("x = a; x = b")
    with pytest.raises(InputError, match=r"names 'nvdi', but no band .* Did you mean 'ndvi'\? There are: ndvi, red"):
        check_names(parse("x = nvdi + red"), ["red", "ndvi"])


def test_as_long_as_the_text_allows():
    long = "x = " + "+".join(["a"] * 4998)
    np.testing.assert_allclose(evaluate_expressions(parse(long), {"a": np.ones((1, 1), np.float32)})[0], [[4998]])
    assert pickle.loads(pickle.dumps(parse(long))) == parse(long)


@pytest.mark.parametrize(
    "text",
    [
        "x = __import__('os').system('true')",
        "x = a.__class__",
        "x = open('f')",
        "x = eval(a)",
        "x = [a for a in b]",
        "x = lambda: a",
        "x = a if b else a",
        "x = a; import os",
        "x = {a}",
        "x = a[0]",
        "x = f'{a}'",
        "x := a",
        "x = exec(a)",
        "x = a\x00",
    ],
)
def test_nothing_of_python_is_reachable(text):
    with pytest.raises(InputError, match="`expression`, character"):
        parse(text)


_LEAF = st.sampled_from(["a", "b", "1", "0.5", "2"])
_TREE = st.recursive(
    _LEAF,
    lambda below: st.one_of(
        st.tuples(below, st.sampled_from(["+", "-", "*", "/"]), below).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(below, st.sampled_from(["+", "-", "*", "/"]), below).map(" ".join),
        below.map(lambda t: f"-{t}"),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(_TREE)
def test_precedence_is_that_of_python(text):
    """Against Python's own reading of the same text, evaluated by this test alone."""
    a, b = np.full((1, 1), 0.7), np.full((1, 1), -1.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = eval(compile(ast.parse(text, mode="eval"), "", "eval"), {"__builtins__": {}}, {"a": a, "b": b})
        except ZeroDivisionError:
            return
    found = evaluate_expressions(parse(f"x = {text}"), {"a": a, "b": b})[0]
    expected = np.broadcast_to(np.asarray(expected, np.float64), (1, 1))
    with np.errstate(all="ignore"):
        assert np.allclose(found, expected, rtol=1e-4, equal_nan=True) or abs(expected[0, 0]) > 1e30


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="ab12.+-*/()<>=!;,\"nandotrwhe @[]{}_\\'\n", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        assignments = parse(text)
    except InputError:
        return
    names = dict.fromkeys(names_in(assignments), np.ones((2, 2), np.float32))
    for made in evaluate_expressions(assignments, names or {"a": np.ones((2, 2), np.float32)}):
        assert made.dtype == np.float32


def test_every_function_has_a_help():
    assert all(row.help.startswith(name) for name, row in FUNCTIONS.items())
