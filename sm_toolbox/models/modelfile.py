"""The model file: a zip of a manifest and plain arrays. Reading one runs no code."""

from __future__ import annotations

import errno
import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import InputError, ModelFileError, OutputError
from sm_toolbox.files import check_output, put_in_place, remove_quietly, temporary_name
from sm_toolbox.memory import free_memory
from sm_toolbox.models.applicability.profile import ErrorProfile
from sm_toolbox.models.assessment.calibration import QuantileShift, read_shift
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.models.learners.base import FittedModel, mean_and_quantiles
from sm_toolbox.models.learners.catalogue import LEARNERS
from sm_toolbox.models.manifest import FORMAT, FORMAT_VERSION, Manifest
from sm_toolbox.raster.origins import origin_from

if TYPE_CHECKING:
    from sm_toolbox.models.applicability.area import Applicability

_MEMBERS = {"manifest.json", "arrays.npz"}
# Far above what a forest of hundreds of trees needs; a small zip that unpacks to more is no model.
_LARGEST = 2**30
_LARGEST_MANIFEST = 16 * 2**20
# Of the parts that models of all kinds have.
_SHARED_ARRAYS = (
    r"aoa_(rows|weights|periods|mean_distance|training_di)|evidence_(predictors|target|predicted|importance)"
)
_TYPES = {np.dtype(order + name) for name in ("f4", "f8", "i4", "i8") for order in "<>"}
# What checks make of bytes that somebody has written by hand; what else is raised is a fault of the machine or of ours.
_CAUSED_BY_BYTES = (
    ModelFileError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)


@dataclass(frozen=True)
class Evidence:
    """Some training rows that a model file keeps, so that a report can be written from the file alone.

    Parameters
    ----------
    predictors : ndarray of float32 (rows, predictors)
    target, predicted : ndarray of float64 (rows,)
        Observed, and predicted by the model that did not see the row's fold of the chosen split.
    importance : ndarray of float64 (folds, predictors)
        As `training.SplitResult.importance`.
    """

    predictors: np.ndarray
    target: np.ndarray
    predicted: np.ndarray
    importance: np.ndarray

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return {f"evidence_{item.name}": getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_predictors: int) -> Evidence | None:
        """Read what a model file holds; None where it holds none.

        Parameters
        ----------
        arrays : mapping of str to ndarray
        n_predictors : int

        Returns
        -------
        Evidence or None

        Raises
        ------
        ModelFileError
            Where the arrays do not fit each other.
        """
        if "evidence_predictors" not in arrays:
            return None
        try:
            parts = [arrays[f"evidence_{item.name}"] for item in fields(cls)]
        except KeyError as error:
            raise ModelFileError(f"the array {error} is missing") from None
        predictors, target, predicted, importance = parts
        sound = predictors.ndim == importance.ndim == 2 and target.shape == predicted.shape == predictors.shape[:1]
        sound = sound and predictors.shape[1] == importance.shape[1] == n_predictors
        if not sound or not all(
            np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all() for array in parts
        ):
            raise ModelFileError("the training rows that it keeps do not have the shapes and types they must have")
        return cls(*parts)


@dataclass(frozen=True)
class Model:
    """A trained model with all that prediction and reports need.

    Parameters
    ----------
    manifest : Manifest
        What the file says about itself.
    encoder : FeatureEncoder
    fitted : FittedModel
    applicability : Applicability, optional
        None in files of the first version.
    calibration : QuantileShift, optional
    evidence : Evidence, optional
    """

    manifest: Manifest
    encoder: FeatureEncoder
    fitted: FittedModel
    applicability: Applicability | None = None
    calibration: QuantileShift | None = None
    evidence: Evidence | None = None

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors."""
        return self.encoder.predictors

    @property
    def error_profile(self) -> ErrorProfile | None:
        """How the error grows with dissimilarity; None in files of before."""
        return ErrorProfile.from_record((self.manifest.applicability or {}).get("error_profile"))

    @property
    def mark(self) -> str:
        """Kind, moment of training and a checksum of what it learned: two models with one mark predict the same."""
        checksum = sha256("\n".join(self.predictors).encode())
        for name, array in sorted(self.fitted.to_arrays().items()):
            checksum.update(f"{name} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return f"{self.manifest.kind} {self.manifest.created or ''} {checksum.hexdigest()[:12]}"

    def predict(self, predictors: np.ndarray) -> np.ndarray:
        """Predict from raw predictors.

        Parameters
        ----------
        predictors : ndarray of float64 (rows, predictors)
            Without NaN, in the order of the model's predictors.

        Returns
        -------
        ndarray of float64 (rows,)
            In the target's unit.
        """
        return self.fitted.predict(self.encoder.encode(predictors))

    def predict_quantiles(
        self, predictors: np.ndarray, levels: np.ndarray, dissimilarity: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict raw predictors with calibrated quantiles, in one pass.

        Parameters
        ----------
        predictors : ndarray (rows, predictors)
        levels : ndarray (quantiles,)
            Ascending, above 0 and below 1.
        dissimilarity : ndarray (rows,), optional
            From the training, where the caller has it already; found out where intervals need it.

        Returns
        -------
        prediction : ndarray (rows,)
        quantiles : ndarray (rows, quantiles)
            Of a kind without quantiles of its own, the prediction shifted by the quantiles of its out-of-fold errors.
        """
        features = self.encoder.encode(predictors)
        mean, quantiles = mean_and_quantiles(self.fitted, features, levels)
        if self.calibration is None:
            return mean, quantiles
        if self.calibration.typical and dissimilarity is None and self.applicability is not None:
            dissimilarity, _ = self.applicability.dissimilarity(predictors)
        return mean, self.calibration.apply(quantiles, levels, dissimilarity)


def save_model(model: Model, path: str) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    model : Model
    path : str

    Raises
    ------
    OutputError
        Where it cannot be written, or would be too large to be read again.
    """
    check_output(path)
    temporary = temporary_name(path)
    arrays = io.BytesIO()
    kept = model.fitted.to_arrays()
    for part in (model.applicability, model.evidence):
        kept |= {} if part is None else part.to_arrays()
    size = sum(array.nbytes for array in kept.values())
    if size > _LARGEST:
        raise OutputError(
            f"The model takes {size / 2**20:,.0f} MB, more than the {_LARGEST / 2**20:,.0f} MB that a model file "
            "may hold, so that it was not written. "
            'Train with smaller or fewer trees, such as `hyperparameters` {"min_samples_leaf": 10, "n_estimators": '
            "100}, or with fewer rows."
        )
    np.savez_compressed(arrays, **kept)  # type: ignore[arg-type]
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(
                "manifest.json", json.dumps(model.manifest.to_json(), indent=1, allow_nan=False), zipfile.ZIP_DEFLATED
            )
            archive.writestr("arrays.npz", arrays.getvalue(), zipfile.ZIP_STORED)
    except OSError as error:
        remove_quietly(temporary)
        raise OutputError(
            f"The model file '{path}' could not be written ({error.strerror or error}). Nothing was kept. Check "
            "the free space of the disk."
        ) from error
    except BaseException:
        remove_quietly(temporary)
        raise
    put_in_place(temporary, path)


def load_model(path: str) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : str

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        Where the file is missing, damaged, not a model file, of a newer format, or holds anything but the manifest and
        plain arrays.
    InputError
        Where it needs more memory than is free.
    """
    if not Path(path).is_file():
        raise ModelFileError(
            f"The model file '{path}' does not exist. Choose a file that 'Train model' wrote (.smmodel)."
        )
    try:
        manifest, arrays = _read(path)
        return _build(manifest, arrays)
    except _CAUSED_BY_BYTES as error:
        reason = error if isinstance(error, ModelFileError) else f"it holds what no model has ({error!r})"
        raise ModelFileError(
            f"The model file '{path}' cannot be used: {reason}. Choose a file that 'Train model' wrote, or train "
            "the model again."
        ) from None


def _read(path: str) -> tuple[Manifest, dict[str, np.ndarray]]:
    try:
        with open(path, "rb") as file:
            return _read_members(file, path)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        # A truncated or foreign zip fails in any of these ways.
        raise ModelFileError(f"it is damaged or no model file at all ({error})") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise InputError(
                f"The model file '{path}' cannot be read: {error.strerror or error}. Check that you may read it, "
                "and the disk."
            ) from error
        # Impossible offsets in the file.
        raise ModelFileError(f"it is damaged or no model file at all ({error})") from None


def _read_members(file: IO[bytes], path: str) -> tuple[Manifest, dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        foreign = sorted(set(names) - _MEMBERS)
        if foreign:
            raise ModelFileError(
                f"it holds '{foreign[0]}', which has no place in a model file, so that nothing in it is to be trusted"
            )
        if set(names) != _MEMBERS or len(names) != len(_MEMBERS):
            raise ModelFileError("it does not hold the manifest and the arrays of a model, each once")
        if archive.getinfo("manifest.json").file_size > _LARGEST_MANIFEST:
            raise ModelFileError("it unpacks to more than any model needs")
        _refuse_large(members, path)
        manifest = json.loads(archive.read("manifest.json").decode("utf-8"))
        _check_manifest(manifest)
        with zipfile.ZipFile(io.BytesIO(archive.read("arrays.npz"))) as arrays:
            return Manifest.from_json(manifest), _read_arrays(arrays, path)


def _read_arrays(archive: zipfile.ZipFile, path: str) -> dict[str, np.ndarray]:
    members = archive.infolist()
    known = re.compile(rf"({'|'.join([*(row.arrays for row in LEARNERS.values()), _SHARED_ARRAYS])})\.npy")
    foreign = [member.filename for member in members if not known.fullmatch(member.filename)]
    if foreign:
        raise ModelFileError(f"its arrays hold '{foreign[0]}', which no model has")
    if len({member.filename for member in members}) < len(members):
        raise ModelFileError("its arrays are not there once each")
    _refuse_large(members, path)
    return {member.filename.removesuffix(".npy"): _read_array(archive, member) for member in members}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read one array, of the type and size that its header says, if the zip says the same."""
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            shape, by_column, dtype = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version](stream)
        except (ValueError, KeyError, SyntaxError, TokenError) as error:
            raise ModelFileError(f"'{member.filename}' is no array ({error})") from None
        # Reading Python objects would run code.
        if dtype not in _TYPES:
            raise ModelFileError(f"'{member.filename}' holds {dtype}, which no array of a model does")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size != member.file_size - stream.tell():
            raise ModelFileError(f"'{member.filename}' is not as large as it says")
        values = np.frombuffer(bytearray(stream.read(size)), dtype)
        # The end of the stream compares the check sum.
        stream.read(1)
    return values.reshape(shape, order="F" if by_column else "C")


def _refuse_large(members: Sequence[zipfile.ZipInfo], path: str) -> None:
    """Reject archives by what the zip's directory says, before anything is unpacked; no more is read of a member."""
    size = sum(member.file_size for member in members)
    if size > _LARGEST:
        raise ModelFileError("it unpacks to more than any model needs")
    free = free_memory()
    if size > free / 2:
        raise InputError(
            f"The model file '{path}' unpacks to {size / 2**20:,.0f} MB, more than half of the "
            f"{free / 2**20:,.0f} MB of memory that are free. Close other programs, or use a computer with more."
        )


def _check_manifest(manifest: Any) -> None:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelFileError("it is no model file of the Soil Moisture Toolbox")
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise ModelFileError("its format has no version")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"its format {version} is newer than the format {FORMAT_VERSION} that this version of the toolbox "
            "reads; update the toolbox"
        )
    if manifest.get("kind") not in LEARNERS:
        raise ModelFileError(
            f"its kind '{manifest.get('kind')}' is none of those that this version of the toolbox knows "
            f"({', '.join(LEARNERS)})"
        )
    target = manifest.get("target")
    if not isinstance(target, dict) or not isinstance(target.get("name"), str):
        raise ModelFileError("it does not say what it predicts")
    predictors = manifest.get("predictors")
    if (
        not isinstance(predictors, list)
        or not predictors
        or not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in predictors)
    ):
        raise ModelFileError("its list of predictors is missing or wrong")
    for item in predictors:
        period = item.get("period")
        if period is not None and not (isinstance(period, (int, float)) and period > 0):
            raise ModelFileError(f"the period of its predictor '{item['name']}' is wrong")
        classes = item.get("classes")
        if classes is not None and not (
            isinstance(classes, list)
            and classes
            and all(isinstance(value, (int, float)) and math.isfinite(value) for value in classes)
            and sorted(set(classes)) == classes
            and period is None
        ):
            raise ModelFileError(f"the classes of its predictor '{item['name']}' are wrong")
        limits = item.get("limits")
        if limits is not None and not (
            isinstance(limits, list)
            and len(limits) == 2
            and all(isinstance(value, (int, float)) and math.isfinite(value) for value in limits)
            and limits[0] < limits[1]
            and period is None
            and classes is None
        ):
            raise ModelFileError(f"the limits of its predictor '{item['name']}' are wrong")
        if item.get("origin") is not None and origin_from(item["origin"]) is None:
            raise ModelFileError(f"what it notes of the rasters of its predictor '{item['name']}' is wrong")


def _build(manifest: Manifest, arrays: dict[str, np.ndarray]) -> Model:
    names = manifest.names
    if len(set(names)) != len(names):
        raise ModelFileError("it names a predictor twice")
    encoder = FeatureEncoder(
        names,
        {item.name: float(item.period) for item in manifest.predictors if item.period is not None},
        {item.name: tuple(map(float, item.classes)) for item in manifest.predictors if item.classes is not None},
        {
            item.name: (float(item.limits[0]), float(item.limits[1]))
            for item in manifest.predictors
            if item.limits is not None
        },
    )
    fitted = LEARNERS[manifest.kind].estimator.from_arrays(arrays, len(encoder.names))
    applicability = None
    if any(name.startswith("aoa_") for name in arrays):
        from sm_toolbox.models.applicability.area import Applicability

        applicability = Applicability.from_arrays(arrays, len(names))
        if not np.allclose(applicability.periods, [encoder.periods.get(name, 0.0) for name in names]):
            raise ModelFileError("its area of applicability has other cyclic predictors than the model")
    return Model(
        manifest,
        encoder,
        fitted,
        applicability,
        read_shift(manifest.calibration),
        Evidence.from_arrays(arrays, len(names)),
    )
