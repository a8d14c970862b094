"""The compiled loop that sums Gaussian kernels over support vectors."""

from __future__ import annotations

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

_LOG2E, _LN2 = 1.4426950408889634, 0.6931471805599453
# Below this exp is negligible beside any other kernel value.
_LOWEST = -700.0
POWERS_OF_TWO = 2.0 ** np.arange(-1022, 1)
"""Table from which the loop takes 2**k, for k from -1022 to 0."""


@njit(**KERNEL_OPTIONS, fastmath={"reassoc", "contract", "arcp", "nsz"})
def sum_gaussians(products, row_terms, vector_terms, coefficients, powers, out):
    """Sum coefficients times exp(products + row_terms + vector_terms), where a sum above 0 is the rounding of 0.

    The exponential is written out, as 2**k times a polynomial, so that the compiler turns the loop into vector
    instructions; it is exact to 1e-15.

    Parameters
    ----------
    products : ndarray of float64 (rows, vectors)
    row_terms : ndarray of float64 (rows,)
    vector_terms, coefficients : ndarray of float64 (vectors,)
    powers : ndarray of float64
        POWERS_OF_TWO.
    out : ndarray of float64 (rows,)
    """
    for i in range(products.shape[0]):
        total = 0.0
        for j in range(products.shape[1]):
            x = min(0.0, max(_LOWEST, products[i, j] + row_terms[i] + vector_terms[j]))
            k = np.floor(x * _LOG2E + 0.5)
            r = x - k * _LN2
            # Taylor's series; |r| is at most ln(2) / 2, where the first term left out is 3e-16.
            p = 1.0 + r / 12.0
            p = 1.0 + p * r / 11.0
            p = 1.0 + p * r / 10.0
            p = 1.0 + p * r / 9.0
            p = 1.0 + p * r / 8.0
            p = 1.0 + p * r / 7.0
            p = 1.0 + p * r / 6.0
            p = 1.0 + p * r / 5.0
            p = 1.0 + p * r / 4.0
            p = 1.0 + p * r / 3.0
            p = 1.0 + p * r / 2.0
            p = 1.0 + p * r
            total += coefficients[j] * p * powers[np.int64(k) + 1022]
        out[i] = total
