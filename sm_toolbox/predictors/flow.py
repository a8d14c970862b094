"""Flow routing over a whole digital elevation model: depressions, flats, and the area that drains through each cell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress

FLOW_ROUTINGS = ("mfd", "dinf", "d8")
# float32 heights, int32 steps and queue, uint8 marks, float64 areas; the DEM as it was read, and the result in float32.
BYTES_PER_CELL = 30
# Rows are worked on in this many bands at once: with more of them, more water has to wait at their borders until all
# bands are done. A fixed number, so that the order of the sums does not hang on the computer.
_BANDS = 2


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
    from sm_toolbox.predictors import flow_kernels as kernels

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
    method = FLOW_ROUTINGS.index(routing)
    closeness = _closeness(np.abs(dx), np.abs(dy))
    queue, steps, givers = np.empty(z.size, np.int32), np.zeros(z.size, np.int32), np.full(z.size, 255, np.uint8)
    control = np.zeros(2, np.int64)
    edges = np.linspace(1, rows + 1, min(_BANDS, rows) + 1).astype(int)
    bands = list(zip(edges[:-1], edges[1:]))
    with ThreadPoolExecutor(threads) as pool:

        def run(kernel: Callable, calls: list[tuple], share: Progress) -> list:
            return _wait([pool.submit(kernel, *call) for call in calls], control, share)

        progress.info("Filling depressions …")
        run(fill_kernels.fill_depressions, [(z, z.view(np.int32), width, queue, control)], progress.part(0, 0.4))
        run(fill_kernels.mark_flats, [(z, width, *band, steps) for band in bands], progress.part(0.4, 0.45))
        run(fill_kernels.grade_flats, [(z, width, queue, steps)], progress.part(0.45, 0.5))
        progress.info("Routing flow …")
        run(
            kernels.count_givers,
            [(method, z, steps, width, closeness, *band, givers) for band in bands],
            progress.part(0.5, 0.55),
        )
        area = np.repeat(np.concatenate([[0], np.abs(dx * dy), [0]]), width)
        none = np.empty(0, np.int32), np.empty(0)
        leaving = [(np.empty(6 * width, np.int32), np.empty(6 * width)) for _ in bands]
        calls = [
            (method, z, steps, width, closeness, *band, givers, area, queue, *none, *left, control)
            for band, left in zip(bands, leaving)
        ]
        counts = run(kernels.accumulate_flow, calls, progress.part(0.55, 0.95))
        # What remains is little: the rivers that cross from band to band.
        cells, amounts = (np.concatenate([left[i][:count] for left, count in zip(leaving, counts)]) for i in range(2))
        if cells.size:
            call = (
                method,
                z,
                steps,
                width,
                closeness,
                1,
                rows + 1,
                givers,
                area,
                queue,
                cells,
                amounts,
                *leaving[0],
                control,
            )
            run(kernels.accumulate_flow, [call], progress.part(0.95, 0.99))
        out = np.empty((rows, columns), np.float32)
        per_width = 1 / np.sqrt(np.abs(dx * dy))
        run(kernels.to_specific, [(area, z, width, per_width, *band, out) for band in bands], progress.part(0.99, 1))
    return out


def _closeness(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return one over the distances to the neighbours E, NE, N, NW, W, SW, S, SE (m⁻¹) of each row, rim included."""
    straight_x, straight_y, diagonal = 1 / dx, 1 / dy, 1 / np.hypot(dx, dy)
    each = np.stack([straight_x, diagonal, straight_y, diagonal] * 2, axis=1)
    return np.concatenate([each[:1], each, each[-1:]])


def _wait(futures: list[Future], control: np.ndarray, progress: Progress) -> list:
    """Wait for compiled loops, which hear of a cancel through `control`."""
    try:
        progress.check()
        while wait(futures, timeout=0.2).not_done:
            progress.check()
    except BaseException:
        control[1] = 1
        wait(futures)
        raise
    progress.set_fraction(1)
    return [future.result() for future in futures]
