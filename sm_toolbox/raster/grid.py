"""Grid = (crs, transform, width, height): what two rasters must share to be compared cell by cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine, bounds_of
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import Crs, Dataset

# Cells may disagree by this share of a cell over the whole raster before two grids count as different: rounding in
# file formats stays far below it, a real shift far above.
_TOLERANCE_CELLS = 0.01


@dataclass(frozen=True)
class Grid:
    """A raster's coordinate reference system, geotransform and size.

    Parameters
    ----------
    crs : Crs
        A WKT, an EPSG code, or the object of another library that has `to_wkt`, become the driver's own.
    transform : Affine
        From (column, row) to map coordinates; one of the package affine is taken as well.
    width, height : int
        Columns and rows.
    """

    crs: Any
    transform: Affine
    width: int
    height: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "crs", driver().crs(self.crs))
        if not isinstance(self.transform, Affine):
            object.__setattr__(self, "transform", Affine.of(self.transform))

    def __reduce__(self) -> tuple[Any, ...]:
        # As text and numbers: the classes of CRSs differ between drivers and versions, and a worker of a
        # cluster may have others.
        return _grid, (self.crs.to_wkt(), tuple(self.transform), self.width, self.height)

    @classmethod
    def of(cls, dataset: Dataset, name: str) -> Grid:
        """Return the grid of an open dataset; longitudes of 0° to 360° become those of -180° to 180°.

        Parameters
        ----------
        dataset : Dataset
        name : str
            For messages.

        Returns
        -------
        Grid

        Raises
        ------
        InputError
            Where the dataset has no CRS, one that is not of the earth, or no usable geotransform.
        """
        crs = crs_of(dataset)
        if dataset.transform.is_identity and dataset.control_points():
            raise InputError(
                f"The raster '{name}' is placed by {dataset.control_points()} ground control points alone, as "
                "radar scenes and scans are: its cells lie on no grid. Bring it onto one with QGIS's 'Warp "
                "(reproject)', or with the terrain correction of SNAP for Sentinel-1, and take the result."
            )
        if not crs:
            raise InputError(
                f"The raster '{name}' has no coordinate reference system. Set it with 'Layer > Set CRS' and save "
                "it with 'Assign projection', so that it is written into the file."
            )
        if not (crs.is_geographic or crs.is_projected):
            raise InputError(
                f"The raster '{name}' has the coordinate reference system '{label(crs)}', a local one that does "
                "not say where on the earth the raster lies. Give it the right one with 'Assign projection', or "
                "georeference it."
            )
        transform = dataset.transform
        if transform.is_identity or transform.determinant == 0:
            raise InputError(
                f"The raster '{name}' has no georeference (its cells have no size or place). Georeference it first."
            )
        return cls(
            crs, from_minus_180(transform, split_column(crs, transform, dataset.width)), dataset.width, dataset.height
        )

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a cell in map units, both positive."""
        t = self.transform
        return math.hypot(t.a, t.d), math.hypot(t.b, t.e)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in map units."""
        return bounds_of(self.transform, (0, 0, self.width, self.height))

    def metres_per_unit(self, row: float | None = None) -> tuple[float, float]:
        """Return metres per map unit along x and y, for geographic grids at the latitude of a row.

        Parameters
        ----------
        row : float, optional
            By default the middle one.

        Returns
        -------
        float, float

        Notes
        -----
        For geographic coordinates the radii of curvature of the WGS 84 ellipsoid are used: along the parallel
        N cos φ, along the meridian M.
        """
        if not self.crs.is_geographic:
            factor = float(self.crs.linear_units_factor[1])
            return factor, factor
        latitude = (self.transform * (self.width / 2, self.height / 2 if row is None else row + 0.5))[1]
        return metres_per_degree(latitude)

    def differences(self, other: Grid) -> list[str]:
        """Say in words how another grid differs from this one; an empty list where the two are the same.

        Parameters
        ----------
        other : Grid

        Returns
        -------
        list of str
        """
        found = []
        if self.crs != other.crs:
            found.append(f"CRS {label(other.crs)} instead of {label(self.crs)}")
        size, other_size = self.cell_size, other.cell_size
        if not all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(size, other_size)):
            found.append(f"cell size {other_size[0]:g} × {other_size[1]:g} instead of {size[0]:g} × {size[1]:g}")
        if (self.width, self.height) != (other.width, other.height):
            found.append(f"{other.width} × {other.height} cells instead of {self.width} × {self.height}")
        if not found:
            corners = [(0, 0), (self.width, 0), (0, self.height), (self.width, self.height)]
            inverse = ~self.transform
            shift = max(math.dist(inverse * (other.transform * corner), corner) for corner in corners)
            if shift > _TOLERANCE_CELLS:
                found.append(f"shifted by {shift:.2g} cells")
        return found

    def same_as(self, other: Grid) -> bool:
        """Say whether two rasters on these grids can be compared cell by cell.

        Parameters
        ----------
        other : Grid

        Returns
        -------
        bool
        """
        return not self.differences(other)


def _grid(wkt: str, transform: tuple[float, ...], width: int, height: int) -> Grid:
    return Grid(driver().crs(wkt), Affine(*transform), width, height)


def split_column(crs: Crs, transform: Affine, width: int) -> int | None:
    """Return the column at which a raster with longitudes of 0° to 360° is split; None where it has no such longitudes.

    A raster all of which lies beyond 180° is 0. One that goes around the globe is split; one that crosses 180° without
    going around stays as it is.

    Parameters
    ----------
    crs : Crs
    transform : Affine
    width : int

    Returns
    -------
    int or None
    """
    if not crs.is_geographic or transform.b or transform.d or transform.a <= 0:
        return None
    west, east = transform.c, transform.c + width * transform.a
    tolerance = 0.01 * transform.a
    if east <= 180 + tolerance or west < -180 + tolerance:
        return None
    column = max(0, math.ceil((180 - west) / transform.a - 0.5 - 0.01))
    return column if column == 0 or goes_around(transform, width) else None


def goes_around(transform: Affine, width: int) -> bool:
    """Say whether a raster of degrees goes once around the globe, so that first and last column are neighbours.

    Parameters
    ----------
    transform : Affine
    width : int

    Returns
    -------
    bool
    """
    return abs(abs(transform.a) * width - 360) <= 0.01 * abs(transform.a)


def from_minus_180(transform: Affine, column: int | None) -> Affine:
    """Return the geotransform of a raster whose columns from one on are moved to the west by 360°.

    Parameters
    ----------
    transform : Affine
    column : int or None
        As `split_column` returns it.

    Returns
    -------
    Affine
    """
    if column is None:
        return transform
    return Affine(transform.a, 0, transform.c + column * transform.a - 360, 0, transform.e, transform.f)


def crs_of(dataset: Dataset) -> Crs | None:
    """Return the CRS of a dataset; WGS 84 for NetCDF files that say no more than `degrees_north` and `degrees_east`.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Crs or None
    """
    if dataset.crs:
        return dataset.crs
    units = (
        {value for key, value in dataset.tags().items() if key.endswith("#units")}
        if dataset.format == "netCDF"
        else set()
    )
    return driver().crs(4326) if {"degrees_north", "degrees_east"} <= units else None


def label(crs: Crs) -> str:
    """Return a short name of a CRS for messages.

    Parameters
    ----------
    crs : Crs

    Returns
    -------
    str
    """
    try:
        code = crs.to_epsg()
    except Exception:  # a PROJ without its database must not break a message
        code = None
    if code:
        return f"EPSG:{code}"
    wkt = crs.to_wkt()
    return wkt.split('"')[1] if '"' in wkt else "unknown"


def metres_per_degree(latitude: float) -> tuple[float, float]:
    """Return metres per degree of longitude and of latitude on the WGS 84 ellipsoid.

    Parameters
    ----------
    latitude : float
        Degrees.

    Returns
    -------
    float, float
    """
    a, e2 = 6378137.0, 0.00669437999014
    phi = math.radians(latitude)
    w2 = 1 - e2 * math.sin(phi) ** 2
    degree = math.pi / 180
    return degree * a * math.cos(phi) / math.sqrt(w2), degree * a * (1 - e2) / w2**1.5
