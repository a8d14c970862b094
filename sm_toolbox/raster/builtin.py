"""Variables that need no raster: where a cell lies, and the date."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import Crs
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.origins import Origin, qualified
from sm_toolbox.raster.times import Time

KIND = "builtin"
"""The kind of the columns that hold such variables."""

_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)


@dataclass(frozen=True)
class Builtin:
    """What a variable is that needs no raster.

    Parameters
    ----------
    meaning : str
    unit : str
    of_date : bool
        Whether it is of the date; else of the place.
    period : float, optional
        Of a cyclic one.
    """

    meaning: str
    unit: str
    of_date: bool = False
    period: float | None = None


BUILTINS = {
    "longitude": Builtin("longitude in WGS 84", "degrees_east"),
    "latitude": Builtin("latitude in WGS 84", "degrees_north"),
    "x": Builtin("first coordinate in the grid's CRS", ""),
    "y": Builtin("second coordinate in the grid's CRS", ""),
    "day_of_year": Builtin("day of the year, from 1", "day", True, 365.25),
    "month": Builtin("month, from 1", "month", True, 12.0),
}


def builtin_origins(names: Sequence[str], taken: Collection[str], grid_crs: Crs | None) -> dict[str, Origin]:
    """Name the columns of variables that need no raster, and note what they are.

    Parameters
    ----------
    names : sequence of str
        Keys of `BUILTINS`.
    taken : collection of str
        Names of other columns, whatever their capitals; one that is taken becomes `name_builtin`.
    grid_crs : Crs or None
        That of x and y; None where these are not asked for.

    Returns
    -------
    dict of str to Origin
        By column.

    Raises
    ------
    InputError
        Where a name is none of `BUILTINS`.
    """
    unknown = [name for name in names if name not in BUILTINS]
    if unknown:
        raise InputError(f"`builtins` does not know '{unknown[0]}'. It takes {', '.join(BUILTINS)}.")
    used = {name.lower() for name in taken}
    crs = {"longitude": _WGS84, "latitude": _WGS84}
    if grid_crs is not None:
        crs["x"] = crs["y"] = grid_crs.to_wkt()
    return {
        qualified(name, KIND) if name in used else name: Origin(
            name, KIND, crs=crs.get(name, ""), unit=BUILTINS[name].unit or None, kind=KIND
        )
        for name in dict.fromkeys(names)
    }


def builtin_of_table(name: str, origin: Origin | None) -> Builtin | None:
    """Return what a column is that needs no raster; None where it comes from one, or nothing is known of it.

    Parameters
    ----------
    name : str
    origin : Origin or None
        Where the table keeps no notes the name tells, but for x and y, of which nobody knows the CRS.

    Returns
    -------
    Builtin or None
    """
    if origin is not None:
        return BUILTINS.get(origin.variable) if origin.kind == KIND else None
    return None if name in ("x", "y") else BUILTINS.get(name)


def of_time(variable: str, time: Time) -> int:
    """Return a variable of the date; of a month or another period that of its middle.

    Parameters
    ----------
    variable : {'day_of_year', 'month'}
    time : Time

    Returns
    -------
    int
    """
    middle = time.start + (time.end - time.start) / 2
    return middle.month if variable == "month" else middle.timetuple().tm_yday


def of_places(origins: Iterable[Origin], x: np.ndarray, y: np.ndarray, crs: Crs) -> list[np.ndarray]:
    """Return variables of the place.

    Parameters
    ----------
    origins : iterable of Origin
        What each is.
    x, y : ndarray of float64 (points,)
        Coordinates in `crs`.
    crs : Crs

    Returns
    -------
    list of ndarray of float64 (points,)
        NaN where there is no point.
    """
    # Slow to load, and few maps need it.
    from sm_toolbox.raster.points import transform_points

    known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    found = []
    for origin in origins:
        if origin.crs not in known:
            known[origin.crs] = transform_points(x, y, crs, driver().crs(origin.crs))
        found.append(known[origin.crs][0 if origin.variable in ("longitude", "x") else 1])
    return found


def latitudes_at(grid: Grid, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the latitudes of the centres of cells.

    Parameters
    ----------
    grid : Grid
    columns, rows : ndarray of int (...)
        Of the cells.

    Returns
    -------
    ndarray of float64 (...)
        Degrees in WGS 84.
    """
    x, y = grid.transform * (columns.ravel() + 0.5, rows.ravel() + 0.5)
    origins = builtin_origins(["latitude"], (), None).values()
    return np.asarray(of_places(origins, x, y, grid.crs)[0], np.float64).reshape(columns.shape)


def latitudes(grid: Grid, window: Window) -> np.ndarray:
    """Return the latitudes of the centres of the cells of a window.

    Parameters
    ----------
    grid : Grid
    window : Window

    Returns
    -------
    ndarray of float64 (rows, cols)
        Degrees in WGS 84.
    """
    return latitudes_at(grid, *_cells_of(window))


def _cells_of(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the column and the row of each cell of a window, int (rows, cols)."""
    rows, columns = (
        np.arange(int(first), int(first + size))
        for first, size in ((window.row_off, window.height), (window.col_off, window.width))
    )
    column, row = np.meshgrid(columns, rows)
    return column, row


def of_rows(
    origins: Mapping[str, Origin], x: np.ndarray, y: np.ndarray, crs: Crs, times: Sequence[Time | None] | None
) -> dict[str, np.ndarray]:
    """Return all variables that need no raster at rows of a table.

    Parameters
    ----------
    origins : mapping of str to Origin
        By column.
    x, y : ndarray of float64 (rows,)
        Coordinates in `crs`.
    crs : Crs
    times : sequence of Time or None, or None

    Returns
    -------
    dict of str to ndarray of float64 (rows,)
        NaN where there is no point, or no time.
    """
    of_place = {name: origin for name, origin in origins.items() if not BUILTINS[origin.variable].of_date}
    found = dict(zip(of_place, of_places(of_place.values(), x, y, crs)))
    nowhere = ~(np.isfinite(x) & np.isfinite(y))
    for name, origin in origins.items():
        if name not in of_place:
            known: dict[Time | None, float] = {None: np.nan}
            for time in times or ():
                if time is not None and time not in known:
                    known[time] = of_time(origin.variable, time)
            found[name] = np.array([known[time] for time in times or [None] * len(x)], float)
            found[name][nowhere] = np.nan
    return {name: found[name] for name in origins}


@dataclass(frozen=True)
class MapBuiltins:
    """Variables that need no raster, in the cells of a map.

    Parameters
    ----------
    grid : Grid
        Of the map.
    origins : mapping of str to Origin
        By predictor.
    """

    grid: Grid
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def need_date(self) -> list[str]:
        """The predictors that are of the date."""
        return [name for name, origin in self.origins.items() if BUILTINS[origin.variable].of_date]

    def in_window(self, window: Window) -> dict[str, np.ndarray]:
        """Return the variables of the place in a window; the same in windows of any size.

        Parameters
        ----------
        window : Window

        Returns
        -------
        dict of str to ndarray of float32 (rows, cols)
        """
        own = {name: origin for name, origin in self.origins.items() if not BUILTINS[origin.variable].of_date}
        if not own:
            return {}
        column, row = _cells_of(window)
        x, y = self.grid.transform * (column.ravel() + 0.5, row.ravel() + 0.5)
        values = of_places(own.values(), x, y, self.grid.crs)
        return {name: each.reshape(column.shape).astype(np.float32) for name, each in zip(own, values)}

    def on_date(self, time: Time | None, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """Return the variables of the date.

        Parameters
        ----------
        time : Time or None
        shape : tuple of int
            Rows and columns.

        Returns
        -------
        dict of str to ndarray of float32 (rows, cols)
        """
        return {
            name: np.full(shape, np.nan if time is None else of_time(self.origins[name].variable, time), np.float32)
            for name in self.need_date
        }
