"""Station observations from a text file, for those who work without QGIS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.columns import to_names, to_numbers, to_times
from sm_toolbox.errors import InputError
from sm_toolbox.raster.choice import driver
from sm_toolbox.stations.sampling import Rows


@dataclass(frozen=True)
class StationFile:
    """Observations as a file has them.

    Parameters
    ----------
    rows : Rows
        Place, time and station of each.
    columns : dict of str to list (rows,)
        All that the file says, by column; None where there is no value.
    """

    rows: Rows
    columns: dict[str, list[Any]]

    def numbers(self, column: str) -> np.ndarray:
        """Return a column as numbers, such as observed soil moisture.

        Parameters
        ----------
        column : str

        Returns
        -------
        ndarray of float64 (rows,)
            NaN where there is no value.

        Raises
        ------
        InputError
            As `to_numbers`, and where there is no such column.
        """
        return to_numbers(_column(self.columns, column, self.rows.layer), column, self.rows.layer)


def read_stations(
    path: str, *, station: str = "station", time: str = "time", x: str = "lon", y: str = "lat", crs: Any = 4326
) -> StationFile:
    """Read station observations from a CSV file.

    Parameters
    ----------
    path : str
        One row for each observation.
    station, time, x, y : str, optional
        The columns of name, time (ISO 8601, UTC) and coordinates.
    crs : int or str, optional
        Of the coordinates: an EPSG code, or WKT.

    Returns
    -------
    StationFile

    Raises
    ------
    InputError
        Where the file cannot be read, a column is missing or does not hold what it should.

    Examples
    --------
    >>> with open("stations.csv", "w") as file:
    ...     _ = file.write("station,time,lon,lat,sm\\nA,2019-06-01,9.1,45.3,0.21\\nA,2019-06-02,9.1,45.3,\\n")
    >>> stations = read_stations("stations.csv")
    >>> print(stations.rows.names, stations.rows.x, [str(time) for time in stations.rows.times])
    ['A', 'A'] [9.1 9.1] ['2019-06-01', '2019-06-02']
    >>> print(stations.numbers("sm"))
    [0.21  nan]
    """
    import pandas as pd

    try:
        # As text, for names may look like numbers (007), and what is empty stays so.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"The table '{path}' cannot be read: {error}. Give a CSV file.") from error
    columns: dict[str, list[Any]] = {
        str(name): [text if text.strip() else None for text in values] for name, values in table.items()
    }
    east, north = (to_numbers(_column(columns, name, path), name, path) for name in (x, y))
    times = to_times(_column(columns, time, path), time, path)
    names = to_names(_column(columns, station, path))
    return StationFile(Rows(path, east, north, driver().crs(crs), times, names), columns)


def _column(columns: dict[str, list[Any]], name: str, layer: str) -> Sequence[Any]:
    if name not in columns:
        raise InputError(f"'{layer}' has no column '{name}'. Its columns are: {', '.join(columns)}.")
    return columns[name]
