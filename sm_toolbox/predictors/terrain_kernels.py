"""The compiled loops behind the terrain indices: all that is asked of a block of a DEM, row by row, in one pass.

Every loop runs over one row and little more than a handful of arrays, so that the compiler turns it into vector
instructions; what passes from loop to loop is one row long and stays in the processor's cache, so that the speed is
that of reading the DEM and writing the indices.
"""

from __future__ import annotations

import math

import numpy as np

from sm_toolbox.compiled import KERNEL_OPTIONS, njit

# tan β below which a slope counts as this: 0.06°, a height of 3 cm between the neighbours of a cell of 15 m. Flatter is
# within the error of any DEM.
SMALLEST_TAN_SLOPE = 0.001

# The order of the `places` that `fill_indices` takes.
KERNEL_ORDER = (
    "elevation",
    "slope",
    "aspect",
    "northness",
    "eastness",
    "profile_curvature",
    "plan_curvature",
    "tangential_curvature",
    "mean_curvature",
    "roughness",
    "vector_ruggedness",
    "twi",
)
(
    _ELEVATION,
    _SLOPE,
    _ASPECT,
    _NORTHNESS,
    _EASTNESS,
    _PROFILE,
    _PLAN,
    _TANGENTIAL,
    _MEAN,
    _ROUGHNESS,
    _RUGGEDNESS,
    _TWI,
) = range(len(KERNEL_ORDER))

# A Python number next to a float32 would make it a float64, and halve how many are computed at once.
_ZERO, _ONE, _TWO, _HALF, _NINE, _LEVEL = (np.float32(value) for value in (0, 1, 2, 0.5, 9, SMALLEST_TAN_SLOPE))
_DEGREES, _RIGHT, _STRAIGHT, _FULL = (np.float32(value) for value in (180 / math.pi, 90, 180, 360))
_QUARTER_PI, _HALF_PI, _TAN_PI_8 = (np.float32(value) for value in (math.pi / 4, math.pi / 2, math.tan(math.pi / 8)))
# The polynomial of atanf in S. Moshier's Cephes library, for |x| ≤ tan(π/8): relative error 2e-7.
_A3, _A5, _A7, _A9 = (
    np.float32(value) for value in (-3.33329491539e-1, 1.99777106478e-1, -1.38776856032e-1, 8.05374449538e-2)
)

# No fast mathematics but fused multiply-adds: gaps are NaN, and sums must keep their order to be exact on level ground.
# The search for expressions of whole arrays takes time when these are compiled, and they hold none.
CONTRACTED = {**KERNEL_OPTIONS, "fastmath": {"contract"}, "no_rewrites": True}


@njit(**CONTRACTED)
def fill_indices(dem, halo, dx, dy, z_factor, places, out, catchment):
    """Compute the indices of a block.

    Parameters
    ----------
    dem : ndarray of float32 (rows + 2 halo, cols + 2 halo)
        NaN where there is no data and beyond the raster's edge.
    halo : int
        1, or 2 where vector_ruggedness is asked: it looks at the slopes of its neighbours.
    dx, dy : ndarray of float64 (rows + 2 halo - 2,)
        Metres from a cell to its neighbour in the next column and in the previous row, positive towards east and north.
    z_factor : float
        Metres per unit of the DEM.
    places : ndarray of int64 (len(KERNEL_ORDER),)
        The band of `out` for each index, -1 where it is not asked.
    out : ndarray of float32 (bands, rows, cols)
        Filled; NaN where a cell of the neighbourhood has no data.
    catchment : ndarray of float32 (rows, cols)
        Specific catchment area (m) for twi; of any shape where it is not asked.
    """
    _, rows, cols = out.shape
    rim, width = halo - 1, cols + 2 * halo - 2
    p, q = np.empty(width, np.float32), np.empty(width, np.float32)
    along, across, steepness = np.empty(cols, np.float32), np.empty(cols, np.float32), np.empty(cols, np.float32)
    normals = np.empty((3, 3, width), np.float32)
    ruggedness = places[_RUGGEDNESS] >= 0
    horn = ruggedness or max(places[_SLOPE], places[_ASPECT], places[_NORTHNESS], places[_EASTNESS], places[_TWI]) >= 0
    curvature = max(places[_PROFILE], places[_PLAN], places[_TANGENTIAL], places[_MEAN]) >= 0
    for row in range(-rim, rows + rim):
        above, middle, below = dem[row + rim], dem[row + rim + 1], dem[row + rim + 2]
        if horn:
            _horn_gradient(above, middle, below, z_factor / dx[row + rim], z_factor / dy[row + rim], p, q)
        if ruggedness:
            _unit_normals(p, q, normals[(row + 1) % 3])
            if row > 0:
                _vector_ruggedness(
                    normals[(row - 1) % 3], normals[row % 3], normals[(row + 1) % 3], out[places[_RUGGEDNESS], row - 1]
                )
        if row < 0 or row >= rows:
            continue
        above, middle, below = above[rim : rim + cols + 2], middle[rim : rim + cols + 2], below[rim : rim + cols + 2]
        inner_p, inner_q = p[rim : rim + cols], q[rim : rim + cols]
        if places[_ELEVATION] >= 0:
            _elevation(middle, z_factor, out[places[_ELEVATION], row])
        if places[_SLOPE] >= 0:
            _slope(inner_p, inner_q, out[places[_SLOPE], row])
        if places[_ASPECT] >= 0:
            _aspect(inner_p, inner_q, out[places[_ASPECT], row])
        if places[_NORTHNESS] >= 0:
            _direction(inner_q, inner_p, out[places[_NORTHNESS], row])
        if places[_EASTNESS] >= 0:
            _direction(inner_p, inner_q, out[places[_EASTNESS], row])
        if curvature:
            _second_derivatives(above, middle, below, dx[row + rim], dy[row + rim], z_factor, along, across, steepness)
            if places[_PROFILE] >= 0:
                _profile_curvature(along, steepness, out[places[_PROFILE], row])
            if places[_PLAN] >= 0:
                _plan_curvature(across, steepness, out[places[_PLAN], row])
            if places[_TANGENTIAL] >= 0:
                _tangential_curvature(across, steepness, out[places[_TANGENTIAL], row])
            if places[_MEAN] >= 0:
                _mean_curvature(along, across, steepness, out[places[_MEAN], row])
        if places[_ROUGHNESS] >= 0:
            _roughness(above, middle, below, z_factor, out[places[_ROUGHNESS], row])
        if places[_TWI] >= 0:
            _wetness(inner_p, inner_q, catchment[row], out[places[_TWI], row])


# The neighbourhood is lettered  a b c   with a in the north-west of a DEM whose first row is in the north.
#                                d e f   p = ∂z/∂x towards east, q = ∂z/∂y towards north.
#                                g h i


@njit(**CONTRACTED)
def _horn_gradient(above, middle, below, per_x, per_y, p, q):
    """Horn (1981), doi 10.1109/PROC.1981.11918: differences weighted 1 2 1."""
    per_x, per_y = np.float32(per_x / 8), np.float32(per_y / 8)
    for j in range(p.size):
        # Differences first: heights of thousands of metres would round away what neighbours differ by.
        x = (above[j + 2] - above[j]) + _TWO * (middle[j + 2] - middle[j]) + (below[j + 2] - below[j])
        y = (above[j] - below[j]) + _TWO * (above[j + 1] - below[j + 1]) + (above[j + 2] - below[j + 2])
        # Neither sum holds all nine cells: this is 0, or NaN where any of them is.
        hole = (x + y + middle[j + 1]) * _ZERO
        p[j] = x * per_x + hole
        q[j] = y * per_y + hole


@njit(**CONTRACTED)
def _elevation(middle, z_factor, out):
    factor = np.float32(z_factor)
    for j in range(out.size):
        out[j] = middle[j + 1] * factor


@njit(**CONTRACTED)
def _angle(opposite, adjacent):
    """Return the arc tangent of opposite / adjacent ≥ 0 in radians, 0 to π/2; NaN where both are 0."""
    swapped = opposite > adjacent
    low = adjacent if swapped else opposite
    high = opposite if swapped else adjacent
    turned = low > _TAN_PI_8 * high
    # tan(x - π/4) = (tan x - 1) / (tan x + 1) leads back into the polynomial's range.
    x = (low - high if turned else low) / (low + high if turned else high)
    square = x * x
    angle = (((_A9 * square + _A7) * square + _A5) * square + _A3) * square * x + x
    angle += _QUARTER_PI if turned else _ZERO
    return _HALF_PI - angle if swapped else angle


@njit(**CONTRACTED)
def _slope(p, q, out):
    for j in range(out.size):
        out[j] = _DEGREES * _angle(math.sqrt(p[j] * p[j] + q[j] * q[j]), _ONE)


@njit(**CONTRACTED)
def _aspect(p, q, out):
    for j in range(out.size):
        # Downhill is (-p, -q); the angle from the meridian is the same in all four quarters. Level ground is 0/0, so
        # NaN.
        angle = _DEGREES * _angle(abs(p[j]), abs(q[j]))
        angle = _STRAIGHT - angle if q[j] > _ZERO else angle
        angle = _FULL - angle if p[j] > _ZERO else angle
        out[j] = _ZERO if angle == _FULL else angle


@njit(**CONTRACTED)
def _direction(component, other, out):
    """The cosine between the aspect and the axis of `component`, without going through the angle."""
    for j in range(out.size):
        length = math.sqrt(component[j] * component[j] + other[j] * other[j])
        # Where it is not above 0 it is the 0 of level ground or the NaN of a hole, and both are the answer.
        out[j] = -component[j] / length if length > _ZERO else length


@njit(**CONTRACTED)
def _second_derivatives(above, middle, below, dx, dy, z_factor, along, across, steepness):
    """Return second derivatives along and across the slope (m⁻¹), and tan of the slope.

    Zevenbergen & Thorne (1987), doi 10.1002/esp.3290120107.

    With the gradient divided by its length first, nothing overflows or underflows however gentle the slope is.
    """
    half_x, half_y = np.float32(z_factor / (2 * dx)), np.float32(z_factor / (2 * dy))
    xx, yy, xy = (
        np.float32(z_factor / (dx * dx)),
        np.float32(z_factor / (dy * dy)),
        np.float32(z_factor / (4 * dx * dy)),
    )
    for j in range(steepness.size):
        centre = middle[j + 1]
        p, q = (middle[j + 2] - middle[j]) * half_x, (above[j + 1] - below[j + 1]) * half_y
        r = ((middle[j + 2] - centre) - (centre - middle[j])) * xx
        t = ((above[j + 1] - centre) - (centre - below[j + 1])) * yy
        s = ((above[j + 2] - above[j]) - (below[j + 2] - below[j])) * xy
        hole = (r + s + t) * _ZERO
        length = math.sqrt(p * p + q * q)
        u = p / length if length > _ZERO else _ZERO
        v = q / length if length > _ZERO else _ZERO
        along[j] = u * u * r + _TWO * (u * v * s) + v * v * t + hole
        across[j] = v * v * r - _TWO * (u * v * s) + u * u * t + hole
        steepness[j] = length + hole


@njit(**CONTRACTED)
def _profile_curvature(along, steepness, out):
    for j in range(out.size):
        stretch = _ONE + steepness[j] * steepness[j]
        out[j] = -along[j] / (stretch * math.sqrt(stretch))


@njit(**CONTRACTED)
def _plan_curvature(across, steepness, out):
    for j in range(out.size):
        out[j] = -across[j] / steepness[j] if steepness[j] > _ZERO else steepness[j]


@njit(**CONTRACTED)
def _tangential_curvature(across, steepness, out):
    for j in range(out.size):
        out[j] = -across[j] / math.sqrt(_ONE + steepness[j] * steepness[j])


@njit(**CONTRACTED)
def _mean_curvature(along, across, steepness, out):
    for j in range(out.size):
        stretch = _ONE + steepness[j] * steepness[j]
        out[j] = -_HALF * (along[j] / stretch + across[j]) / math.sqrt(stretch)


@njit(**CONTRACTED)
def _roughness(above, middle, below, z_factor, out):
    # Depths below a datum have a negative factor, a range has no sign.
    factor = np.float32(abs(z_factor))
    for j in range(out.size):
        low = high = total = middle[j + 1]
        for value in (
            above[j],
            above[j + 1],
            above[j + 2],
            middle[j],
            middle[j + 2],
            below[j],
            below[j + 1],
            below[j + 2],
        ):
            low = value if value < low else low
            high = value if value > high else high
            total += value
        # Comparisons ignore NaN; the sum does not.
        out[j] = (high - low) * factor + total * _ZERO


@njit(**CONTRACTED)
def _unit_normals(p, q, normals):
    east, north, up = normals[0], normals[1], normals[2]
    for j in range(p.size):
        scale = _ONE / math.sqrt(_ONE + p[j] * p[j] + q[j] * q[j])
        east[j], north[j], up[j] = -p[j] * scale, -q[j] * scale, scale


@njit(**CONTRACTED)
def _vector_ruggedness(above, middle, below, out):
    """Sappington et al. (2007), doi 10.2193/2005-723: 1 - |Σn| / 9.

    |Σn|² = 9² - 9 Σ|n - n̄|², with deviations from the central normal: 1 - |Σn| / 9 as it stands loses its digits on
    gentle slopes, where the normals hardly differ.
    """
    for j in range(out.size):
        squares = east = north = up = _ZERO
        for normals in (above, middle, below):
            for k in range(3):
                x, y, z = (
                    normals[0, j + k] - middle[0, j + 1],
                    normals[1, j + k] - middle[1, j + 1],
                    normals[2, j + k] - middle[2, j + 1],
                )
                squares += x * x + y * y + z * z
                east, north, up = east + x, north + y, up + z
        spread = (squares - (east * east + north * north + up * up) / _NINE) / _NINE
        # Between cliffs that face each other rounding can lead just below 0.
        strength = _ZERO if spread > _ONE else _ONE - spread
        out[j] = spread / (_ONE + math.sqrt(strength))


@njit(**CONTRACTED)
def _wetness(p, q, catchment, out):
    """Beven & Kirkby (1979), doi 10.1080/02626667909491834: ln(a / tan β)."""
    for j in range(out.size):
        steepness = math.sqrt(p[j] * p[j] + q[j] * q[j])
        # This form of the comparison keeps NaN.
        out[j] = math.log(catchment[j] / (_LEVEL if steepness < _LEVEL else steepness))
