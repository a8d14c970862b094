"""Downscaling: a model learned from coarse cells, a fine map, and the residuals of the product on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sm_toolbox.downscaling.fine import DownscaleFiles, FineMap, make_fine_map
from sm_toolbox.downscaling.learning import CoarseModel, Learning, learn_cells
from sm_toolbox.downscaling.stations import StationGain, StationValues
from sm_toolbox.downscaling.table import CoarseTable, DownscaleInputs, coarse_table
from sm_toolbox.downscaling.verdict import Judgement, judge_downscaling
from sm_toolbox.errors import InputError
from sm_toolbox.memory import refuse_beyond_memory
from sm_toolbox.models.learners.sequences import OfSequences
from sm_toolbox.progress import SaidOnce
from sm_toolbox.raster.request import ALL_CORES, Engine
from sm_toolbox.report.page import in_unit

# Of a coarse cell on a date: two tallies of the map, the residual, and what it is spread and corrected with.
_NUMBERS_OF_A_CELL = 36


@dataclass(frozen=True)
class Downscaling:
    """What came out.

    Parameters
    ----------
    coarse_model : CoarseModel
    files : DownscaleFiles
    fine : FineMap
    gain : StationGain, optional
        Where there are stations.
    judgement : Judgement
    residuals : str
        A word of `RESIDUALS`.
    """

    coarse_model: CoarseModel
    files: DownscaleFiles
    fine: FineMap
    gain: StationGain | None
    judgement: Judgement
    residuals: str


def downscale(
    inputs: DownscaleInputs,
    learning: Learning,
    files: DownscaleFiles,
    residuals: str = "block_bilinear",
    conserve: bool = True,
    stations: StationValues | None = None,
    engine: Engine = ALL_CORES,
) -> Downscaling:
    """Make a fine map of a coarse product, for each of its dates.

    The predictors are averaged over the cells of the product, and a model learns from these means. It then predicts
    from the fine predictors themselves, and what the product says beyond it is added (S3: a fine map as the model's
    prediction plus a residual).

    Parameters
    ----------
    inputs : DownscaleInputs
    learning : Learning
    files : DownscaleFiles
    residuals : str, optional
        A word of `RESIDUALS`.
    conserve : bool, optional
        As `block_residuals`, for block_bilinear.
    stations : StationValues, optional
        To find out what was gained; they take no part in the making.
    engine : Engine, optional

    Returns
    -------
    Downscaling

    Raises
    ------
    InputError
        Where product, predictors and stations do not fit each other, there is too little to learn from, or there are
        too many coarse cells and dates for the memory.
    OutputError, Cancelled
        As `run_blocks`; no output is left behind, unless the maps were complete and only the stations were to come.

    Examples
    --------
    >>> from sm_toolbox.demo.example import read_example, write_example
    >>> from sm_toolbox.models.learners.catalogue import make_estimator
    >>> import numpy as np
    >>> rows, columns = np.mgrid[:24, :24]
    >>> ndvi = 0.5 + 0.3 * np.sin(rows / 4) * np.cos(columns / 5)
    >>> means = (0.1 + 0.3 * ndvi).reshape(6, 4, 6, 4).mean(axis=(1, 3))
    >>> coarse = write_example("coarse.tif", {"soil_moisture": means}, cell=400)
    >>> inputs = DownscaleInputs([coarse], [write_example("ndvi.tif", {"ndvi": ndvi}, cell=100)])
    >>> forest = make_estimator("random_forest", '{"n_estimators": 20, "min_samples_leaf": 2}')
    >>> found = downscale(inputs, Learning([forest]), DownscaleFiles("map.tif"))
    >>> fine = read_example("map.tif")["soil_moisture"]
    >>> print(fine.shape, round(float(np.corrcoef(fine.ravel(), ndvi.ravel())[0, 1]), 1))
    (24, 24) 1.0
    >>> bool(found.fine.block_error < 1e-4)
    True
    """
    # Table, map and comparison look at the same rasters.
    progress = SaidOnce(engine.progress)
    engine = replace(engine, progress=progress)
    if not 0 <= inputs.max_masked_share < 1:
        raise InputError(
            f"`max_masked_share` is {inputs.max_masked_share:g}, but must be at least 0 and below 1: the largest share "
            "of a coarse cell that may be masked or without data."
        )
    if stations is not None:
        stations.check(inputs.coarse, progress)
    steps = max(each.sequence_length if isinstance(each, OfSequences) else 0 for each in learning.candidates)
    table = coarse_table(inputs, engine.part(0, 0.15), steps)
    _refuse_too_many(table)
    coarse_model = learn_cells(table, learning, progress.part(0.15, 0.45))
    fine = make_fine_map(coarse_model, files, residuals, conserve, engine.part(0.45, 0.95))
    gain = None if stations is None else stations.compare(files.output, inputs.coarse, progress.part(0.95, 1))
    judgement = judge_downscaling(coarse_model, fine, gain)
    words = in_unit(judgement.in_words(), coarse_model.prepared.table.unit)
    (progress.info if judgement.gained else progress.warning)(words)
    return Downscaling(coarse_model, files, fine, gain, judgement, residuals)


def _refuse_too_many(table: CoarseTable) -> None:
    """Refuse what the map could not be summed up over, before anything is learned."""
    rows, columns = table.lattice.shape
    dates = len(table.times)
    refuse_beyond_memory(
        8.0 * _NUMBERS_OF_A_CELL * dates * rows * columns,
        f"The sums of the map over {rows:,} × {columns:,} cells of `coarse` on {dates:,} dates need",
        "Downscale fewer dates at once, or give a smaller area as `grid`.",
    )
