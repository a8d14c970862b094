"""The training table: roles, rows left out, and what is refused."""

from datetime import date

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.models.features import FeatureEncoder, parse_cyclic
from sm_toolbox.models.table import Roles, TrainingTable, make_training_table, oddities

ROLES = Roles("sm", ("a", "b"), "station", "time", "w")


def columns(**changes):
    base = {
        "sm": [0.1, 0.2, 0.3, None],
        "a": [1, 2, 3, 4],
        "b": ["1.5", "2,5".replace(",", "."), 3.5, 4.5],
        "station": ["x", "y", "x", "y"],
        "time": [date(2020, 1, 1), "2020-01-02", "2020-01-03T12:00:00", "2020-01-04"],
        "w": [1, 1, 2, 1],
    }
    return {**base, **changes}


def test_complete_rows_are_kept_and_the_others_counted():
    table = make_training_table(columns(a=[1, 2, None, 4]), ROLES, "table")
    assert len(table) == 2 and table.dropped == {"no sm": 1, "no a": 1}
    np.testing.assert_array_equal(table.source_rows, [0, 1])
    np.testing.assert_array_equal(table.predictors, [[1, 1.5], [2, 2.5]])
    assert table.times[1] == np.datetime64("2020-01-02") and list(table.stations) == ["x", "y"]


def test_reasons_name_fields_as_they_are_and_predictors_called_as_parts_are():
    """A predictor `weight` beside weights in another field: the rows without either are left out."""
    own = {"rain_7d": [1, None, 3, 4], "weight": [None, 2, 3, 4]}
    roles = Roles("sm", ("a", "rain_7d", "weight"), weight="w")
    table = make_training_table(columns(sm=[0.1, 0.2, 0.3, 0.4], **own), roles, "table", must_vary=False)
    np.testing.assert_array_equal(table.source_rows, [2, 3])
    assert table.dropped == {"no rain_7d": 1, "no weight": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sm": [0.1, "wet", 0.3, 0.4]}, r"'sm' of 'table' must hold numbers, but row 2 holds 'wet'"),
        ({"sm": [0.1, float("nan"), 0.3, 0.4]}, r"'sm' of 'table' holds nan in row 2"),
        ({"a": [1, float("inf"), 3, 4]}, r"'a' of 'table' holds inf in row 2"),
        ({"sm": [None] * 4}, r"No row of 'table' has a target and all predictors"),
        ({"sm": [0.2, 0.2, 0.2, 0.2]}, r"target 'sm' is 0.2 in all 4"),
        ({"b": [7, 7, 7, 7]}, r"the same in all 3 complete rows.*: b\."),
        (
            {"time": ["2020-01-01", "03/04/2020", None, None]},
            r"row 2 holds '03/04/2020', whose order of day and month is not clear",
        ),
        ({"w": [1, -1, 1, 1]}, r"weights in field 'w'.*zero or positive"),
        ({"w": [0, 0, 0, 0]}, r"not all zero"),
        ({"a": [1, 1e39, 3, 4]}, r"'a' of 'table' holds 1e\+39"),
    ],
)
def test_bad_columns_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        make_training_table(columns(**changes), ROLES, "table")


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (Roles("moisture", ("a",)), "has no field 'moisture'. Its fields are: sm, a, b"),
        (Roles("sm", ("a", "c")), "has no field 'c'"),
        (Roles("sm", ()), "No predictor is chosen"),
        (Roles("sm", ("a", "a")), "names a more than once"),
        (Roles("sm", ("a", "sm")), "also among the predictors"),
    ],
)
def test_bad_roles_are_refused(roles, words):
    with pytest.raises(InputError, match=words):
        make_training_table(columns(), roles, "table")


def test_cyclic_predictors_become_sine_and_cosine():
    encoder = FeatureEncoder(("a", "aspect"), parse_cyclic("aspect:360", ["a", "aspect"]))
    assert encoder.names == ["a", "sin(aspect)", "cos(aspect)"]
    np.testing.assert_allclose(encoder.encode(np.array([[5.0, 90.0], [6.0, 360.0]])), [[5, 1, 0], [6, 0, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aspect", "not of the form"),
        ("aspect:x", "not of the form"),
        ("aspect:-1", "positive"),
        ("slope:360", "none of the predictors"),
        ("aspect:inf", "positive"),
    ],
)
def test_bad_cyclic_texts(text, words):
    with pytest.raises(InputError, match=words):
        parse_cyclic(text, ["a", "aspect"])
    assert parse_cyclic(" ", ["a"]) == parse_cyclic(None, ["a"]) == {}


def test_classes_are_refused_with_the_way_to_encode_them():
    columns = {"sm": [0.1, 0.2], "cover": ["forest", "grass"]}
    with pytest.raises(
        InputError, match=r"Predictor 'cover' of 't' holds text \(forest, grass\).*CASE WHEN \"cover\" = 'forest'"
    ):
        make_training_table(columns, Roles("sm", ("cover",)), "t")
    # Numbers that came as text are numbers.
    assert make_training_table(
        {"sm": [0.1, 0.2], "code": ["1", "2"]}, Roles("sm", ("code",)), "t"
    ).predictors.tolist() == [[1], [2]]


def test_oddities_are_said():
    rng = np.random.default_rng(0)
    a = rng.random(50)
    table = TrainingTable(
        Roles("sm", ("a", "b", "twice")),
        np.stack([a, rng.random(50), 2 * a + 1], axis=1),
        rng.random(50),
        np.arange(50),
    )
    (text,) = oddities(table)
    assert "'a' and 'twice'" in text
    assert any("3 predictors and only 3 rows" in text for text in oddities(table.take(np.arange(3))))


def test_joined_tables_keep_what_both_have():
    def of(rows, **more):
        return TrainingTable(Roles("sm", ("a",)), np.ones((rows, 1)), np.arange(float(rows)), np.arange(rows), **more)

    both = of(2, stations=np.array(["a", "b"]), weights=np.array([1.0, 2.0])).joined(
        of(3, stations=np.array(["c"] * 3)), 4.0
    )
    assert (
        both.weights.tolist() == [1, 2, 4, 4, 4]
        and both.stations.tolist() == ["a", "b", "c", "c", "c"]
        and both.times is None
    )
    assert both.source_rows.tolist() == [0, 1, -1, -1, -1]


def test_rows_that_repeat_others_are_said():
    given = {name: values[:3] + values[:2] for name, values in columns(sm=[0.1, 0.2, 0.3]).items()}
    table = make_training_table(given, ROLES, "t")
    assert any(
        "2 rows of 't' repeat another in station, time, target and all predictors" in text for text in oddities(table)
    )
    assert not any("repeat another" in text for text in oddities(make_training_table(columns(), ROLES, "t")))


def test_a_station_field_of_nothing_is_no_station():
    with pytest.raises(InputError, match="The `station` field 'station' of 't' is NULL in all rows"):
        make_training_table(columns(station=[None, "", None, None]), ROLES, "t")
