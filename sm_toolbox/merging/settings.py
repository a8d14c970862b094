"""How errors are estimated: what users set, and what follows from it for given products."""

from __future__ import annotations

from dataclasses import dataclass

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import Design
from sm_toolbox.timeseries.anomaly import check_anomalies

_MOST_REPLICATES = 100_000


@dataclass(frozen=True)
class CollocationSettings:
    """How errors are estimated.

    Parameters
    ----------
    correlated : str, optional
        Pairs whose errors may be correlated, such as `B-C`; needs four or more products.
    min_samples, alpha : optional
        As `collocate`.
    anomalies : {'none', 'climatology', 'moving_window'}
        Whether covariances are those of the values, of their deviations from the mean of each calendar month over all
        years, or from the mean of the samples of `anomaly_window` around each date.
    anomaly_window : float, optional
        Days of the moving window.
    replicates : int, optional
        Resampled series for 95 % confidence limits; 0 for none.
    max_gap_days : float, optional
        Days between dates of products that are taken as one; those of the reference count. By default half the distance
        of each product's dates.
    """

    correlated: str = ""
    min_samples: int = 100
    alpha: float = 0.05
    anomalies: str = "none"
    anomaly_window: float = 35
    replicates: int = 0
    max_gap_days: float | None = None

    def check(self) -> None:
        """Refuse settings that cannot be.

        Raises
        ------
        InputError
            Which names the parameter.
        """
        check_anomalies(self.anomalies, self.anomaly_window)
        if self.min_samples < 3:
            raise InputError(
                f"`min_samples` is {self.min_samples}, but must be at least 3: a covariance of two samples says "
                "nothing."
            )
        if not 0 < self.alpha <= 1:
            raise InputError(f"`alpha` is {self.alpha:g}, but must be above 0 and at most 1.")
        if self.replicates < 0 or 0 < self.replicates < 100:
            raise InputError(
                f"`replicates` is {self.replicates}, but must be 0 or at least 100: limits are taken from the "
                "outermost resampled estimates."
            )
        if self.replicates > _MOST_REPLICATES:
            raise InputError(
                f"`replicates` is {self.replicates:,}, but may be up to {_MOST_REPLICATES:,}: 1000 give steady "
                "limits, and time grows with the number."
            )


DEFAULT_SETTINGS = CollocationSettings()


@dataclass(frozen=True)
class Estimation:
    """How the errors of given products are estimated.

    Parameters
    ----------
    settings : CollocationSettings
    design : Design
    reference : int
        The product in whose space scaled errors are.
    """

    settings: CollocationSettings
    design: Design
    reference: int
