"""Grid = (crs, transform, width, height): what two rasters must share to be compared cell by cell."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.raster.affine import Affine, bounds_of
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import Crs, Dataset, DriverError
from sm_toolbox.sensors.grids import known_grid

# Cells may disagree by this share of a cell over the whole raster before two grids count as different: rounding in
# file formats stays far below it, a real shift far above.
_TOLERANCE_CELLS = 0.01
# Scales that are true to this share are those of maps for measuring, such as UTM and national grids.
_TRUE_SCALE = 0.01


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
        by_size = _by_size(dataset)
        if by_size is not None:
            return by_size
        if dataset.transform.is_identity and dataset.control_points():
            raise InputError(
                f"The raster '{name}' is placed by {dataset.control_points()} ground control points alone, as "
                "radar scenes and scans are: its cells lie on no grid. Bring it onto one with QGIS's 'Warp "
                "(reproject)', or with the terrain correction of SNAP for Sentinel-1, and take the result."
            )
        if not crs and dataset.format == "netCDF":
            _refuse_by_coordinates(dataset, name)
            raise InputError(
                f"The NetCDF file '{name}' does not say where its cells lie: its coordinates have no units, and are "
                "not named lon and lat. Give them the units degrees_east and degrees_north (in xarray "
                "data.lon.attrs['units'] = 'degrees_east'), or place it with QGIS's 'Translate (convert format)' and "
                "the additional parameters -a_srs EPSG:4326 -a_ullr WEST NORTH EAST SOUTH."
            )
        if dataset.transform.is_identity and dataset.format in _FORMATS_OF_PRODUCTS:
            raise InputError(
                f"The raster '{name}' does not say where its cells lie: it is a swath, whose cells follow the track of "
                "a satellite, has coordinates that are not evenly spaced, or keeps them in fields of their own. Take "
                "the gridded product (level 3 or 4), or place it with QGIS's 'Warp (reproject)' first."
            )
        if not crs:
            raise InputError(
                f"The raster '{name}' has no coordinate reference system. Set it with 'Layer > Set CRS', or "
                "write it into the file with 'Assign projection'."
            )
        if not (crs.is_geographic or crs.is_projected or _unit_of_site_grid(crs)):
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

    @property
    def unit_metres(self) -> float:
        """Metres in a unit of a projected CRS or of a site grid, on the map."""
        return _unit_of_site_grid(self.crs) or float(self.crs.linear_units_factor[1])

    @property
    def is_site_grid(self) -> bool:
        """Whether the CRS is an engineering one, of a site whose place on the earth is not known."""
        return _unit_of_site_grid(self.crs) is not None

    def metres_per_unit(self, row: float | None = None) -> tuple[float, float]:
        """Return metres on the ground per map unit along x and y, in the middle of a row.

        Parameters
        ----------
        row : float, optional
            By default the middle one.

        Returns
        -------
        float, float

        Notes
        -----
        For geographic coordinates the radii of curvature of the WGS 84 ellipsoid are used: along the parallel N cos φ,
        along the meridian M. In a projection whose scale is off by 1 % anywhere on the grid, such as Web Mercator,
        where 2 m of the map are 1 m at 60° N, it is the scale there; elsewhere map units are ground units.
        """
        if not self.crs.is_geographic:
            if not self._is_distorted:
                return self.unit_metres, self.unit_metres
            scale = self._ground_scale(np.array([self.width / 2]), np.array([self._row(row)]))[0]
            return (float(scale[0]), float(scale[1])) if np.isfinite(scale).all() else (self.unit_metres,) * 2
        latitude = (self.transform * (self.width / 2, self._row(row)))[1]
        return metres_per_degree(latitude)

    def _row(self, row: float | None) -> float:
        return self.height / 2 if row is None else row + 0.5

    @cached_property
    def _is_distorted(self) -> bool:
        """Whether the scale of the projection is off by more than 1 % in a corner, on an edge or in the middle."""
        if not self.crs.is_projected:
            return False
        columns, rows = (
            axis.ravel() for axis in np.meshgrid(*(np.array([0, 0.5, 1]) * n for n in (self.width, self.height)))
        )
        scale = self._ground_scale(columns, rows) / self.unit_metres
        return bool((np.abs(scale[np.isfinite(scale).all(axis=1)] - 1) > _TRUE_SCALE).any())

    def _ground_scale(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return metres on the ground per map unit along x and y at places in cells (places, 2)."""
        # Short enough that the scale does not change, long enough for the digits of degrees.
        step = min(max(self.cell_size), 1000 / self.unit_metres)
        x, y = self.transform * (columns, rows)
        return ground_scale(self.crs, x, y, step)

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


# Formats of products whose grid may be told by its size alone; a picture of that size is no product.
_FORMATS_OF_PRODUCTS = {"HDF5Image", "HDF5", "HDF4Image", "netCDF"}


def _by_size(dataset: Dataset) -> Grid | None:
    """Return the grid of a product that does not say where its cells lie, but has the size of a known one."""
    if not dataset.transform.is_identity or dataset.format not in _FORMATS_OF_PRODUCTS:
        return None
    known = known_grid(dataset.width, dataset.height)
    if known is None:
        return None
    transform = Affine(known.cell, 0.0, known.left, 0.0, -known.cell, known.top)
    return Grid(driver().crs(known.epsg), transform, known.columns, known.rows)


def _refuse_by_coordinates(dataset: Dataset, name: str) -> None:
    """Refuse a NetCDF file without CRS whose coordinates say what it is: a swath, a rotated pole, metres."""
    tags = dataset.tags()
    start = f"The NetCDF file '{name}'"
    if "rotated_latitude_longitude" in tags.values() or any(key.split("/")[-1].startswith("rlat#") for key in tags):
        raise InputError(
            f"{start} is on a rotated pole, as files of regional climate models are: its axes are no longitudes and "
            "latitudes, and QGIS places it nowhere. Bring it onto a grid of degrees first, with CDO: cdo "
            f"remapbil,fine.nc '{name}' degrees.nc, where fine.nc is a file on the grid that you want."
        )
    further = " ".join(value for key, value in tags.items() if key.endswith("#coordinates")).lower()
    if re.search(r"\blat|\bnav_lat", further) and re.search(r"\blon|\bnav_lon", further):
        raise InputError(
            f"{start} is a swath or lies on a bent grid: it has a longitude and a latitude of each cell ('{further}'). "
            "Take the gridded product (level 3 or 4), or bring it onto a grid in the OSGeo4W shell or a terminal: "
            'gdalwarp -geoloc -t_srs EPSG:4326 NETCDF:"file.nc":soil_moisture gridded.tif.'
        )
    units = {value.lower() for key, value in tags.items() if re.search(r"(^|/|_)[xy]\w*#units$", key.lower())}
    if units & {"m", "metre", "metres", "meter", "meters", "km", "kilometre", "kilometres", "kilometer", "kilometers"}:
        thousand = " (km times 1000)" if any(unit.startswith("k") for unit in units) else ""
        raise InputError(
            f"{start} has coordinates in {', '.join(sorted(units))}, but does not say of which coordinate reference "
            "system. Place it with QGIS's 'Translate (convert format)' and the additional parameters -a_srs EPSG:CODE "
            f"-a_ullr LEFT TOP RIGHT BOTTOM: CODE as its documentation says, the edges of the map in metres{thousand}."
        )


def _unit_of_site_grid(crs: Crs) -> float | None:
    """Return metres per unit of a site grid (an engineering CRS); None for other CRSs."""
    wkt = crs.to_wkt()
    if not wkt.startswith(("LOCAL_CS", "ENGCRS", "ENGINEERINGCRS")):
        return None
    units = re.findall(r'UNIT\["[^"]*",\s*([0-9.eE+-]+)', wkt)
    return float(units[-1]) if units else None


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
    if {"degrees_north", "degrees_east"} <= units:
        return driver().crs(4326)
    # Without units GDAL places a NetCDF file only by dimensions whose names are those of longitude and latitude.
    has_place = dataset.format == "netCDF" and not dataset.transform.is_identity
    west, south, east, north = bounds_of(dataset.transform, dataset.window)
    on_earth = west >= -180.5 and east <= 360.5 and south >= -90.5 and north <= 90.5
    return driver().crs(4326) if has_place and on_earth else None


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


def ground_scale(crs: Crs, x: np.ndarray, y: np.ndarray, step: float) -> np.ndarray:
    """Return metres on the ground per map unit along x and y at places of a projected CRS.

    Parameters
    ----------
    crs : Crs
    x, y : ndarray of float64 (places,)
        Map coordinates.
    step : float
        Map units to go to find out.

    Returns
    -------
    ndarray of float64 (places, 2)
        NaN where there is no such place on the earth.
    """
    to_degrees = partial(driver().transform, own=crs, other=driver().crs(4326))
    try:
        longitude, latitude = to_degrees(np.concatenate([x, x + step, x]), np.concatenate([y, y, y + step]))
    except DriverError:
        # Cells beyond the earth, of which others say what is wrong.
        return np.full((len(x), 2), np.nan)
    longitude, latitude = longitude.reshape(3, -1), latitude.reshape(3, -1)
    with np.errstate(invalid="ignore"):
        east, north = metres_per_degree(latitude[0])
        turn = (longitude[1:] - longitude[0] + 180) % 360 - 180
        return np.hypot(turn * east, (latitude[1:] - latitude[0]) * north).T / step


def metres_per_degree(latitude: Any) -> tuple[Any, Any]:
    """Return metres per degree of longitude and of latitude on the WGS 84 ellipsoid.

    Parameters
    ----------
    latitude : float or ndarray
        Degrees.

    Returns
    -------
    float or ndarray, float or ndarray
    """
    a, e2 = 6378137.0, 0.00669437999014
    phi = np.radians(latitude)
    w2 = 1 - e2 * np.sin(phi) ** 2
    degree = math.pi / 180
    return degree * a * np.cos(phi) / np.sqrt(w2), degree * a * (1 - e2) / w2**1.5
