"""The fine map: the model's prediction block by block, and the residuals of the product added in a second pass."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sm_toolbox.downscaling.choices import RESIDUALS
from sm_toolbox.downscaling.learning import CoarseModel
from sm_toolbox.downscaling.residuals import ResidualField, block_residuals, kriged_residuals, no_residuals
from sm_toolbox.downscaling.roughness import Detail, look_at_detail
from sm_toolbox.downscaling.table import CoarseTable
from sm_toolbox.downscaling.tally import MapTally, Tallying
from sm_toolbox.errors import InputError
from sm_toolbox.files import put_in_place, working_folder
from sm_toolbox.models.manifest import target_unit
from sm_toolbox.models.modelfile import Model
from sm_toolbox.models.planes import VARIABLE, Planes, Wanted
from sm_toolbox.models.prediction import Prediction, predict_raster
from sm_toolbox.progress import Progress
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import Band, read_bands
from sm_toolbox.raster.engine import Blocks, Extent, Facts, run_blocks
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.outputs import check_raster_output
from sm_toolbox.raster.request import Engine


@dataclass(frozen=True)
class DownscaleFiles:
    """What is written.

    Parameters
    ----------
    output : str
        The map, `soil_moisture` or `soil_moisture@date`.
    quantiles, applicability, source : str, optional
        As `planes.Wanted` has them; source is 1 for model and residual, 2 for the model alone.
    levels : sequence of float
        Of the quantiles, ascending.
    count_applicable : bool
        Whether the share of applicable cells is wanted, with or without that raster.
    """

    output: str
    quantiles: str | None = None
    applicability: str | None = None
    source: str | None = None
    levels: Sequence[float] = ()
    count_applicable: bool = False


@dataclass(frozen=True)
class FineMap:
    """A map that was made, and what is known of it.

    Parameters
    ----------
    prediction : Prediction
        Of the model alone.
    with_residual : float
        Share of the map's values that have a residual; 0 to 1.
    block_error : float
        Largest difference of the mean of the map in a coarse cell from the product, where there is a residual (with
        `residuals` none: where there could be one); NaN where there is no such cell.
    error_without : float
        The same of the model alone, as the root of the mean square.
    lowest : float
        Of the map.
    detail : Detail
        Of the model's prediction within coarse cells.
    """

    prediction: Prediction
    with_residual: float
    block_error: float
    error_without: float
    lowest: float
    detail: Detail


def make_fine_map(
    coarse_model: CoarseModel, files: DownscaleFiles, residuals: str, conserve: bool, engine: Engine
) -> FineMap:
    """Predict a fine map, and add what the product says beyond it.

    Parameters
    ----------
    coarse_model : CoarseModel
    files : DownscaleFiles
    residuals : str
        A word of `RESIDUALS`.
    conserve : bool
        As `block_residuals`, for block_bilinear.
    engine : Engine

    Returns
    -------
    FineMap

    Raises
    ------
    InputError
        As `predict_raster`, and where there are too few residuals to be kriged.
    OutputError, Cancelled
        As `run_blocks`; no output is left behind.
    """
    if residuals not in RESIDUALS:
        raise InputError(f"`residuals` '{residuals}' is none of {', '.join(RESIDUALS)}.")
    for path in (files.output, files.quantiles, files.applicability, files.source):
        if path:
            check_raster_output(path)
    table, model = coarse_model.table, coarse_model.training.model
    with working_folder(os.path.dirname(os.path.abspath(files.output)), hidden=True) as folder:
        scratch = _scratch(files, folder)
        prediction = _predict(table, model, scratch, engine.part(0, 0.75))
        tally: MapTally = prediction.tally.whole()
        enough = _enough(table, tally)
        field = _field(coarse_model, tally, enough, residuals, conserve)
        bands = read_bands([Source(scratch.output, "the prediction")])
        detail = look_at_detail(bands, table.lattice)
        facts = _add(table, model, files, scratch, field, engine.part(0.75, 1))
        if scratch.applicability and files.applicability:
            put_in_place(scratch.applicability, files.applicability)
    made: np.ndarray = facts["made"]
    lowest = facts["extent"].low
    _tell(made, lowest, model, engine.progress)
    compared = np.where(enough, table.values, np.nan) if residuals == "none" else _where(field, table.values)
    without = tally.means - compared
    return FineMap(
        prediction,
        float(made[0] / max(1, made.sum())),
        _largest(facts["tally"].whole().means - compared),
        float(np.sqrt(np.nanmean(without**2))) if np.isfinite(without).any() else float("nan"),
        lowest,
        detail,
    )


def _scratch(files: DownscaleFiles, folder: str) -> DownscaleFiles:
    """Return where the first pass writes: into a folder beside the map."""

    def within(path: str | None, name: str) -> str | None:
        return path and str(Path(folder) / name)

    applicability = within(files.applicability, f"applicability{Path(files.applicability or '').suffix}")
    return DownscaleFiles(
        str(Path(folder) / "map.tif"),
        within(files.quantiles, "quantiles.tif"),
        applicability,
        None,
        files.levels,
        files.count_applicable,
    )


def _predict(table: CoarseTable, model: Model, scratch: DownscaleFiles, engine: Engine) -> Prediction:
    """Predict the fine map of each date, or one for all, and sum it up over the coarse cells on the way."""
    times = [time for time in table.times if time is not None]
    wanted = Wanted(
        scratch.quantiles,
        scratch.levels,
        scratch.applicability,
        scratch.count_applicable,
        dates=times if table.is_dated else None,
        mask=table.inputs.mask,
        tally=Tallying(table.lattice),
    )
    return predict_raster(
        model,
        table.inputs.predictors,
        scratch.output,
        grid=table.fine,
        max_gap_days=table.inputs.timing,
        wanted=wanted,
        engine=engine,
    )


def _enough(table: CoarseTable, tally: MapTally) -> np.ndarray:
    """Return the coarse cells with data of which enough is in the map, bool (dates, rows, cols)."""
    share = 1 - table.inputs.max_masked_share - 1e-6
    covered = (tally.counts > 0) & (tally.counts >= share * table.sizes)
    return np.isfinite(table.values) & table.usable & covered


def _field(
    coarse_model: CoarseModel, tally: MapTally, enough: np.ndarray, residuals: str, conserve: bool
) -> ResidualField:
    table = coarse_model.table
    if residuals == "none":
        return no_residuals(table.lattice, len(table.values))
    if residuals == "block_bilinear":
        return block_residuals(table.lattice, table.values, tally, enough, conserve)
    kind = residuals.partition("_")[0]
    return kriged_residuals(table.lattice, table.values, coarse_model.predicted_cells(), enough, kind)


def _add(
    table: CoarseTable,
    model: Model,
    files: DownscaleFiles,
    scratch: DownscaleFiles,
    field: ResidualField,
    engine: Engine,
) -> Facts:
    """Write the prediction with the residuals added; quantiles move with it."""
    times = table.times
    planes = Planes(files.output, Wanted(files.quantiles, files.levels, source=files.source))
    inputs = {"map": _in_order(scratch.output)}
    count = len(files.levels) if files.quantiles else 0
    if scratch.quantiles:
        inputs["quantiles"] = _in_order(scratch.quantiles)
    tallying, source = Tallying(table.lattice), planes.place("source")

    def kernel(blocks: Blocks, window: Window) -> tuple[np.ndarray, Facts]:
        added = field.of_window(window)
        has_residual = ~np.isnan(added)
        added[~has_residual] = 0
        result = np.full((len(times), planes.count, *added.shape[1:]), np.nan, np.float32)
        result[:, planes.place(VARIABLE)] = made = blocks["map"] + added
        if count:
            of_levels = blocks["quantiles"].reshape(-1, count, *added.shape[1:])
            result[:, 1 : 1 + count] = of_levels + added[:, None]
        valid = ~np.isnan(made)
        result[:, source] = np.where(valid, np.where(has_residual, 1, 2), np.nan)
        with_residual = int(np.count_nonzero(valid & has_residual))
        facts: Facts = {
            "made": np.array([with_residual, np.count_nonzero(valid) - with_residual]),
            "extent": Extent.of(made),
            "tally": tallying(made, window),
        }
        return planes.bands(result), facts

    return run_blocks(
        kernel,
        inputs,
        planes.outputs(times, model),
        grid_of(table.fine),
        # The prediction lies in a folder of this computer.
        engine.here(),
        scratch_bytes_per_cell=32 + 4 * len(times) * (planes.count + 3),
    ).facts


def _in_order(path: str) -> list[Band]:
    """Return the bands of a prediction in their order."""
    return sorted(read_bands([Source(path, "the prediction")]), key=lambda band: band.index)


def _where(field: ResidualField, values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(field.shifts), np.nan, values)


def _largest(difference: np.ndarray) -> float:
    known = np.abs(difference[np.isfinite(difference)])
    return float(known.max()) if known.size else float("nan")


def _tell(made: np.ndarray, lowest: float, model: Model, progress: Progress) -> None:
    total = max(1, int(made.sum()))
    if made[1]:
        progress.info(
            f"{100 * made[1] / total:.1f} % of the values are of the model alone: there the product has no data, or "
            "too much of its cell is masked or without predictors."
        )
    if lowest < 0 and target_unit(model.manifest.target):
        progress.warning(
            f"The map goes down to {lowest:.3f} m³ m⁻³, below what soil can hold: where the product is dry, the "
            "residual is larger than the prediction. Check `coarse` there, or choose `residuals` none."
        )
