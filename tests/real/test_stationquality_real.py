"""Quality of stations with real series: SMAP in four cells on Hawaii taken as stations, beside GLDAS and ERA5-Land.

The signal-to-noise ratios are those that pytesmo 0.18.1 has of the same triplets (`tests/real/test_merging_real.py`).
"""

import numpy as np
import pandas as pd
import pytest
from rasterio.crs import CRS

from sm_toolbox.raster.times import parse_time
from sm_toolbox.stations.sampling import Rows
from sm_toolbox.validation.stationquality import QualitySettings, judge_stations
from tests.real.test_merging_real import TRIPLE

pytestmark = pytest.mark.real

SHARED = ["smap", "gldas", "era5land"]


def test_stations_on_hawaii(real_data, write_raster):
    table = pd.read_csv(real_data("hawaii_products", "smap_gldas_era5land_hawaii.csv"))
    cells = sorted(table["cell"].unique())
    time = next(name for name in table.columns if "time" in name.lower() or "date" in name.lower())
    # One overpass a day, so that daily means are the samples themselves.
    table["day"] = table[time].astype(str).str[:10]
    table = table.dropna(subset=SHARED).drop_duplicates(["cell", "day"])
    days = sorted(table["day"].unique())
    products = []
    for name in SHARED[1:]:
        values = np.full((len(days), 1, len(cells)), np.nan, np.float32)
        for row in table.itertuples():
            values[days.index(row.day), 0, cells.index(row.cell)] = getattr(row, name)
        products.append([write_raster(f"{name}.tif", values, [f"soil_moisture@{day}" for day in days], cell=9000.0)])
    column = np.array([cells.index(cell) for cell in table["cell"]])
    rows = Rows(
        "smap", 500000.0 + 9000 * (column + 0.5), np.full(len(table), 3995500.0), CRS.from_epsg(32630),
        [parse_time(day) for day in table["day"]], table["cell"].tolist(),
    )  # fmt: skip
    settings = QualitySettings(min_samples=30, alpha=1, min_correlation=0)
    found = {item.name: item for item in judge_stations(rows, table["smap"].to_numpy(float), tuple(products), settings)}
    compared = 0
    for cell, (count, expected) in TRIPLE[tuple(SHARED)].items():
        item = found[cell]
        if item.n == count and item.representative and None not in expected:
            assert item.snr == pytest.approx(expected[0], rel=2e-3, abs=2e-3), cell
            compared += 1
    assert compared >= 2
    # With the usual rules: a cell of 33 days is not judged, and those with less signal than error are left out.
    judged = {item.name: item for item in judge_stations(rows, table["smap"].to_numpy(float), tuple(products))}
    assert judged["0165_1"].representative is None and "33 common days" in judged["0165_1"].reason
    for name, item in judged.items():
        if item.representative is not None and np.isfinite(item.snr):
            assert item.representative == (item.correlation >= 0.7), name
