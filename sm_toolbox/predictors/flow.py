"""Flow routing over a whole digital elevation model: depressions, flats, and the area that drains through each cell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress

FLOW_ROUTINGS = ("mfd", "dinf", "d8")
# float32 heights, int32 steps and queue, uint8 marks, float64 areas; the DEM as it was read, and the result in float32.
BYTES_PER_CELL = 30
# With more, a cell's number would not fit into 32 bits in all that is held in memory.
MOST_FLOW_MEMORY = 2**35
# Rows are worked on in this many bands at once: with more of them, more water has to wait at their borders until all
# bands are done. A fixed number, so that the order of the sums does not hang on the computer.
FLOW_BANDS = 2


def specific_catchment_area(
    dem: np.ndarray,
    dx: np.ndarray,
    dy: np.ndarray,
    routing: str = "mfd",
    *,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Return the area that drains through each cell, per metre of its width.

    Depressions are filled to their lowest outlet; on flats the water takes the shortest way out. Edges of the raster
    and holes in it take all that comes: cells beside them lose what lies beyond, so that areas downstream of an edge
    are lower bounds.

    Parameters
    ----------
    dem : ndarray of float32 (rows, cols)
        Heights (m), NaN where there is no data.
    dx, dy : ndarray of float64 (rows,)
        Width and height of a row's cells (m).
    routing : {'mfd', 'dinf', 'd8'}
        Freeman 1991 with the exponent 1.1, Tarboton 1997, or the steepest of eight neighbours.
    threads : int, optional
    progress : Progress, optional

    Returns
    -------
    ndarray of float32 (rows, cols)
        Metres; NaN where there is no data. The area counts the cell itself; the width is the square root of the cell's
        area.

    Raises
    ------
    InputError
        Where there are more cells than 32-bit numbers can count.
    Cancelled
        Within a second of the user's Cancel.

    Examples
    --------
    Water that runs east over cells of 10 m:

    >>> dem = np.array([[3, 2, 1]] * 3, np.float32)
    >>> size = np.full(3, 10.0)
    >>> print(specific_catchment_area(dem, size, size, "d8"))
    [[10. 20. 30.]
     [10. 20. 30.]
     [10. 20. 30.]]
    """
    from sm_toolbox.predictors import fill_kernels

    if routing not in FLOW_ROUTINGS:
        raise InputError(f"`flow_routing` is '{routing}', but must be one of: {', '.join(FLOW_ROUTINGS)}.")
    rows, columns = dem.shape
    width = columns + 2
    if (rows + 2) * width >= 2**31:
        raise InputError(
            f"The DEM has {rows:,} × {columns:,} cells; flow can be routed over {2**31:,} cells at most. Cut it "
            "along watersheds, or average it to coarser cells first."
        )
    z = np.full((rows + 2, width), np.nan, np.float32)
    z[1:-1, 1:-1] = dem
    z = z.ravel()
    queue, steps = np.empty(z.size, np.int32), np.zeros(z.size, np.int32)
    unused = np.empty(0, np.int32)
    bands = bands_of(1, rows + 1)
    with ThreadPoolExecutor(threads) as pool:
        crew = Crew(pool, progress)
        progress.info("Filling depressions …")
        call = (z, z.view(np.int32), width, unused, queue, crew.control)
        crew.run(fill_kernels.fill_depressions, [call], progress.part(0, 0.4))
        crew.run(fill_kernels.mark_flats, [(z, width, *band, steps) for band in bands], progress.part(0.4, 0.45))
        crew.run(
            fill_kernels.grade_flats,
            [(z, width, 1, rows + 1, unused, queue, steps, crew.control)],
            progress.part(0.45, 0.5),
        )
        progress.info("Routing flow …")
        area = np.empty(z.size)
        water = Water(z, steps, np.full(z.size, 255, np.uint8), area, queue, width, closeness_of(dx, dy), routing)
        water.start(crew, 1, rows + 1, np.abs(dx * dy), progress.part(0.5, 0.55))
        water.accumulate(crew, 1, rows + 1, progress.part(0.55, 0.99))
    out = np.empty((rows, columns), np.float32)
    np.multiply(area.reshape(-1, width)[1:-1, 1:-1], 1 / np.sqrt(np.abs(dx * dy))[:, None], out, casting="same_kind")
    return out


class Crew:
    """Threads that run compiled loops, while this one listens for a cancel.

    Parameters
    ----------
    pool : ThreadPoolExecutor
    progress : Progress
        Asked for Cancel while loops run.
    """

    def __init__(self, pool: ThreadPoolExecutor, progress: Progress):
        self._pool, self._progress = pool, progress
        # What is done, and whether to stop: the loops share it.
        self.control = np.zeros(2, np.int64)

    def run(self, loop: Callable, calls: list[tuple], progress: Progress = SILENT) -> list:
        """Run a loop for several sets of arguments at once.

        Parameters
        ----------
        loop : callable
        calls : list of tuple
        progress : Progress, optional

        Returns
        -------
        list
            What each call returned.

        Raises
        ------
        Cancelled
            Within a second of the user's Cancel.
        """
        done = self.wait([self.start(loop, *call) for call in calls])
        progress.set_fraction(1)
        return done

    def start(self, loop: Callable, *arguments: Any) -> Future:
        """Begin a loop, and do not wait for it.

        Parameters
        ----------
        loop : callable
        *arguments : object

        Returns
        -------
        Future
        """
        return self._pool.submit(loop, *arguments)

    def stop(self) -> None:
        """Have all loops end soon that have begun."""
        self.control[1] = 1

    def wait(self, futures: list[Future]) -> list:
        """Wait for loops that have begun.

        Parameters
        ----------
        futures : list of Future

        Returns
        -------
        list

        Raises
        ------
        Cancelled
            As `run`.
        """
        try:
            self._progress.check()
            while wait(futures, timeout=0.2).not_done:
                self._progress.check()
        except BaseException:
            self.stop()
            wait(futures)
            raise
        return [future.result() for future in futures]


@dataclass(frozen=True)
class Water:
    """Rows of a raster over which water flows, with a rim of one cell, as flat arrays.

    Parameters
    ----------
    z : ndarray of float32 (cells,)
        Heights without depressions (m).
    steps : ndarray of int32 (cells,)
        From each cell of a flat to its outlet.
    givers : ndarray of uint8 (cells,)
        Neighbours from which water has yet to come; 255 where nothing is left to do.
    area : ndarray of float64 (cells,)
        What drains through each cell (m²); NaN where there is no data.
    queue : ndarray of int32 (cells,)
        Room to work in.
    width : int
        Cells in a row, rim included.
    closeness : ndarray of float64 (rows, 8)
        As `closeness_of`.
    routing : str
        One of `FLOW_ROUTINGS`.
    """

    z: np.ndarray
    steps: np.ndarray
    givers: np.ndarray
    area: np.ndarray
    queue: np.ndarray
    width: int
    closeness: np.ndarray
    routing: str

    @property
    def _land(self) -> tuple:
        return self.z, self.steps, self.width, self.closeness

    def start(self, crew: Crew, first: int, last: int, cell_area: np.ndarray, progress: Progress = SILENT) -> None:
        """Give each cell of some rows its own area, and count from how many neighbours it gets water.

        Parameters
        ----------
        crew : Crew
        first, last : int
            Rows, rim included, from and up to.
        cell_area : ndarray of float64 (last - first,)
            Of a cell of each row (m²).
        progress : Progress, optional
        """
        from sm_toolbox.predictors.flow_kernels import COUNT_GIVERS

        z, area = (each.reshape(-1, self.width)[first:last] for each in (self.z, self.area))
        for heights, areas, own in zip(z, area, cell_area):
            areas[:] = own
            areas[np.isnan(heights)] = np.nan
        count_givers = COUNT_GIVERS[FLOW_ROUTINGS.index(self.routing)]
        calls = [(*self._land, *band, self.givers, crew.control) for band in bands_of(first, last)]
        crew.run(count_givers, calls, progress)

    def accumulate(
        self, crew: Crew, first: int, last: int, progress: Progress = SILENT
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pass on the water of all cells of some rows whose inflow is complete, as far as it gets.

        Parameters
        ----------
        crew : Crew
        first, last : int
            Rows, rim included, from and up to.
        progress : Progress, optional

        Returns
        -------
        cells : ndarray of int32 (n,)
            Those of other rows that get water from these.
        amounts : ndarray of float64 (n,)
            How much (m²); it has not been added yet.
        """
        from sm_toolbox.predictors.flow_kernels import ACCUMULATE_FLOW

        accumulate_flow = ACCUMULATE_FLOW[FLOW_ROUTINGS.index(self.routing)]

        def pass_on(bands: list[tuple[int, int]], arrived: tuple, share: Progress) -> tuple[np.ndarray, np.ndarray]:
            leaving = [(np.empty(6 * self.width, np.int32), np.empty(6 * self.width)) for _ in bands]
            calls = [
                (*self._land, *band, self.givers, self.area, self.queue, *arrived, *left, crew.control)
                for band, left in zip(bands, leaving)
            ]
            counts = crew.run(accumulate_flow, calls, share)
            cells, amounts = zip(*((left[0][:count], left[1][:count]) for left, count in zip(leaving, counts)))
            return np.concatenate(cells), np.concatenate(amounts)

        nothing = np.empty(0, np.int32), np.empty(0)
        cells, amounts = pass_on(bands_of(first, last), nothing, progress.part(0, 0.9))
        inside = (cells >= first * self.width) & (cells < last * self.width)
        if not inside.any():
            return cells, amounts
        # What remains is little: the rivers that cross from band to band.
        more = pass_on([(first, last)], (cells[inside], amounts[inside]), progress.part(0.9, 1))
        return np.concatenate([cells[~inside], more[0]]), np.concatenate([amounts[~inside], more[1]])


def bands_of(first: int, last: int) -> list[tuple[int, int]]:
    """Return the bands of rows, from and up to, that are worked on at once.

    Parameters
    ----------
    first, last : int

    Returns
    -------
    list of (int, int)
    """
    edges = np.linspace(first, last, min(FLOW_BANDS, last - first) + 1).astype(int)
    return list(zip(edges[:-1], edges[1:]))


def closeness_of(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return how close neighbours are.

    Parameters
    ----------
    dx, dy : ndarray of float64 (rows,)
        Width and height of a row's cells (m), of either sign.

    Returns
    -------
    ndarray of float64 (rows + 2, 8)
        One over the distances to the neighbours E, NE, N, NW, W, SW, S, SE (m⁻¹) of each row, rim included.
    """
    straight_x, straight_y, diagonal = 1 / np.abs(dx), 1 / np.abs(dy), 1 / np.hypot(dx, dy)
    each = np.stack([straight_x, diagonal, straight_y, diagonal] * 2, axis=1)
    return np.concatenate([each[:1], each, each[-1:]])
