"""The model file: a zip of a manifest and plain arrays. Reading one runs no code."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import ModelFileError, OutputError
from sm_toolbox.files import check_output, put_in_place, remove_quietly, temporary_name
from sm_toolbox.models.calibration import Calibration, read_calibration
from sm_toolbox.models.estimators import MODELS, FittedModel
from sm_toolbox.models.features import FeatureEncoder
from sm_toolbox.raster.origins import origin_from

if TYPE_CHECKING:
    from sm_toolbox.models.applicability import Applicability

FORMAT = "smtoolbox-model"
FORMAT_VERSION = 1
_MEMBERS = {"manifest.json", "arrays.npz"}
# Far above what a forest of thousands of trees needs; a small zip that unpacks to more is no model.
_LARGEST = 8 * 2**30
_LARGEST_MANIFEST = 16 * 2**20


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

        Raises
        ------
        ModelFileError
            Where the arrays do not fit each other.
        """
        if "evidence_predictors" not in arrays:
            return None
        try:
            found = [arrays[f"evidence_{item.name}"] for item in fields(cls)]
        except KeyError as error:
            raise ModelFileError(f"the array {error} is missing") from None
        predictors, target, predicted, importance = found
        sound = predictors.ndim == importance.ndim == 2 and target.shape == predicted.shape == predictors.shape[:1]
        sound = sound and predictors.shape[1] == importance.shape[1] == n_predictors
        if not sound or not all(np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all() for array in found):
            raise ModelFileError("the training rows that it keeps do not have the shapes and types they must have")
        return cls(*found)


@dataclass(frozen=True)
class Model:
    """A trained model with all that prediction and reports need.

    Parameters
    ----------
    manifest : dict
        What the file says about itself; `kind`, `target`, `predictors`, `hyperparameters`, `validation` …
    encoder : FeatureEncoder
    fitted : FittedModel
    applicability : Applicability, optional
        None in files of the first version.
    calibration : Calibration, optional
    evidence : Evidence, optional
    """

    manifest: dict[str, Any]
    encoder: FeatureEncoder
    fitted: FittedModel
    applicability: Applicability | None = None
    calibration: Calibration | None = None
    evidence: Evidence | None = None

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors."""
        return self.encoder.predictors

    def predict(self, predictors: np.ndarray) -> np.ndarray:
        """Predict raw predictors (rows, predictors) without missing values → (rows,) in the target's unit."""
        return self.fitted.predict(self.encoder.encode(predictors))

    def predict_quantiles(self, predictors: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict raw predictors with calibrated quantiles, in one pass.

        Parameters
        ----------
        predictors : ndarray (rows, predictors)
        levels : ndarray (quantiles,)
            Ascending, above 0 and below 1.

        Returns
        -------
        prediction : ndarray (rows,)
        quantiles : ndarray (rows, quantiles)
            Of a kind without quantiles of its own, the prediction shifted by the quantiles of its out-of-fold errors.
        """
        features = self.encoder.encode(predictors)
        if hasattr(self.fitted, "predict_quantiles"):
            mean, quantiles = self.fitted.predict_quantiles(features, levels)
        else:
            mean = self.fitted.predict(features)
            quantiles = np.repeat(mean[:, None], len(levels), axis=1)
        return mean, quantiles if self.calibration is None else self.calibration.apply(quantiles, levels)


def save_model(model: Model, path: str) -> None:
    """Write a model file, whole or not at all.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    check_output(path)
    temporary = temporary_name(path)
    arrays = io.BytesIO()
    kept = model.fitted.to_arrays()
    for part in (model.applicability, model.evidence):
        kept |= {} if part is None else part.to_arrays()
    np.savez_compressed(arrays, **kept)  # type: ignore[arg-type]
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr("manifest.json", json.dumps(model.manifest, indent=1, allow_nan=False), zipfile.ZIP_DEFLATED)
            archive.writestr("arrays.npz", arrays.getvalue(), zipfile.ZIP_STORED)
    except OSError as error:
        remove_quietly(temporary)
        raise OutputError(
            f"The model file '{path}' could not be written ({error.strerror or error}). Nothing was kept. Check the free space of the disk."
        ) from error
    except BaseException:
        remove_quietly(temporary)
        raise
    put_in_place(temporary, path)


def load_model(path: str) -> Model:
    """Read a model file.

    Raises
    ------
    ModelFileError
        Where the file is missing, damaged, not a model file, of a newer format, or holds anything but the manifest and plain arrays.
    """
    if not Path(path).is_file():
        raise ModelFileError(f"The model file '{path}' does not exist. Choose a file that 'Train model' wrote (.smmodel).")
    try:
        manifest, arrays = _read(path)
        return _build(manifest, arrays)
    except Exception as error:  # whatever a file written by hand makes of the checks: it is no model file
        reason = error if isinstance(error, ModelFileError) else f"it holds what no model has ({error!r})"
        raise ModelFileError(
            f"The model file '{path}' cannot be used: {reason}. Choose a file that 'Train model' wrote, or train the model again."
        ) from None


def _read(path: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            foreign = sorted(set(names) - _MEMBERS)
            if foreign:
                raise ModelFileError(f"it holds '{foreign[0]}', which has no place in a model file, so that nothing in it is to be trusted")
            if set(names) != _MEMBERS or len(names) != len(_MEMBERS):
                raise ModelFileError("it does not hold the manifest and the arrays of a model, each once")
            if sum(member.file_size for member in members) > _LARGEST or archive.getinfo("manifest.json").file_size > _LARGEST_MANIFEST:
                raise ModelFileError("it unpacks to more than any model needs")
            manifest = json.loads(archive.read("manifest.json").decode("utf-8"))
            _check_manifest(manifest)
            return manifest, _read_arrays(archive.read("arrays.npz"))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError, NotImplementedError, MemoryError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        # A truncated or foreign zip fails in any of these ways.
        raise ModelFileError(f"it is damaged or no model file at all ({error})") from None


def _read_arrays(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        if sum(member.file_size for member in inner.infolist()) > _LARGEST:
            raise ModelFileError("it unpacks to more than any model needs")
        if not all(member.filename.endswith(".npy") and "/" not in member.filename and "\\" not in member.filename for member in inner.infolist()):
            raise ModelFileError("its arrays hold something that is no array")
    # Without pickle an array of Python objects is refused: reading one would run what it says.
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    # What does not begin as an array does numpy hands over as bytes.
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise ModelFileError("its arrays hold something that is no array")
    return found


def _check_manifest(manifest: Any) -> None:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelFileError("it is no model file of the Soil Moisture Toolbox")
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise ModelFileError("its format has no version")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"its format {version} is newer than the format {FORMAT_VERSION} that this version of the toolbox reads; update the toolbox"
        )
    if manifest.get("kind") not in MODELS:
        raise ModelFileError(f"its kind '{manifest.get('kind')}' is none of those that this version of the toolbox knows ({', '.join(MODELS)})")
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
        if item.get("origin") is not None and origin_from(item["origin"]) is None:
            raise ModelFileError(f"what it notes of the rasters of its predictor '{item['name']}' is wrong")


def _build(manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Model:
    names = tuple(item["name"] for item in manifest["predictors"])
    if len(set(names)) != len(names):
        raise ModelFileError("it names a predictor twice")
    encoder = FeatureEncoder(names, {item["name"]: float(item["period"]) for item in manifest["predictors"] if item.get("period") is not None})
    fitted = MODELS[manifest["kind"]].from_arrays(arrays, len(encoder.names))
    applicability = None
    if any(name.startswith("aoa_") for name in arrays):
        from sm_toolbox.models.applicability import Applicability

        applicability = Applicability.from_arrays(arrays, len(names))
        if not np.allclose(applicability.periods, [encoder.periods.get(name, 0.0) for name in names]):
            raise ModelFileError("its area of applicability has other cyclic predictors than the model")
    return Model(manifest, encoder, fitted, applicability, read_calibration(manifest), Evidence.from_arrays(arrays, len(names)))
