"""Two networks of stations with calibrations of their own, and rain gauges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sm_toolbox.demo.cover import LAND_COVER_CLASSES
from sm_toolbox.demo.products import STATION_BIAS, ErrorModel, Sites, outages, sites_at
from sm_toolbox.demo.scene import SEASON, Span, date_of
from sm_toolbox.demo.terrain import MEDIUM_FACTOR, WGS84, Terrain, coarser
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.points import transform_points

NETWORKS = {"VALLEY": ErrorModel(0.015, 1.0, 0.01), "RIDGE": ErrorModel(-0.01, 0.85, 0.018)}
"""What a station of each measures, of the truth of its cell; each has a bias of its own beside."""
NETWORK_STATIONS = 16
GAUGES = 12
GAUGE_CATCH = 0.94  # of the rain, since wind carries drops past
GAUGE_NOISE = 0.08  # of the amount
GAUGE_STEP = 0.2  # mm that tip a bucket
_APART, _MARGIN = 8, 6  # cells of 90 m
GAUGE_ROW = np.dtype(
    [("station", "U5"), ("time", "datetime64[D]"), ("rain", np.float64), ("lon", np.float64), ("lat", np.float64)]
)


def place_networks(terrain: Terrain, land_cover: np.ndarray, rng: np.random.Generator) -> dict[str, Sites]:
    """Place the networks: one in hollows of the western half, one on ridges of the eastern.

    Parameters
    ----------
    terrain : Terrain
    land_cover : ndarray (rows, cols)
        Numbers of `LAND_COVER_CLASSES`.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to Sites
    """
    names = {number: name for name, number in LAND_COVER_CLASSES.items()}
    is_land = ~np.isin(land_cover, [LAND_COVER_CLASSES[name] for name in ("water", "ice")])
    rows, columns = np.indices(land_cover.shape)
    inside = (np.minimum(rows, columns) >= _MARGIN) & (rows < len(rows) - _MARGIN)
    inside &= columns < columns.shape[1] - _MARGIN
    west = columns < columns.shape[1] // 2
    places = {"VALLEY": west & (terrain.hollow > 0.2), "RIDGE": ~west & (terrain.hollow < -0.2)}
    networks = {}
    for network, error in NETWORKS.items():
        cells = rng.permutation(np.argwhere(places[network] & is_land & inside))
        chosen: list[np.ndarray] = []
        for cell in cells:
            if all(np.hypot(*(cell - other)) >= _APART for other in chosen):
                chosen.append(cell)
            if len(chosen) == NETWORK_STATIONS:
                break
        at = np.array(chosen)
        cover = np.array([names[int(number)] for number in land_cover[at[:, 0], at[:, 1]]])
        bias = error.offset + rng.normal(0, STATION_BIAS, len(at))
        labels = [f"{network[0]}-{number:02d}" for number in range(1, len(at) + 1)]
        sites = sites_at(labels, (at[:, 0], at[:, 1]), terrain.grid, cover, bias)
        networks[network] = replace(sites, gain=error.gain, noise=error.noise)
    return networks


def with_network(table: np.ndarray, network: str) -> np.ndarray:
    """Return a table of stations with a column for their network.

    Parameters
    ----------
    table : structured ndarray (rows,)
    network : str

    Returns
    -------
    structured ndarray (rows,)
    """
    described = table.dtype.descr
    wider = np.empty(len(table), np.dtype([*described[:2], ("network", "U6"), *described[2:]]))
    for name in table.dtype.names or ():
        wider[name] = table[name]
    wider["network"] = network
    return wider


def place_gauges(terrain: Terrain, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose the cells of 450 m in which rain gauges stand.

    Parameters
    ----------
    terrain : Terrain
    rng : numpy.random.Generator

    Returns
    -------
    rows, columns : ndarray of int (GAUGES,)
    """
    height, width = (size // MEDIUM_FACTOR for size in terrain.elevation.shape)
    cells = rng.choice(height * width, GAUGES, replace=False)
    return cells // width, cells % width


def measure_rain(
    terrain: Terrain,
    cells: tuple[np.ndarray, np.ndarray],
    rain: np.ndarray,
    rng: np.random.Generator,
    span: Span = SEASON,
) -> np.ndarray:
    """Let rain gauges measure.

    Parameters
    ----------
    terrain : Terrain
    cells : (ndarray of int, ndarray of int)
        As `place_gauges`.
    rain : ndarray (days, rows / 5, cols / 5)
        mm per day.
    rng : numpy.random.Generator
    span : Span, optional

    Returns
    -------
    structured ndarray (rows,)
        One row per gauge and day, days without a measurement left out: station, time, rain (mm), lon, lat.
    """
    rows, columns = cells
    grid = coarser(terrain.grid, MEDIUM_FACTOR)
    x, y = grid.transform * (columns + 0.5, rows + 0.5)
    lon, lat = transform_points(x, y, grid.crs, driver().crs(WGS84))
    caught = GAUGE_CATCH * rain[:, rows, columns] * np.exp(rng.normal(0, GAUGE_NOISE, (span.days, len(rows))))
    caught = np.floor(caught / GAUGE_STEP) * GAUGE_STEP
    caught[outages(len(rows), rng, span)] = np.nan
    table = np.empty(caught.size, GAUGE_ROW)
    table["station"] = np.repeat([f"RG-{number:02d}" for number in range(1, len(rows) + 1)], span.days)
    table["time"] = np.tile(np.array([date_of(day) for day in span.all_days], "datetime64[D]"), len(rows))
    table["rain"] = caught.T.ravel().round(1)
    table["lon"], table["lat"] = (np.repeat(np.round(degrees, 6), span.days) for degrees in (lon, lat))
    return table[~np.isnan(table["rain"])]
