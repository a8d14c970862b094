"""What the toolbox claims of its models, against simulations whose truth is known.

Run with `python benchmarks/claims.py [claim] [seeds]`: all claims, or one of them. Each is a row of `docs/worth.md`:
what would be claimed without the rule behind it, what is claimed, and what is true.

- places: 30 places with an effect that no predictor explains. A second logger 30 m away under another name must not
  make the station split's R² rise.
- extra_targets: 25 stations and 2,400 pixels of a damped, biased product. The share of true values of the map within
  intervals of 90 %, calibrated on all rows, and on rows of stations.
- trend: series without a trend of which each value is in part the one before (0.8). The share that passes at 5 %, and
  of limits of 95 % that hold 0.
- limits: errors of a station of 30 dates with a memory of 0.9. The share with confidence limits of ubRMSE, and of those
  whose limits do not hold the truth.
- collocation: three products of noise with a memory of 0.95 that share nothing, 365 dates. The share of pairs whose
  correlation passes (nominally 2.5 % are positive and pass), and of cells that are resolved, with all samples counted
  and with those with memory counted for fewer; and the share resolved of products that do share a signal: 365 dates
  with a memory of 0.95 and 100 with 0.9, correlation with the truth 0.9.
- demo_collocation: the share of cells of the demo scene's coarse products that are resolved, counted both ways.
- bootstrap: three products whose errors persist. The share of errors within their limits of 95 %.
- intervals: stations of which every fourth is unlike the others and has errors four times as large. How far the share
  held by intervals of 90 % lies from 90 % at stations that took no part (root mean square over stations, points), and
  their mean width, as wide everywhere and wider where predictors are unlike the training.
- selection: ten predictors of pure noise at 12 stations. The R² of those that forward selection chooses, on the rows by
  which they were chosen, and in outer folds that took no part.
- stations: ten of the demo scene's 45 stations are given a series of their own. The share of them that 'Quality of
  stations' flags, that of the others, and the RMSE of a map against the truth, with all stations alike and with
  weights.
- radar: the median over cells of the demo scene of R in time, of relative wetness, which needs no station, and of a map
  trained at stations.
- baselines: predictors of pure noise. The skill of a model against the best of what costs nothing.
"""

from __future__ import annotations

import atexit
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL
from sm_toolbox.models.assessment.calibration import QuantileShift
from sm_toolbox.models.learners.base import mean_and_quantiles
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
from sm_toolbox.models.table import Roles
from sm_toolbox.models.training import Training, train
from sm_toolbox.raster.opening import Source
from sm_toolbox.stations.sampling import Rows

TREES = 40
LIMITS = np.array([0.05, 0.95])


def trained(
    columns: dict, predictors: tuple[str, ...], positions: np.ndarray | None, by_names: bool = False, folds: int = 5
) -> Training:
    """Train a random forest with whole stations left out; `by_names` does so without regard to places."""
    roles = Roles("sm", predictors, station="station", time="time" if "time" in columns else None)
    prepared = prepare_training(
        SampledTable(columns, "simulated", positions), roles, request=SplitRequest("station", folds)
    )
    table = replace(prepared.table, places=None) if by_names else prepared.table
    return train(table, make_estimator("random_forest", f'{{"n_estimators": {TREES}}}'), prepared.split)


def twins(seed: int, loggers: int) -> tuple[dict, np.ndarray]:
    """Return a table of 30 places with an effect that no predictor explains, with some loggers each, 30 m apart."""
    rng = np.random.default_rng(seed)
    places, months = 30, 12
    effect, slope, sand = rng.normal(0, 0.05, places), rng.uniform(0, 20, places), rng.uniform(10, 60, places)
    where = rng.uniform(0, 50_000, (places, 2))
    season = 0.03 * np.sin(np.arange(months))
    columns: dict[str, list] = {name: [] for name in ("station", "time", "sm", "slope", "sand", "ndvi")}
    positions = []
    for logger in range(loggers):
        for place in range(places):
            columns["station"] += [f"{'pqrs'[logger]}{place}"] * months
            columns["time"] += [f"2020-{month + 1:02d}-01" for month in range(months)]
            columns["sm"] += list(0.25 + effect[place] + season + rng.normal(0, 0.01, months))
            for name, value in (("slope", slope[place]), ("sand", sand[place])):
                columns[name] += [value] * months
            columns["ndvi"] += list(10 * season)
            positions += [where[place] + (30 * logger, 0)] * months
    return columns, np.array(positions)


def claim_places(seed: int) -> list[tuple[str, float]]:
    """Return the R² of the station split: with twins by names, with twins by places, without twins."""
    names = ("ndvi", "slope", "sand")
    doubled, single = twins(seed, 2), twins(seed, 1)
    return [
        ("R2, twins, by names", trained(doubled[0], names, doubled[1], by_names=True).chosen.metrics.r2),
        ("R2, twins, by places", trained(doubled[0], names, doubled[1]).chosen.metrics.r2),
        ("R2 without twins", trained(single[0], names, single[1]).chosen.metrics.r2),
    ]


def pixels_and_stations(seed: int) -> tuple[dict, np.ndarray, np.ndarray]:
    """Return a table of 25 stations and 2,400 pixels of a damped, biased product, and a map with its truth."""
    rng = np.random.default_rng(seed)
    stations, dates, pixels = 25, 12, 2400

    def draw(count: int) -> np.ndarray:
        return rng.uniform(0, 1, (count, 3))

    def truth(features: np.ndarray, noise: float = 0.04) -> np.ndarray:
        known = 0.1 + 0.2 * features[:, 0] + 0.06 * np.sin(6 * features[:, 1])
        return known + rng.normal(0, noise, len(features))

    at_stations, at_pixels = draw(stations * dates), draw(pixels)
    observed = truth(at_stations)
    product = truth(at_pixels, 0.01)
    product = product.mean() + 0.5 * (product - product.mean()) + 0.05
    columns = {f"x{i}": [*at_stations[:, i], *at_pixels[:, i]] for i in range(3)}
    columns["sm"] = [*observed, *product]
    columns["station"] = [*np.repeat([f"s{i}" for i in range(stations)], dates), *(f"smap {i}" for i in range(pixels))]
    columns["source"] = ["station"] * len(observed) + ["smap"] * pixels
    cells = draw(3000)
    return columns, cells, truth(cells)


def claim_extra_targets(seed: int) -> list[tuple[str, float]]:
    """Return the share of true values of the map within intervals of 90 %, calibrated on all rows and on stations'."""
    columns, cells, true = pixels_and_stations(seed)
    training = trained(columns, ("x0", "x1", "x2"), None)
    model, table, chosen = training.model, training.table, training.chosen
    _, quantiles = mean_and_quantiles(model.fitted, model.encoder.encode(cells), LIMITS)
    shares = []
    for rows in (np.ones(len(table), bool), table.rated):
        shift = QuantileShift.fit(table.target[rows], chosen.quantiles[rows])
        low, high = shift.apply(quantiles, LIMITS).T
        shares.append(100 * float(((low <= true) & (true <= high)).mean()))
    return [("within 90 %, all rows", shares[0]), ("within 90 %, stations", shares[1])]


def claim_baselines(seed: int) -> list[tuple[str, float]]:
    """Return the R² and the skill of a model of noise."""
    rng = np.random.default_rng(seed)
    station = np.repeat(np.arange(12), 10)
    columns = {name: rng.normal(size=len(station)) for name in ("a", "b", "c")}
    columns |= {"station": station, "sm": rng.uniform(0.1, 0.4, len(station))}
    chosen = trained(columns, ("a", "b", "c"), None).chosen
    return [("R2", chosen.metrics.r2), ("skill", chosen.skill)]


def persistent(rng: np.random.Generator, dates: int, cells: int, memory: float) -> np.ndarray:
    """Return noise of which each value is in part the one before (dates, cells)."""
    values = rng.standard_normal((dates + 200, cells))
    for date in range(1, len(values)):
        values[date] += memory * values[date - 1]
    return values[200:]


def claim_trend(seed: int) -> list[tuple[str, float]]:
    """Return the share of trendless cells that pass at 5 %, and how often limits of 95 % hold: 60 dates, memory 0.8."""
    import tempfile

    from scipy.stats import kendalltau, linregress

    from sm_toolbox.demo.example import read_example, write_example
    from sm_toolbox.timeseries.trend import TREND_METHODS, temporal_trend

    values = persistent(np.random.default_rng(seed), 60, 1000, 0.8).reshape(60, 25, 40)
    dates = np.arange(60)
    plain = np.array(
        [(linregress(dates, cell).pvalue, kendalltau(dates, cell).pvalue) for cell in values.reshape(60, -1).T]
    )
    names = ("least_squares: plain", "theil_sen: plain")
    found = [(name, 100 * float((p < 0.05).mean())) for name, p in zip(names, plain.T)]
    with tempfile.TemporaryDirectory() as folder:
        bands = {f"sm@{2000 + date // 12}-{date % 12 + 1:02d}": values[date] for date in range(60)}
        source = write_example(f"{folder}/noise.tif", bands)
        for method in TREND_METHODS:
            temporal_trend([source], f"{folder}/trend.tif", method=method)
            made = read_example(f"{folder}/trend.tif")
            held = (made["slope_low"] <= 0) & (made["slope_high"] >= 0)
            found += [
                (f"{method}: pass at 5 %", 100 * float((made["p_value"] < 0.05).mean())),
                (f"{method}: limits hold", 100 * float(held.mean())),
            ]
    return found


def claim_limits(seed: int) -> list[tuple[str, float]]:
    """Return the share of series with limits of ubRMSE, and of those with wrong ones: 30 dates, memory 0.9."""
    from sm_toolbox.metrics import intervals

    series = persistent(np.random.default_rng(seed), 30, 200, 0.9) * np.sqrt(1 - 0.9**2) * 0.05
    found = [intervals(0.2 + error, np.full(30, 0.2)) for error in series.T]
    given = np.array([np.isfinite(limits.ubrmse_low) for limits in found])
    held = np.array([limits.ubrmse_low <= 0.05 <= limits.ubrmse_high for limits in found])
    return [("ubRMSE: limits given", 100 * given.mean()), ("ubRMSE: given and wrong", 100 * (given & ~held).mean())]


def claim_selection(seed: int) -> list[tuple[str, float]]:
    """Return the R² of predictors that are chosen among noise: on the rows of the choice, and nested."""
    from sm_toolbox.models.assessment.nested import select_nested
    from sm_toolbox.models.assessment.selection import Method, select_predictors
    from sm_toolbox.models.assessment.splits import StationSplit
    from sm_toolbox.models.table import make_training_table

    rng = np.random.default_rng(seed)
    names = tuple(f"x{i}" for i in range(4 if SMALL else 10))
    station = np.repeat(np.arange(12), 6)
    columns = {name: np.repeat(rng.normal(size=12), 6) for name in names}
    effect = np.repeat(rng.normal(0, 0.05, 12), 6)
    columns |= {"station": station, "sm": 0.25 + effect + rng.normal(0, 0.01, len(station))}
    table = make_training_table(columns, Roles("sm", names, station="station"), "noise")
    given = table, make_estimator("random_forest", '{"n_estimators": 15}'), StationSplit(4), Method("forward")
    chosen = select_predictors(*given).chosen.metrics.r2
    return [("R2 of the choice", chosen), ("R2, nested", select_nested(*given, 4).metrics.r2)]


def claim_intervals(seed: int) -> list[tuple[str, float]]:
    """Return how evenly intervals hold at new stations, and how wide they are, of either kind."""
    from dataclasses import replace

    rng = np.random.default_rng(seed)
    found = []

    def rows(stations: int) -> dict[str, np.ndarray]:
        away = np.arange(stations) % 4 == 0
        place = np.repeat(np.where(away, rng.uniform(2, 4, stations), rng.uniform(0, 1, stations)), 30)
        place += rng.normal(0, 0.02, len(place))
        y, spread = rng.random(len(place)), np.where(np.repeat(away, 30), 0.08, 0.02)
        station = np.repeat(np.arange(stations), 30)
        return {"x": place, "y": y, "sm": 0.2 + 0.1 * y + rng.normal(0, 1, len(y)) * spread, "station": station}

    training, new = trained(rows(60), ("x", "y"), None), rows(60)
    even = QuantileShift.fit(training.table.target, training.chosen.quantiles)
    at = np.stack([new["x"], new["y"]], axis=1)
    for label, model in (("even", replace(training.model, calibration=even)), ("as chosen", training.model)):
        _, quantiles = model.predict_quantiles(at, np.array([0.05, 0.95]))
        held = (quantiles[:, 0] <= new["sm"]) & (new["sm"] <= quantiles[:, 1])
        shares = 100 * held.reshape(60, 30).mean(axis=1)
        found += [
            (f"{label}: points from 90 %", float(np.sqrt(np.mean(np.square(shares - 90))))),
            (f"{label}: width", float(np.diff(quantiles).mean())),
        ]
    return found


def correlated_share(products: np.ndarray, with_memory: bool) -> tuple[float, float]:
    """Return the share of pairs that are positive and pass at 5 %, and of cells that are resolved (percent)."""
    from sm_toolbox.merging.collocation import collocate, covariances_of_sums, design, memory_of_sums
    from sm_toolbox.merging.covariance_kernels import accumulate, sums_per_cell

    block = np.ascontiguousarray(products[:, :, None], np.float32)
    count, dates, _, cells = block.shape
    sums, latest = np.zeros((1, sums_per_cell(count), 1, cells)), np.full((count, 1, cells), np.nan, np.float32)
    accumulate(block, np.zeros(count, np.float32), np.zeros(dates, np.int64), sums, latest)
    samples, lost, _, covariances = covariances_of_sums(sums)
    memory = memory_of_sums(sums) if with_memory else None
    found = collocate(covariances, samples, design(count), lost=lost, memory=memory)
    passed = (found.correlations > 0) & (found.p_values < 0.05)
    return 100 * float(passed.mean()), 100 * float((found.flags == 0).mean())


def stationary(rng: np.random.Generator, dates: int, cells: int, memory: float) -> np.ndarray:
    """Return `persistent` noise of variance 1."""
    return persistent(rng, dates, cells, memory) * np.sqrt(1 - memory**2)


def claim_collocation(seed: int) -> list[tuple[str, float]]:
    """Return the shares of pairs that pass and of cells that are resolved, of noise and of signals."""
    rng = np.random.default_rng(seed)
    noise = np.stack([stationary(rng, 365, 2000, 0.95) for _ in range(3)])
    found = []
    for label, with_memory in (("plain", False), ("with memory", True)):
        pairs, cells = correlated_share(noise, with_memory)
        found += [(f"noise: pairs, {label}", pairs), (f"noise: resolved, {label}", cells)]
    for dates, memory in ((365, 0.95), (100, 0.9)):
        error = np.sqrt(1 / 0.9**2 - 1)
        signal = stationary(rng, dates, 2000, memory)
        products = np.stack([signal + error * stationary(rng, dates, 2000, memory) for _ in range(3)])
        for label, with_memory in (("plain", False), ("with memory", True)):
            found.append((f"{dates} dates: {label}", correlated_share(products, with_memory)[1]))
    return found


def claim_demo_collocation(seed: int) -> list[tuple[str, float]]:
    """Return the share of resolved cells of the demo scene, with all samples counted and with memory."""
    import tempfile
    from unittest.mock import patch

    from sm_toolbox.demo.write import write_demo_scene
    from sm_toolbox.merging import record
    from sm_toolbox.merging.settings import CollocationSettings
    from sm_toolbox.merging.triplecollocation import triple_collocation
    from sm_toolbox.raster.opening import Source

    with tempfile.TemporaryDirectory() as folder:
        scene = write_demo_scene(Path(folder) / "scene", seed)
        given = [[Source(str(scene.folder / f"product_{name}.tif"))] for name in "abc"], f"{folder}/errors.tif"
        after = triple_collocation(*given, CollocationSettings(min_samples=50)).tally.resolved_percent
        with patch.object(record, "memory_of_sums", lambda *_: None):
            before = triple_collocation(*given, CollocationSettings(min_samples=50)).tally.resolved_percent
    return [("resolved, plain", before), ("resolved, with memory", after)]


def claim_bootstrap(seed: int) -> list[tuple[str, float]]:
    """Return the share of errors within limits of 95 %, by the number of dates and the memory of the errors."""
    import tempfile

    from sm_toolbox.demo.example import read_example, write_example
    from sm_toolbox.merging.settings import CollocationSettings
    from sm_toolbox.merging.triplecollocation import triple_collocation

    rng, found = np.random.default_rng(seed), []
    true = {"a": 0.03, "b": 0.04, "c": 0.05}
    for dates, memory in ((120, 0.6), (365, 0.6), (120, 0.9), (365, 0.9), (365, 0.97)):
        signal = 0.06 * stationary(rng, dates, 200, 0.9)
        with tempfile.TemporaryDirectory() as folder:
            sources = []
            for name, error in true.items():
                values = (0.3 + signal + error * stationary(rng, dates, 200, memory)).reshape(dates, 10, 20)
                days = (np.datetime64("2020-01-01") + np.arange(dates)).astype(str)
                bands = {f"sm@{day}": value for day, value in zip(days, values)}
                sources.append([write_example(f"{folder}/{name}.tif", bands)])
            triple_collocation(sources, f"{folder}/errors.tif", CollocationSettings(min_samples=50, replicates=200))
            made = read_example(f"{folder}/errors.tif")
        held = [
            (made[f"error_{name}_low"] <= error) & (error <= made[f"error_{name}_high"]) for name, error in true.items()
        ]
        share = 100 * np.mean([each[made["flag"] == 0].mean() for each in held])
        found.append((f"{dates} dates, memory {memory}", float(share)))
    return found


@dataclass(frozen=True)
class _Demo:
    """The demo scene at its stations, and at places of the truth that no station has."""

    rows: Rows
    observed: np.ndarray
    features: np.ndarray
    products: tuple[list[Source], list[Source]]
    places: np.ndarray
    truth: np.ndarray


@cache
def _demo() -> _Demo:
    import csv
    import tempfile

    from sm_toolbox.demo.write import write_demo_scene
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.choice import driver
    from sm_toolbox.raster.times import parse_time
    from sm_toolbox.stations.table import TableSettings, sample_table

    with tempfile.TemporaryDirectory() as folder:
        scene = write_demo_scene(Path(folder) / "scene").folder
        with open(scene / "stations.csv", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        times = [parse_time(row["time"]) for row in table]
        x, y = (np.array([float(row[name]) for row in table]) for name in ("lon", "lat"))
        rows = Rows("stations", x, y, driver().crs(4326), times, [row["station"] for row in table])
        observed = np.array([float(row["soil_moisture"] or "nan") for row in table])
        given = [Source(str(scene / f"{name}.tif")) for name in ("soil", "ndvi", "rain", "api", "dem")]
        settings = TableSettings(max_gap_days=8)
        made = sample_table(rows, {}, given, settings)
        truth = stacks(read_bands([Source(str(scene / "truth.tif"))]))["soil_moisture"]
        rng, grid = np.random.default_rng(0), truth.bands[0].grid
        column, row = rng.integers(0, grid.width, 4000), rng.integers(0, grid.height, 4000)
        date = rng.integers(0, len(truth.times), 4000)
        east, north = grid.transform * (column + 0.5, row + 0.5)
        elsewhere = Rows("truth", np.asarray(east), np.asarray(north), grid.crs, [truth.times[i] for i in date])
        at = sample_table(elsewhere, {}, [*given, Source(str(scene / "truth.tif"))], settings)
        # The scene is gone when this returns, but for the products, which are read at each draw.
        kept = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        products = []
        for name in "ab":
            (kept / f"product_{name}.tif").write_bytes((scene / f"product_{name}.tif").read_bytes())
            products.append([Source(str(kept / f"product_{name}.tif"))])
        names = made.predictors
        return _Demo(
            rows,
            observed,
            np.stack([made.columns[name] for name in names], axis=1).astype(np.float32),
            (products[0], products[1]),
            np.stack([at.columns[name] for name in names], axis=1).astype(np.float32),
            np.array(at.columns["soil_moisture"]),
        )


def claim_stations(seed: int) -> list[tuple[str, float]]:
    """Return what is flagged of ten stations of the demo scene with a series of their own, and errors of maps."""
    from sm_toolbox.progress import SILENT
    from sm_toolbox.validation.stationquality import QualitySettings, judge_stations

    demo, rng = _demo(), np.random.default_rng(seed)
    names = demo.rows.stations()
    spoilt = set(rng.choice(np.unique(names), 10, replace=False).tolist())
    observed = demo.observed.copy()
    for name in spoilt:
        own = np.flatnonzero(names == name)
        walk = np.cumsum(rng.normal(0, 1, len(own))) / np.sqrt(len(own))
        observed[own] = np.nanmean(observed[own]) + 2 * np.nanstd(observed[own]) * walk
    found = judge_stations(demo.rows, observed, demo.products, QualitySettings(min_samples=50))
    flagged = {item.name for item in found if item.representative is False}
    weight_of = {item.name: item.weight for item in found}
    usable = np.isfinite(demo.features).all(axis=1) & np.isfinite(observed)
    there = np.isfinite(demo.places).all(axis=1) & np.isfinite(demo.truth)
    errors = []
    for weights in (None, np.array([weight_of[name] for name in names[usable]])):
        forest = make_estimator("random_forest", f'{{"n_estimators": {TREES}, "min_samples_leaf": 5}}')
        model = forest.fit(demo.features[usable], observed[usable], weights, seed, SILENT)
        errors.append(float(np.sqrt(np.mean((model.predict(demo.places[there]) - demo.truth[there]) ** 2))))
    others = set(names.tolist()) - spoilt
    return [
        ("spoilt stations flagged, %", 100 * len(flagged & spoilt) / len(spoilt)),
        ("others flagged, %", 100 * len(flagged & others) / len(others)),
        ("RMSE of the map, all alike", errors[0]),
        ("RMSE of the map, weights", errors[1]),
    ]


def claim_radar(seed: int) -> list[tuple[str, float]]:
    """Return the median R in time of relative wetness from radar alone, and of a map trained at stations."""
    import csv
    import tempfile

    from sm_toolbox.demo.write import write_demo_scene
    from sm_toolbox.predictors.sar import sar_predictors
    from sm_toolbox.predictors.sar_wetness import relative_wetness
    from sm_toolbox.progress import SILENT
    from sm_toolbox.raster.bands import read_bands, stacks
    from sm_toolbox.raster.choice import driver
    from sm_toolbox.raster.times import parse_time
    from sm_toolbox.stations.table import TableSettings, sample_table

    with tempfile.TemporaryDirectory() as folder:
        scene = write_demo_scene(Path(folder) / "scene", seed).folder
        source = {path.stem: Source(str(path)) for path in scene.glob("*.tif")}
        radar, wetness = f"{folder}/radar.tif", f"{folder}/wetness.tif"
        sar_predictors([source["sentinel1"]], [], [], radar, grid=source["ndvi"], filter_size=5)
        relative_wetness([Source(radar)], wetness)
        truth = stacks(read_bands([source["truth"]]))["soil_moisture"]
        seen = {str(time) for time in stacks(read_bands([Source(wetness)]))["relative_wetness"].times}
        days = [time for time in truth.times if str(time) in seen]
        rng, grid = np.random.default_rng(seed), truth.bands[0].grid
        x, y = grid.transform * (rng.integers(0, grid.width, 200) + 0.5, rng.integers(0, grid.height, 200) + 0.5)
        cells = Rows("truth", np.tile(x, len(days)), np.tile(y, len(days)), grid.crs, [day for day in days for _ in x])
        given = [source[name] for name in ("soil", "ndvi", "rain", "api", "dem")]
        settings = TableSettings(max_gap_days=8)
        at = sample_table(cells, {}, [*given, source["truth"], Source(wetness)], settings)
        with open(scene / "stations.csv", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        place = (np.array([float(row[name]) for row in table]) for name in ("lon", "lat"))
        rows = Rows("stations", *place, driver().crs(4326), [parse_time(row["time"]) for row in table])
        made = sample_table(rows, {}, given, settings)
    observed = np.array([float(row["soil_moisture"] or "nan") for row in table])
    known, wanted = (
        np.stack([each.columns[name] for name in made.predictors], axis=1).astype(np.float32) for each in (made, at)
    )
    usable, there = np.isfinite(known).all(axis=1) & np.isfinite(observed), np.isfinite(wanted).all(axis=1)
    forest = make_estimator("random_forest", f'{{"n_estimators": {TREES}, "min_samples_leaf": 5}}')
    predicted = np.full(len(wanted), np.nan)
    predicted[there] = forest.fit(known[usable], observed[usable], None, seed, SILENT).predict(wanted[there])
    actual = np.array(at.columns["soil_moisture"])
    found = []
    for label, values in (("radar alone", np.array(at.columns["relative_wetness"])), ("trained map", predicted)):
        a, b = values.reshape(len(days), -1), actual.reshape(len(days), -1)
        whole = np.isfinite(a + b).all(axis=0)
        r = [np.corrcoef(a[:, cell], b[:, cell])[0, 1] for cell in np.flatnonzero(whole)]
        found.append((f"R in time, {label}", float(np.median(r))))
    return found


CLAIMS: dict[str, Callable[[int], list[tuple[str, float]]]] = {
    "places": claim_places,
    "extra_targets": claim_extra_targets,
    "baselines": claim_baselines,
    "trend": claim_trend,
    "limits": claim_limits,
    "selection": claim_selection,
    "intervals": claim_intervals,
    "collocation": claim_collocation,
    "demo_collocation": claim_demo_collocation,
    "bootstrap": claim_bootstrap,
    "stations": claim_stations,
    "radar": claim_radar,
}


def main() -> None:
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    seeds = next((int(word) for word in given if word.isdigit()), 1 if SMALL else 20)
    for name in [word for word in given if word in CLAIMS] or CLAIMS:
        drawn = [CLAIMS[name](seed) for seed in range(seeds)]
        print(f"{name}, {seeds} draws")
        for place, (label, _) in enumerate(drawn[0]):
            values = np.array([row[place][1] for row in drawn])
            print(f"  {label:26} mean {values.mean():8.3f}   {values.min():8.3f} to {values.max():8.3f}")


if __name__ == "__main__":
    main()
