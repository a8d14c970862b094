"""Directions in degrees: 350° and 10° have the mean 0°, not 180°."""

from __future__ import annotations

import numpy as np


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
