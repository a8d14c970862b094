"""What a prediction writes: each number of a cell and date, its name, its file and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sm_toolbox.models.assessment.calibration import quantile_name
from sm_toolbox.models.manifest import target_unit
from sm_toolbox.models.modelfile import Model
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.appending import Earlier, Making
from sm_toolbox.raster.masking import ClassMask
from sm_toolbox.raster.naming import band_name
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.raster.times import Time

VARIABLE = "soil_moisture"


@dataclass(frozen=True)
class Wanted:
    """On which dates there is a map, how predictors reach its grid, and what is written beside it.

    Parameters
    ----------
    quantiles : str, optional
        Raster of the quantiles `soil_moisture_q05@date …`.
    levels : sequence of float
        Which quantiles, ascending.
    applicability : str, optional
        Raster with `dissimilarity@date` and `applicable@date` (1 within the area of applicability, else 0).
    count_applicable : bool
        Whether the share of applicable cells is wanted, with or without that raster.
    source : str, optional
        Raster with `source@date`: 1 where the model made the value, 2 where the fallback model did.
    dates : sequence of Time, optional
        Dates to predict; by default all for which every dated predictor has a band within the gap.
    error : str, optional
        Raster with `expected_error@date`, from the dissimilarity and the errors that training rows had out of fold.
    resampling : str, optional
        A word of `RULES`: how predictors on other grids reach the map's; by default as the model learned each.
    mask : ClassMask, optional
        Cells that get no value.
    tally : callable, optional
        `tally(map, window)` of each block of the map, float32 (dates, rows, cols): what it returns is added up, as the
        facts of a kernel are.
    update : bool
        Whether outputs that are there are added to: dates that they hold stay as they are stored. A date without any
        value is left out, so that a later update makes it.
    destinations : mapping of str to str
        Where outputs are brought in the end, and lie from before, where that is not their own name.
    """

    quantiles: str | None = None
    levels: Sequence[float] = ()
    applicability: str | None = None
    count_applicable: bool = False
    source: str | None = None
    dates: Sequence[Time] | None = None
    resampling: str | None = None
    error: str | None = None
    mask: ClassMask | None = None
    tally: Callable[[np.ndarray, Window], Any] | None = None
    update: bool = False
    destinations: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_applicability(self) -> bool:
        """Whether the area of applicability is to be computed."""
        return self.count_applicable or self.applicability is not None or self.error is not None


MAP_ALONE = Wanted()


@dataclass(frozen=True)
class FileOfPlanes:
    """Planes that go into one file, in this order for each date.

    Parameters
    ----------
    path : str
        Empty where they are only counted.
    names : list of str
        Of bands, without dates.
    from_model : bool
        Whether the values are the model's, in the units of its target, which the file says.
    """

    path: str
    names: list[str]
    from_model: bool = False


class Planes:
    """The numbers that each cell has on each date, and the files of those that are written.

    In memory they are (dates, planes, rows, cols).

    Parameters
    ----------
    output : str
        The file of the map.
    wanted : Wanted
    """

    def __init__(self, output: str, wanted: Wanted):
        self._levels = np.array(wanted.levels if wanted.quantiles else (), float)
        self._with_applicability = wanted.needs_applicability
        self._is_update = wanted.update
        quantiles = [f"{VARIABLE}_{quantile_name(level)}" for level in self._levels]
        self._files = [
            FileOfPlanes(output, [VARIABLE], from_model=True),
            FileOfPlanes(wanted.quantiles or "", quantiles, from_model=True),
            FileOfPlanes(wanted.applicability or "", ["dissimilarity", "applicable"]),
            FileOfPlanes(wanted.source or "", ["source"]),
            *([FileOfPlanes(wanted.error, ["expected_error"], from_model=True)] if wanted.error else []),
        ]
        self._places = {name: i for i, name in enumerate(name for file in self._files for name in file.names)}

    @property
    def count(self) -> int:
        """The number of planes, those too that are not written."""
        return len(self._places)

    def place(self, name: str) -> int:
        """Return where a plane is.

        Parameters
        ----------
        name : str

        Returns
        -------
        int
        """
        return self._places[name]

    @property
    def written(self) -> list[FileOfPlanes]:
        """The files that are written, that of the map first."""
        return [file for file in self._files if file.path]

    def outputs(
        self,
        times: Sequence[Time | None],
        model: Model,
        made: Making | None = None,
        earlier: Mapping[str, Earlier] | None = None,
    ) -> list[RasterOutput]:
        """Return the files that are written.

        Parameters
        ----------
        times : sequence of Time or None
        model : Model
            What made the map, for the files' metadata.
        made : Making, optional
        earlier : mapping of str to Earlier, optional
            Files of before to which dates are added, by output.

        Returns
        -------
        list of RasterOutput
        """
        tags = {
            "SOIL_MOISTURE_MODEL": model.manifest.kind,
            "SOIL_MOISTURE_MODEL_CREATED": str("" if model.manifest.created is None else model.manifest.created),
        }
        known = bool(target_unit(model.manifest.target))
        if known:
            tags["UNITS"] = "m3 m-3"
        return [
            RasterOutput(
                file.path,
                [band_name(name, time) for time in times for name in file.names],
                {**tags, **{f"UNIT_{name}": "m3 m-3" for name in file.names if known}} if file.from_model else {},
                # A date that is there is not made again by an update: one without a value waits for its predictors.
                leaves_out_empty=self._is_update,
                made=made,
                earlier=(earlier or {}).get(file.path),
            )
            for file in self.written
        ]

    def bands(self, values: np.ndarray) -> np.ndarray:
        """Return the planes that are written as the bands of the outputs, (bands, rows, cols).

        Parameters
        ----------
        values : ndarray of float32 (dates, planes, rows, cols)

        Returns
        -------
        ndarray of float32 (bands, rows, cols)
        """
        parts = []
        for file in self.written:
            first = self._places[file.names[0]]
            parts += list(values[:, first : first + len(file.names)])
        return np.concatenate(parts)

    def fill(self, out: np.ndarray, cells: slice | np.ndarray, model: Model, rows: np.ndarray) -> None:
        """Predict some cells of (planes, cells) from rows of predictors; `source` is the caller's.

        Parameters
        ----------
        out : ndarray of float32 (planes, cells)
            Filled.
        cells : slice or ndarray
            Which of them the rows are of.
        model : Model
        rows : ndarray (rows, predictors)
        """
        dissimilarity = None
        if self._with_applicability:
            assert model.applicability is not None
            dissimilarity, _ = model.applicability.dissimilarity(rows)
        if len(self._levels):
            mean, quantiles = model.predict_quantiles(rows, self._levels, dissimilarity)
            out[0, cells] = mean
            out[1 : 1 + len(self._levels), cells] = quantiles.T
        else:
            out[0, cells] = model.predict(rows)
        if dissimilarity is not None:
            assert model.applicability is not None
            out[self.place("dissimilarity"), cells] = dissimilarity
            out[self.place("applicable"), cells] = dissimilarity <= model.applicability.threshold
            if "expected_error" in self._places:
                assert model.error_profile is not None
                out[self.place("expected_error"), cells] = model.error_profile.expected(dissimilarity)
