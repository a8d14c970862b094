"""What is taken from an ISMN archive: depths, quality flags, times and means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sm_toolbox.errors import InputError

DEPTH_RULES = ("encloses", "overlaps")
AVERAGING_PERIODS = ("none", "day", "month")
SENSOR_RULES = ("separate", "mean")
# Dorigo et al. 2013, doi 10.2136/vzj2012.0097; U is of the CEOP format, and stands in old archives in place of G.
QUALITY_FLAGS = {
    "C01": "value below the possible range",
    "C02": "value above the possible range",
    "C03": "value above saturation",
    "D01": "soil temperature below 0 °C",
    "D02": "air temperature below 0 °C",
    "D03": "soil temperature of GLDAS below 0 °C",
    "D04": "rise without rain at the station",
    "D05": "rise without rain of GLDAS",
    "D06": "spike",
    "D07": "sudden drop",
    "D08": "sudden rise",
    "D09": "constant low values after a drop",
    "D10": "saturated plateau",
    "G": "good",
    "M": "missing",
    "U": "unchecked",
}
TOLERANCE = 1e-6  # m; depths are written with six decimals


@dataclass(frozen=True)
class Selection:
    """What is taken from an archive.

    Parameters
    ----------
    variable : str, optional
        ISMN's name or abbreviation.
    depth_from, depth_to : float, optional
        m, negative above ground.
    depth_rule : {'encloses', 'overlaps'}, optional
        encloses: the sensor's depths lie within those asked for. overlaps: both have more than a point in common, or
        one of them is a point within the other.
    flags : sequence of str, optional
        Accepted ISMN flags. An observation is taken where each of its flags is one of them. None: all are, and no flag
        at all.
    start, end : datetime or None, optional
        First and last moment (UTC).
    period : {'none', 'day', 'month'}, optional
        Over which observations are averaged (UTC).
    min_count : int, optional
        Smallest number of observations of a mean.
    sensors : {'separate', 'mean'}, optional
        mean: the sensors of one station and depth are averaged at each time.
    """

    variable: str = "soil_moisture"
    depth_from: float = 0.0
    depth_to: float = 0.05
    depth_rule: str = "encloses"
    flags: Sequence[str] | None = ("G",)
    start: datetime | None = None
    end: datetime | None = None
    period: str = "none"
    min_count: int = 1
    sensors: str = "separate"

    def takes_depth(self, top: float, bottom: float) -> bool:
        """Return whether a sensor's depth fits the rule.

        Parameters
        ----------
        top, bottom : float
            Metres.

        Returns
        -------
        bool
        """
        if self.depth_rule == "encloses":
            return self.depth_from - TOLERANCE <= top and bottom <= self.depth_to + TOLERANCE
        shared = min(bottom, self.depth_to) - max(top, self.depth_from)
        is_point = bottom - top < TOLERANCE or self.depth_to - self.depth_from < TOLERANCE
        return shared >= -TOLERANCE if is_point else shared > TOLERANCE

    def takes_flags(self, cell: str) -> bool:
        """Return whether a flag cell, such as `C02,D04`, has accepted flags only.

        Parameters
        ----------
        cell : str

        Returns
        -------
        bool
        """
        return self.flags is None or all(flag in self.flags for flag in cell.upper().split(","))


def parse_flags(text: str) -> tuple[str, ...] | None:
    """Read a comma list of flags; None where it is empty.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of str or None

    Raises
    ------
    InputError
        Where it names a flag that ISMN does not have.
    """
    flags = tuple(word.upper() for word in re.split(r"[,;\s]+", text) if word)
    unknown = [flag for flag in flags if flag not in QUALITY_FLAGS]
    if unknown:
        raise InputError(
            f"`flags` names {', '.join(unknown)}, which ISMN does not have. Valid are: "
            f"{'; '.join(f'{flag} ({meaning})' for flag, meaning in QUALITY_FLAGS.items())}. Separate them with "
            "commas; leave `flags` empty to take every observation."
        )
    return flags or None
