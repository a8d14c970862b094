"""What a model file says about its model: the manifest, and the records in it.

Prediction needs little of it, and says so when a file is read; the rest may come from another version, or have been
written by hand, and is looked at by those who need it.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import sm_toolbox
from sm_toolbox.metrics import MOISTURE_UNIT, Metrics
from sm_toolbox.sensors.quantities import FRACTION

FORMAT = "smtoolbox-model"
FORMAT_VERSION = 2
"""2: predictors may have `limits`, which a reader of 1 would not apply; files without them are still of 1."""
_R = TypeVar("_R", bound="_Record")


@dataclass(frozen=True)
class _Record:
    """Values by name as JSON keeps them.

    Parameters
    ----------
    source : mapping of str to any
        The file's own words, where it comes from one: what this version does not know is written again.
    """

    def to_json(self) -> dict[str, Any]:
        """Return the record as a file keeps it."""
        plain = {item.name: _plain(getattr(self, item.name)) for item in fields(self) if item.name != "source"}
        source: Mapping[str, Any] = getattr(self, "source", {})
        if not source:
            return plain
        return {**source, **{name: value for name, value in plain.items() if value is not None or name in source}}


@dataclass(frozen=True)
class TargetRecord(_Record):
    """What a model predicts.

    Parameters
    ----------
    name : str
    unit : str, optional
    minimum, maximum : float, optional
        Of the training rows.
    source : mapping, optional
        What a file says, with what later versions know more.
    """

    name: str
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def target_unit(target: TargetRecord) -> str:
    """Return the unit of a model's target for reports; "" where it is not known.

    Parameters
    ----------
    target : TargetRecord
        Earlier versions wrote m³ m⁻³ whatever the numbers were.

    Returns
    -------
    str
    """
    known = target.unit == FRACTION and isinstance(target.maximum, (int, float)) and target.maximum <= 3
    return MOISTURE_UNIT if known or (target.unit == FRACTION and target.maximum is None) else ""


@dataclass(frozen=True)
class PredictorRecord(_Record):
    """A predictor.

    Parameters
    ----------
    name : str
    minimum, maximum, mean, sd : float, optional
        Of the training rows.
    period : float, optional
        Of a cyclic one, in its unit.
    importance : float, optional
        Increase of the RMSE on rows left out when it is shuffled, in the target's unit.
    impurity_importance : float, optional
        Share of the variance of the training rows that splits at it explain.
    origin : mapping, optional
        What the training table notes of the rasters behind it.
    classes : sequence of float, optional
        Of a categorical one, as numbers of the training rows.
    limits : sequence of float, optional
        The values that the model takes as 0 and 1, where it scales by them.
    source : mapping, optional
        As `TargetRecord`.
    """

    name: str
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    sd: float | None = None
    period: float | None = None
    importance: float | None = None
    impurity_importance: float | None = None
    origin: Mapping[str, Any] | None = None
    classes: Sequence[float] | None = None
    limits: Sequence[float] | None = None
    source: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the record as a file keeps it; without an origin, classes and limits where there are none."""
        plain = super().to_json()
        for name in ("origin", "classes", "limits"):
            if getattr(self, name) is None and name not in self.source:
                plain.pop(name, None)
        return plain


@dataclass(frozen=True)
class SplitRecord(_Record):
    """What one way of splitting says about a model.

    Parameters
    ----------
    split : str
        Its word.
    left_out : str
        What a fold leaves out, in words.
    folds : int
    metrics : mapping of str to float or None
        Over all rows.
    by_fold : sequence of mapping of str to float or None
    coverage : mapping, optional
        `nominal`, `reached`, `uncalibrated` and `width` of central intervals; None in files of the first version.
    baselines : sequence of mapping, optional
        `key`, `label` and metrics of what costs nothing, under the same folds; None in files of before.
    skill : float, optional
        1 − RMSE / RMSE of the best of these, on rows of stations.
    """

    split: str
    left_out: str
    folds: int
    metrics: Mapping[str, float | None]
    by_fold: Sequence[Mapping[str, float | None]]
    coverage: Mapping[str, Sequence[float]] | None = None
    baselines: Sequence[Mapping[str, Any]] | None = None
    skill: float | None = None


@dataclass(frozen=True)
class SpikingRecord(_Record):
    """What local rows changed at local stations that did not join.

    Parameters
    ----------
    rows, stations : int
    weight : float
        Of a local row.
    before, after : mapping of str to float or None
        Metrics without and with the other local stations.
    held : sequence of float, optional
        Share of local observations within each interval; models from before this have none.
    """

    rows: int
    stations: int
    weight: float
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]
    held: Sequence[float] | None = None


@dataclass(frozen=True)
class TuningRecord(_Record):
    """A search for hyper-parameters.

    Parameters
    ----------
    tried, asked : int
        Candidates.
    nested : bool
        Whether each fold searched without its own rows.
    best : sequence of mapping
        `rmse` and `hyperparameters` of the ten best.
    worst_rmse : float
    """

    tried: int
    asked: int
    nested: bool
    best: Sequence[Mapping[str, Any]]
    worst_rmse: float


@dataclass(frozen=True)
class Manifest(_Record):
    """What a model file says about its model, in the order in which it is written.

    Parameters
    ----------
    format : str
    format_version : int
    kind : str
        Word of the learner.
    task : str
    target : TargetRecord
    predictors : tuple of PredictorRecord
        In the model's order.
    hyperparameters : mapping of str to any
    validation : sequence of mapping
        As `splits` reads it; the chosen split first.
    calibration, applicability : mapping, optional
        None in files of the first version.
    tuning, spiking : mapping, optional
        As `search` and `local_rows` read them.
    training : mapping of str to any
        `layer`, `rows`, `dropped`, `stations`, `first` and `last` of the training table.
    seed : int
    created : str
        ISO 8601, UTC.
    versions : mapping of str to str
    matching : int, optional
        1: predictors are matched in time and brought to the grid as the table notes, or else by the rules of `auto`.
        None in files from before these rules.
    baselines : sequence of mapping, optional
        What costs nothing, made of all training rows, as `FittedBaseline.to_record`; None in files of before.
    holdout : mapping, optional
        `beside`, `metrics`, `baselines` and `skill` of rows that were held out; None where none were.
    sequence : mapping, optional
        `length` of the sequences that it reads, the `predictors` of which it reads earlier values, and their
        `step_days`; None of a kind that reads rows alone.
    source : mapping, optional
        As `TargetRecord`.
    """

    format: str
    format_version: int
    kind: str
    task: str | None
    target: TargetRecord
    predictors: tuple[PredictorRecord, ...]
    hyperparameters: Mapping[str, Any] | None = None
    validation: Sequence[Any] | None = None
    calibration: Mapping[str, Any] | None = None
    applicability: Mapping[str, Any] | None = None
    tuning: Any = None
    spiking: Any = None
    training: Mapping[str, Any] | None = None
    seed: int | None = None
    created: str | None = None
    versions: Mapping[str, str] | None = None
    matching: int | None = None
    baselines: Any = None
    holdout: Any = None
    sequence: Mapping[str, Any] | None = None
    source: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Manifest:
        """Read what a file says, once its format, kind, target and names of predictors have been checked.

        Parameters
        ----------
        values : mapping

        Returns
        -------
        Manifest
        """
        predictors = tuple(_record(PredictorRecord, item) for item in values["predictors"])
        target = _record(TargetRecord, values["target"])
        names = {item.name for item in fields(cls)} - {"source", "target", "predictors", "task"}
        others = {name: value for name, value in values.items() if name in names}
        return cls(task=values.get("task"), target=target, predictors=predictors, source=values, **others)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the predictors, in the model's order."""
        return tuple(item.name for item in self.predictors)

    @property
    def splits(self) -> list[SplitRecord]:
        """What was validated, the chosen split first.

        Raises
        ------
        KeyError, TypeError
            Where the file does not say what belongs to it.
        """
        return [_read(SplitRecord, item) for item in self.validation or ()]

    @property
    def search(self) -> TuningRecord | None:
        """What the search for hyper-parameters came to; None where there was none."""
        return _read(TuningRecord, self.tuning) if self.tuning else None

    @property
    def local_rows(self) -> SpikingRecord | None:
        """What local rows changed; None where none joined."""
        return _read(SpikingRecord, self.spiking) if self.spiking else None


def _read(kind: type[_R], value: Any) -> _R:
    """Return a property that converts a part of the manifest when it is read."""
    if isinstance(value, kind):
        return value
    return kind(
        **{item.name: value[item.name] if item.default is MISSING else value.get(item.name) for item in fields(kind)}
    )  # type: ignore[arg-type]


def _record(kind: Any, values: Mapping[str, Any]) -> Any:
    """Build a record from JSON of which only the name has been checked."""
    names = {item.name for item in fields(kind)} - {"source"}
    return kind(**{name: value for name, value in values.items() if name in names}, source=values)


def _plain(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def metrics_record(values: Metrics) -> dict[str, float | None]:
    """Return metrics for JSON, with null in place of NaN.

    Parameters
    ----------
    values : Metrics

    Returns
    -------
    dict of str to float or None
    """
    return {name: value if math.isfinite(value) else None for name, value in values.as_dict().items()}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of the toolbox, Python and some packages."""
    numbers = {"sm_toolbox": sm_toolbox.__version__, "python": platform.python_version()}
    for package in packages:
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:
            # The same module comes in several packages, such as xgboost-cpu.
            numbers[package] = str(getattr(sys.modules.get(package), "__version__", "not installed"))
    return numbers
