"""Support vector regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sm_toolbox.errors import ModelFileError
from sm_toolbox.models.learners.base import Learner
from sm_toolbox.models.learners.hyperparameters import check, is_number, is_whole
from sm_toolbox.models.learners.scaling import SCALINGS, Scaling, float_array, relative_weights
from sm_toolbox.progress import Progress

KERNELS = ("linear", "rbf", "poly", "sigmoid")
# Kernel values in memory at once, to stay within the processor's cache.
_VALUES = 2**18
_MANY_ROWS = 20_000
# Features are scaled: a kernel narrower than a millionth of their spread is meaningless.
_LARGEST_GAMMA = 1e12


@dataclass(frozen=True)
class SupportVectors:
    """Support vector regression, trained by scikit-learn (Smola & Schölkopf 2004).

    doi 10.1023/B:STCO.0000035301.49549.88.

    Features and target are scaled to mean 0 and standard deviation 1, so that `epsilon` is in standard deviations of
    the target.

    Parameters
    ----------
    C : float
        Penalty of an error, times the weight of its row, where the mean weight of all rows is 1.
    epsilon : float
        Errors up to this count for nothing.
    kernel : {'linear', 'rbf', 'poly', 'sigmoid'}
    gamma : float or 'scale'
        Reciprocal of the squared reach of the kernel; 'scale' takes one over the number of features times their
        variance.
    degree : int
        Of the kernel 'poly'.
    coef0 : float
        Of the kernels 'poly' and 'sigmoid'.
    scaling : {'standard', 'as_given'}
        Whether features are scaled to mean 0 and standard deviation 1, or have been scaled before.
    """

    SPACE: ClassVar[dict[str, Any]] = {
        "C": (0.1, 0.3, 1, 3, 10),
        "epsilon": (0.01, 0.03, 0.1, 0.2, 0.3, 0.5),
        "kernel": KERNELS,
    }

    C: float = 3
    epsilon: float = 0.1
    kernel: str = "rbf"
    gamma: float | str = "scale"
    degree: int = 3
    coef0: float = 0.0
    scaling: str = "standard"

    def __post_init__(self) -> None:
        check(is_number(self.C) and 0 < self.C <= 1e9, "C", self.C, "a number above 0 and up to 1e9")
        check(is_number(self.epsilon) and self.epsilon >= 0, "epsilon", self.epsilon, "a number of at least 0")
        check(self.kernel in KERNELS, "kernel", self.kernel, f"one of {', '.join(KERNELS)}")
        check(
            self.gamma == "scale" or (is_number(self.gamma) and 0 < float(self.gamma) < _LARGEST_GAMMA),
            "gamma",
            self.gamma,
            '"scale" or a number above 0',
        )
        check(is_whole(self.degree) and 1 <= self.degree <= 10, "degree", self.degree, "a whole number from 1 to 10")
        check(self.scaling in SCALINGS, "scaling", self.scaling, f"one of {', '.join(SCALINGS)}")
        check(is_number(self.coef0) and abs(self.coef0) <= 1e6, "coef0", self.coef0, "a number from -1e6 to 1e6")

    def fit(
        self, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None, seed: int, progress: Progress
    ) -> SupportVectorModel:
        """Find the support vectors. Cancel is checked before and after, not within: the library has no way to stop.

        As `Estimator.fit`.

        Raises
        ------
        Cancelled
            At the user's Cancel.
        """
        from sklearn.svm import SVR

        progress.check()
        if len(target) > _MANY_ROWS:
            progress.warning(
                f"Support vectors of {len(target)} rows take long to find: the time grows with the square of the "
                "rows. Other kinds of models are faster."
            )
        scaling = Scaling.fit(features, target, self.scaling)
        scaled = scaling.features(features)
        gamma = float(1 / (scaled.shape[1] * (scaled.var() or 1.0))) if self.gamma == "scale" else float(self.gamma)
        estimator = SVR(
            kernel=self.kernel,
            C=self.C,
            epsilon=self.epsilon,
            gamma=gamma,
            degree=self.degree,
            coef0=self.coef0,
            cache_size=500,
        )
        estimator.fit(scaled, scaling.target(target), sample_weight=relative_weights(weights))
        progress.check()
        progress.set_fraction(1)
        form = np.array([KERNELS.index(self.kernel), gamma, self.degree, self.coef0, float(estimator.intercept_[0])])
        return SupportVectorModel(scaling, form, estimator.support_vectors_, estimator.dual_coef_[0])

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int) -> SupportVectorModel:
        """Read a model back from a model file.

        As `Estimator.from_arrays`.

        Raises
        ------
        ModelFileError
            Where the arrays cannot be those of support vectors.
        """
        scaling = Scaling.from_arrays(arrays, n_features)
        form, vectors, coefficients = (
            float_array(arrays, f"svr_{name}") for name in ("form", "vectors", "coefficients")
        )
        if (
            form.shape != (5,)
            or vectors.ndim != 2
            or vectors.shape[1] != n_features
            or coefficients.shape != (len(vectors),)
        ):
            raise ModelFileError("the arrays of the support vectors do not have the shapes they must have")
        if form[0] not in range(len(KERNELS)) or not 0 < form[1] < _LARGEST_GAMMA or form[2] not in range(1, 11):
            raise ModelFileError("the kernel of the support vectors is none that this version of the toolbox knows")
        return SupportVectorModel(scaling, form, vectors, coefficients)


class SupportVectorModel:
    """Support vectors and their coefficients.

    Parameters
    ----------
    scaling : Scaling
    form : ndarray of float64 (5,)
        Number of the kernel in `KERNELS`, gamma, degree, coef0, intercept.
    vectors : ndarray of float64 (vectors, features)
        Scaled.
    coefficients : ndarray of float64 (vectors,)
    """

    def __init__(self, scaling: Scaling, form: np.ndarray, vectors: np.ndarray, coefficients: np.ndarray):
        self._scaling, self._form, self._vectors, self._coefficients = scaling, form, vectors, coefficients
        self._gamma, self._degree, self._coef0, self._intercept = (
            float(form[1]),
            int(form[2]),
            float(form[3]),
            float(form[4]),
        )
        self._kernel = KERNELS[int(form[0])]
        self._transposed = np.ascontiguousarray(vectors.T, np.float64)
        self._squares = (vectors**2).sum(axis=1)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict the target.

        As `FittedModel.predict`.
        """
        scaled = self._scaling.features(features)
        if self._kernel == "linear":
            return self._scaling.unscaled(scaled @ (self._vectors.T @ self._coefficients) + self._intercept)
        result = np.empty(len(scaled))
        at_once = max(16, _VALUES // max(1, len(self._coefficients)))
        for start in range(0, len(scaled), at_once):
            result[start : start + at_once] = self._values(scaled[start : start + at_once])
        return self._scaling.unscaled(result + self._intercept)

    def _values(self, rows: np.ndarray) -> np.ndarray:
        """Return the weighted sum of kernel values; products of matrices take most of the time."""
        if self._kernel == "rbf":
            from sm_toolbox.models.learners.svr_kernels import POWERS_OF_TWO, sum_gaussians

            # −γ |a − b|² = 2 γ a·b − γ |a|² − γ |b|²
            sums = np.empty(len(rows))
            terms = -self._gamma * (rows**2).sum(axis=1)
            sum_gaussians(
                (2 * self._gamma * rows) @ self._transposed,
                terms,
                -self._gamma * self._squares,
                self._coefficients,
                POWERS_OF_TWO,
                sums,
            )
            return sums
        values = self._gamma * (rows @ self._transposed) + self._coef0
        if self._kernel == "sigmoid":
            return np.asarray(np.tanh(values) @ self._coefficients)
        power = values.copy()
        # Much faster than numpy's power.
        for _ in range(self._degree - 1):
            power *= values
        return np.asarray(power @ self._coefficients)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model file keeps."""
        return self._scaling.to_arrays() | {
            "svr_form": self._form,
            "svr_vectors": self._vectors,
            "svr_coefficients": self._coefficients,
        }


LEARNER = Learner(
    "svr",
    SupportVectors,
    "support vector regression",
    help="support vectors, for some hundred to some thousand rows.",
    source="Support vector regression: Smola, A. J. & Schölkopf, B. (2004). A tutorial on support vector regression. "
    "Statistics and Computing 14. doi 10.1023/B:STCO.0000035301.49549.88",
    arrays=r"scaling_\w+|svr_(form|vectors|coefficients)",
)
