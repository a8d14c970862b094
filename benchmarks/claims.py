"""What the toolbox claims of its models, against simulations whose truth is known.

Run with `python benchmarks/claims.py [claim] [seeds]`: all claims, or one of them. Each is a row of `docs/worth.md`:
what would be claimed without the rule behind it, what is claimed, and what is true.

- places: 30 places with an effect that no predictor explains. A second logger 30 m away under another name must not
  make the station split's R² rise.
- extra_targets: 25 stations and 2,400 pixels of a damped, biased product. The share of true values of the map within
  intervals of 90 %, calibrated on all rows, and on rows of stations.
- baselines: predictors of pure noise. The skill of a model against the best of what costs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
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


CLAIMS: dict[str, Callable[[int], list[tuple[str, float]]]] = {
    "places": claim_places,
    "extra_targets": claim_extra_targets,
    "baselines": claim_baselines,
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
