"""Validation against stations: pairs, metrics of each station, and everything that has no pair."""

import time
from dataclasses import replace

import numpy as np
import pytest
from rasterio.crs import CRS

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.metrics import metrics
from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.validation.products import ProductsValidation
from sm_toolbox.validation.report import Shown, products_report
from sm_toolbox.validation.stations import validate_stations

DATES = [f"2020-06-{day:02d}" for day in range(1, 21)]


def validation_report(result, product, layer, min_samples, *progress):
    """The report on one product."""
    found = ProductsValidation((product,), (result,), (result,), False)
    return products_report(found, f"Validation of {product}", Shown(layer, min_samples), *progress)


@pytest.fixture
def product(write_raster):
    cells = np.random.default_rng(0).random((20, 10, 10)).astype(np.float32) * 0.4
    cells[3, 5, 5] = np.nan
    return cells, [write_raster("product.tif", cells, [f"soil_moisture@{date}" for date in DATES])]


def observations(stations, extra_dates=()):
    """Rows of stations at (row, column) cells on all dates."""
    dates = [*DATES, *extra_dates]
    names = np.repeat(list(stations), len(dates))
    row, column = (np.repeat([cell[i] for cell in stations.values()], len(dates)) for i in (0, 1))
    x, y = 500000 + 30 * (column + 0.5), 4000000 - 30 * (row + 0.5)
    return (
        Rows("obs", x, y, CRS.from_epsg(32630), [parse_time(date) for date in dates] * len(stations), list(names)),
        row,
        column,
    )


def test_pairs_and_metrics(product, tmp_path):
    cells, sources = product
    stations = {"B 1": (2, 3), "a#2": (5, 5), "out": (50, 3)}
    rows, row, column = observations(stations, ["2020-07-15"])
    rng = np.random.default_rng(1)
    day = np.tile(np.arange(21), 3)
    inside = row < 10
    truth = np.full(63, 0.2)
    truth[inside] = cells[np.minimum(day[inside], 19), row[inside], column[inside]]
    observed = np.where(np.isnan(truth), 0.2, truth) + rng.normal(0.01, 0.02, 63)
    observed[0] = np.nan
    result = validate_stations(rows, observed, sources, ["grass"] * 21 + ["forest"] * 21 + [None] * 21)
    assert {item.station: item.metrics.n for item in result.by_station} == {"B 1": 19, "a#2": 19}
    own = (np.array(rows.names) == "B 1") & (day < 20) & (day > 0)
    found = next(item for item in result.by_station if item.station == "B 1")
    assert found.metrics == metrics(truth[own], observed[own]) and found.group == "grass"
    assert dict(result.unmatched) == {
        "no observed value": 1,
        "station outside the product": 21,
        "no date of the product near enough": 2,
        "no data in the product": 1,
    }
    assert result.pooled.n == 38 and result.median("bias") == pytest.approx(
        np.median([item.metrics.bias for item in result.by_station])
    )
    page = validation_report(result, "product", "obs", 10)
    page.write(str(tmp_path / "r.html"))
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    for words in (
        "Each dot is a station",
        "B 1",
        "a#2",
        "21 observations have no pair: station outside the product",
        "95 %",
    ):
        assert words in text


def test_stations_with_few_pairs_are_listed_not_rated(product):
    _, sources = product
    rows, *_ = observations({"a": (1, 1), "b": (2, 2)})
    observed = np.random.default_rng(0).random(40)
    observed[25:] = np.nan
    result = validate_stations(rows, observed, sources)
    assert [item.station for item in result.by_station] == ["a"] and result.too_few == [("b", 5)]
    # Its pairs are pairs all the same.
    assert result.pooled.n == len(result.rows) == 25 and result.pooled.rmse == pytest.approx(
        np.sqrt(np.mean((result.predicted - result.observed) ** 2))
    )
    with pytest.raises(InputError, match=r"No station of 'obs' has 30 pairs.*'a', has 20"):
        validate_stations(rows, observed, sources, min_samples=30)


def test_a_map_of_one_date(product):
    """One pair for each station."""
    _, sources = product
    rows, *_ = observations({f"s{i}": (i, i) for i in range(4)})
    observed = np.full(len(rows.x), np.nan)
    observed[::20] = [0.1, 0.2, 0.3, 0.15]
    with pytest.raises(InputError, match="1 for a map of one date"):
        validate_stations(rows, observed, sources)
    result = validate_stations(rows, observed, sources, min_samples=1)
    assert result.pooled.n == 4 and np.isfinite(result.pooled.rmse) and len(result.by_station) == 4
    assert all(
        np.isnan(item.metrics.r) and item.metrics.bias == pytest.approx(p - o)
        for item, p, o in zip(result.by_station, result.predicted, result.observed)
    )
    assert "s3" in validation_report(result, "map", "obs", 1).html()


def test_soil_moisture_is_taken_among_several_variables(product, write_raster, progress):
    _, sources = product
    other = write_raster("other.tif", np.ones((10, 10)), ["quality"])
    rows, *_ = observations({"a": (1, 1)})
    result = validate_stations(rows, np.random.default_rng(0).random(20), [*sources, other], progress=progress)
    assert result.pooled.n == 20 and "the one validated is 'soil_moisture'" in progress.infos[0]
    two = [write_raster("two.tif", np.ones((2, 10, 10)), ["a", "b"])]
    with pytest.raises(InputError, match="`sources` must hold one variable"):
        validate_stations(rows, np.random.default_rng(0).random(20), two)


def test_nothing_observed_and_no_time(product):
    _, sources = product
    rows, *_ = observations({"a": (1, 1)})
    with pytest.raises(InputError, match="No row of 'obs' has an observed value"):
        validate_stations(rows, np.full(20, np.nan), sources)
    timeless = Rows("obs", rows.x, rows.y, rows.crs, None, rows.names)
    with pytest.raises(InputError, match="the `times` field of 'obs' is needed"):
        validate_stations(timeless, np.ones(20), sources)


def test_a_static_product_needs_no_time(write_raster):
    cells = np.arange(100.0).reshape(10, 10) / 400
    rows, row, column = observations({name: (i, i) for i, name in enumerate("abcdef")})
    timeless = Rows("obs", rows.x, rows.y, rows.crs, None, rows.names)
    result = validate_stations(timeless, cells[row, column], [write_raster("static.tif", cells, ["soil_moisture"])])
    assert result.pooled.rmse == pytest.approx(0, abs=1e-7) and result.pooled.r == pytest.approx(1)
    assert all(np.isnan(item.metrics.r) for item in result.by_station)
    validation_report(result, "static", "obs", 10).html()


def test_stations_of_one_name_at_two_places_are_told_apart(product, progress):
    _, sources = product
    rows, _, _ = observations({"a": (2, 3), "b": (5, 6)})
    observed = np.random.default_rng(0).random(40) * 0.4
    far = replace(rows, names=["a"] * 40, x=rows.x + 0.0)
    near = validate_stations(far, observed, sources, progress=progress)
    assert [item.station for item in near.by_station] == ["a"] and not progress.warnings, (
        "within a kilometre it is one station"
    )
    wide = replace(far, x=np.where(np.arange(40) < 20, rows.x, rows.x + 5000))
    found = validate_stations(wide, observed, sources, min_samples=5, progress=progress)
    assert [item.station for item in found.by_station] == ["a (1)"] and found.by_station[0].metrics.n == 20
    assert (
        "stations of one name at several places, more than 1 km apart" in progress.warnings[0]
        and "a (2 places)" in progress.warnings[0]
    )


def test_many_places_of_one_name_are_numbered_in_time():
    from sm_toolbox.validation.stations import _near_one_another

    some = np.array([[5000.0, 0], [0, 0], [5900, 0], [np.nan, 0], [6800, 0], [900, 0], [5000, 0]])
    # Within a kilometre of the first of a number: the third is near the first, the fifth near the third alone.
    assert _near_one_another(some, np.isfinite(some).all(axis=1)).tolist() == [0, 1, 0, 0, 2, 1, 0]
    many = np.random.default_rng(0).random((20_000, 2)) * 5e6
    start = time.perf_counter()
    assert len(set(_near_one_another(many, np.ones(20_000, bool)).tolist())) > 19_000
    assert time.perf_counter() - start < 4


def test_rows_that_repeat_another_are_counted_once(product, progress):
    _, sources = product
    rows, _, _ = observations({"a": (2, 3)})
    observed = np.random.default_rng(0).random(20) * 0.4
    twice = replace(
        rows, x=np.tile(rows.x, 2), y=np.tile(rows.y, 2), times=list(rows.times) * 2, names=list(rows.names) * 2
    )
    both = np.tile(observed, 2)
    both[25] += 0.01
    found = validate_stations(twice, both, sources, progress=progress)
    assert found.pooled.n == 21 and dict(found.unmatched)["the same as an earlier row"] == 19
    assert (
        "19 rows of 'obs' repeat the station, place, time and value of an earlier one and are counted once"
        in progress.warnings[0]
    )


def test_a_station_field_of_nothing(product):
    rows, _, _ = observations({"a": (2, 3)})
    with pytest.raises(InputError, match="The `names` field of 'obs' is NULL in all rows"):
        validate_stations(replace(rows, names=[None] * 20), np.full(20, 0.2), product[1])
    assert (
        len(set(replace(rows, names=[None] * 20).stations())) == 1
        and "(no name)" not in replace(rows, names=[None] * 20).stations()
    )


def test_names_with_dollars_are_no_formulas(product, tmp_path):
    rows, _, _ = observations({r"$\frac{4$_^": (2, 3), "$a$": (4, 4)})
    observed = np.random.default_rng(0).random(40) * 0.4
    result = validate_stations(rows, observed, product[1], [r"$\frac{4$_^"] * 20 + ["$x$"] * 20)
    validation_report(result, "$product$", "obs", 10).write(str(tmp_path / "r.html"))
    assert r"$\frac{4$_^" in (tmp_path / "r.html").read_text("utf-8")


def test_cancel_while_the_report_is_drawn(product, cancelling):
    rows, _, _ = observations({"a": (2, 3), "b": (4, 4)})
    result = validate_stations(rows, np.random.default_rng(0).random(40) * 0.4, product[1])
    quiet = cancelling(10**9)
    validation_report(result, "p", "obs", 10, quiet)
    # In a figure, too, whose lines and texts each listen.
    checks = 10**9 - quiet._left
    assert checks > 100
    for after in (1, checks // 2, checks - 1):
        with pytest.raises(Cancelled):
            validation_report(result, "p", "obs", 10, cancelling(after))
