"""Random fields that vary smoothly in space, and means over blocks of cells."""

from __future__ import annotations

import numpy as np


def random_field(rng: np.random.Generator, shape: tuple[int, ...], length: float) -> np.ndarray:
    """Draw a Gaussian random field with exponential covariance exp(-d / length).

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int)
        Rows and columns.
    length : float
        Correlation length in cells.

    Returns
    -------
    ndarray, float32 (rows, cols)
        Mean 0 and standard deviation 1 over the field.

    Notes
    -----
    White noise is filtered in the Fourier domain with the square root of the covariance's spectrum,
    (1 + (2π f length)²)^(-3/2) in two dimensions (Lang & Potthoff 2011, doi 10.1515/mcma.2011.009).
    """
    # Fourier fields are periodic: the margin is cut off so that opposite borders do not resemble one another.
    rows, columns = (size + int(4 * length) + 1 for size in shape)
    frequency = np.hypot(np.fft.fftfreq(rows, 1.0)[:, None], np.fft.rfftfreq(columns, 1.0)[None, :])
    amplitude = (1 + (2 * np.pi * frequency * length) ** 2) ** -0.75
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((rows, columns))) * amplitude, s=(rows, columns))[
        : shape[0], : shape[1]
    ]
    return standardised(field)


def standardised(values: np.ndarray) -> np.ndarray:
    """Shift and scale an array to mean 0 and standard deviation 1, float32.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    ndarray of float32, same shape
    """
    return ((values - values.mean()) / values.std()).astype(np.float32)


def block_mean(values: np.ndarray, size: int) -> np.ndarray:
    """Average square blocks of cells.

    Parameters
    ----------
    values : ndarray (..., rows, cols)
        Rows and columns are multiples of `size`.
    size : int
        Cells along a block's side.

    Returns
    -------
    ndarray (..., rows / size, cols / size)
    """
    *first, rows, columns = values.shape
    blocks: np.ndarray = values.reshape(*first, rows // size, size, columns // size, size).mean(axis=(-3, -1))
    return blocks
