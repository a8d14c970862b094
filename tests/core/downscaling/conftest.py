"""A small land whose soil moisture is known: fine predictors, a coarse product of it, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.demo.example import LEFT, TOP, write_example
from sm_toolbox.downscaling.learning import Learning
from sm_toolbox.downscaling.table import DownscaleInputs
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.writing import raster_writer

DAYS = ("2020-06-01", "2020-07-01", "2020-08-01")
FINE, COARSE, RATIO = 64, 8, 8


@dataclass
class Land:
    """Files and arrays of the land, (dates, rows, cols) where dated."""

    folder: Path
    ndvi: np.ndarray
    sand: np.ndarray
    truth: np.ndarray
    coarse: np.ndarray

    def write(self, name, bands, cell=100.0) -> Source:
        return write_example(str(self.folder / f"{name}.tif"), bands, cell=cell)

    def product(self, values=None, name="coarse") -> Source:
        values = self.coarse if values is None else values
        return self.write(name, dict(zip(dated("soil_moisture"), values)), cell=100.0 * RATIO)

    def predictors(self, ndvi=None, sand=None) -> list[Source]:
        ndvi, sand = self.ndvi if ndvi is None else ndvi, self.sand if sand is None else sand
        return [self.write("ndvi", dict(zip(dated("ndvi"), ndvi))), self.write("sand", {"sand": sand})]

    def inputs(self, **more) -> DownscaleInputs:
        # Only what is not given: another file of the name would be replaced.
        for key, make in (("coarse", lambda: [self.product()]), ("predictors", self.predictors)):
            more[key] = more[key] if key in more else make()
        return DownscaleInputs(**more)

    def path(self, name) -> str:
        return str(self.folder / name)


def dated(variable):
    return [f"{variable}@{day}" for day in DAYS]


def means(values, ratio=RATIO):
    """Return the means of squares of cells."""
    rows, columns = values.shape[-2] // ratio, values.shape[-1] // ratio
    return values.reshape(*values.shape[:-2], rows, ratio, columns, ratio).mean(axis=(-3, -1))


def smooth(rng, shape, length):
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.normal(size=shape), length)
    return (field - field.mean()) / field.std()


def forest(**more):
    return Learning([make_estimator("random_forest", '{"n_estimators": 30, "min_samples_leaf": 2}')], **more)


def write_on(path, grid, bands) -> Source:
    """Write bands on any grid."""
    with raster_writer(RasterOutput(str(path), list(bands)), grid) as writer:
        values = np.stack([np.asarray(band, np.float32) for band in bands.values()])
        writer.write(values, Window(0, 0, grid.width, grid.height))
    return Source(str(path))


def utm(cell, width, height, left=LEFT, top=TOP) -> Grid:
    return Grid(32630, Affine(cell, 0.0, left, 0.0, -cell, top), width, height)


@pytest.fixture
def land(tmp_path) -> Land:
    rng = np.random.default_rng(3)
    sand = 40 + 10 * smooth(rng, (FINE, FINE), 5)
    pattern = smooth(rng, (FINE, FINE), 4)
    ndvi = np.stack([0.5 + 0.05 * i + 0.1 * pattern + 0.03 * smooth(rng, (FINE, FINE), 6) for i in range(len(DAYS))])
    # What no predictor knows: wetter in the east, and from date to date.
    east = np.linspace(-0.02, 0.02, FINE)[None].repeat(FINE, axis=0)
    rain = np.stack([east * (i - 1) for i in range(len(DAYS))])
    truth = 0.15 + 0.25 * (ndvi - 0.5) - 0.003 * (sand - 40) + rain
    return Land(tmp_path, ndvi, sand, truth, means(truth))
