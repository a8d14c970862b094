"""Kinds of bands: amounts; directions in degrees, of which 350° and 10° have the mean 0°; classes, which have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.sensors.quantities import names_classes

if TYPE_CHECKING:
    from sm_toolbox.raster.driver import BandDescription


def is_direction(variable: str) -> bool:
    """Say whether a variable is a direction, to be averaged by its northward and eastward components: aspect.

    Parameters
    ----------
    variable : str

    Returns
    -------
    bool
    """
    return variable.lower() == "aspect"


def is_class(variable: str, described: BandDescription) -> bool:
    """Say whether a band holds numbers of classes: by its colours or categories, or an integer band by its name.

    Parameters
    ----------
    variable : str
    described : BandDescription

    Returns
    -------
    bool
    """
    return described.is_class or names_classes(variable, described.dtype.startswith(("int", "uint")))


def components(degrees: np.ndarray) -> np.ndarray:
    """Return the northward and eastward components of directions clockwise from north, (2, …).

    Parameters
    ----------
    degrees : ndarray
        Of any shape.

    Returns
    -------
    ndarray (2, ...)
    """
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)])


def mean_direction(north: np.ndarray, east: np.ndarray) -> np.ndarray:
    """Return the direction (degrees, clockwise from north) of mean components, float32; NaN where they cancel out.

    Parameters
    ----------
    north, east : ndarray
        Mean components.

    Returns
    -------
    ndarray of float32, same shape
    """
    angle = np.degrees(np.arctan2(east, north)) % 360
    # In float32 the remainder of a tiny negative angle rounds up to the full circle.
    angle = np.where(angle >= 360, 0, angle)
    return np.where(np.hypot(north, east) > 1e-6, angle, np.nan).astype(np.float32)
