"""The protocol of what reads, warps and writes rasters: rasterio, or GDAL's own Python module (osgeo).

`choice.driver()` decides between the two. All other modules know nothing but the protocol here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from sm_toolbox.raster.affine import Affine, Window

RESAMPLINGS = ("nearest", "bilinear", "cubic", "average", "mode")
"""Ways to warp."""


class DriverError(Exception):
    """What GDAL says of a file, a coordinate reference system or a write that failed."""


class Crs(Protocol):
    """A coordinate reference system, with axes in the order of maps: east, north."""

    @property
    def is_geographic(self) -> bool:
        """Whether coordinates are degrees."""

    @property
    def is_projected(self) -> bool:
        """Whether coordinates are lengths on a map of the earth."""

    @property
    def linear_units_factor(self) -> tuple[str, float]:
        """Name of the unit, and metres in it."""

    def to_wkt(self) -> str:
        """Return the definition as text.

        Returns
        -------
        str
        """

    def to_epsg(self) -> int | None:
        """Return the EPSG code; None where there is none.

        Returns
        -------
        int or None
        """


@dataclass(frozen=True)
class BandDescription:
    """What a file says of a band.

    Parameters
    ----------
    dtype : str
        NumPy's name of the type of the stored numbers.
    nodata : float or None
    scale, offset : float
        Physical value = stored · scale + offset.
    name : str
        The band's description; empty where it has none.
    unit : str
    is_alpha : bool
        Whether it says where the other bands have data.
    block_shape : tuple of int
        Rows and columns that are read together.
    missing : tuple of float
        Other stored numbers that stand for gaps: NetCDF's `missing_value` beside `_FillValue`.
    valid : (float, float) or None
        Lowest and highest physical value, where the file states them and GDAL does not apply them.
    is_class : bool
        Whether its numbers are classes: it has a colour table or names of categories.
    """

    dtype: str
    nodata: float | None
    scale: float
    offset: float
    name: str
    unit: str
    is_alpha: bool
    block_shape: tuple[int, int]
    missing: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    is_class: bool = False


_OF_BAND = re.compile(r'<PAMRasterBand band="(\d+)">(.*?)</PAMRasterBand>', re.DOTALL)
_OF_CLASSES = re.compile(r'<CategoryNames>|<GDALRasterAttributeTable[^>]*tableType="thematic"')


def bands_with_categories(path: str) -> set[int]:
    """Return the bands to which the file beside a raster gives names of categories, or a table of classes.

    Rasterio does not say, so that both drivers look there themselves.

    Parameters
    ----------
    path : str

    Returns
    -------
    set of int
        From 1.
    """
    try:
        with open(f"{path}.aux.xml", encoding="utf-8", errors="replace") as file:
            return {int(band) for band, text in _OF_BAND.findall(file.read(2**22)) if _OF_CLASSES.search(text)}
    except (OSError, ValueError):
        return set()


def missing_values(tags: Mapping[str, str], nodata: float | None) -> tuple[float, ...]:
    """Return the numbers that a NetCDF band's `missing_value` names beside its nodata value.

    Parameters
    ----------
    tags : mapping of str to str
        Of the band.
    nodata : float or None

    Returns
    -------
    tuple of float
    """
    return tuple(value for value in _numbers(tags.get("missing_value", "")) if value != nodata)


def stated_range(tags: Mapping[str, str], dtype: str, scale: float) -> tuple[float, float] | None:
    """Return the range of physical values that a packed NetCDF band states, against CF, in physical units.

    By the conventions `valid_min`, `valid_max` and `valid_range` are stored numbers, which is how GDAL takes them: it
    masks every cell where they are not. They are physical where they have fractions, or span next to nothing of what
    the stored type holds.

    Parameters
    ----------
    tags : mapping of str to str
        Of the band.
    dtype : str
    scale : float

    Returns
    -------
    (float, float) or None
        None where there is no range, or one of stored numbers.
    """
    low, high = [*_numbers(tags.get("valid_range", "")), None, None][:2]
    low = next(iter(_numbers(tags.get("valid_min", ""))), low)
    high = next(iter(_numbers(tags.get("valid_max", ""))), high)
    if low is None or high is None or scale == 1 or not np.issubdtype(np.dtype(dtype), np.integer):
        return None
    has_fractions = low != round(low) or high != round(high)
    return (low, high) if has_fractions or (scale < 0.1 and high - low <= 10) else None


def _numbers(text: str) -> list[Any]:
    numbers = []
    for part in text.strip("{} ").replace(",", " ").split():
        with suppress(ValueError):
            numbers.append(float(part))
    return numbers


def is_netcdf(path: str) -> bool:
    """Say whether a name is that of a NetCDF file, or of a variable in one.

    Parameters
    ----------
    path : str

    Returns
    -------
    bool
    """
    return path.startswith("NETCDF:") or path.lower().endswith((".nc", ".nc4", ".cdf"))


def in_halves(move: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    """Move points together, and where one of them makes that fail, in halves.

    Parameters
    ----------
    move : callable
        Returns points (n, 2) elsewhere, or raises `DriverError` where one of them cannot be moved.
    points : ndarray of float64 (points, 2)

    Returns
    -------
    ndarray of float64 (points, 2)
        Infinite where a point cannot be moved.
    """
    if len(points) == 0:
        return points
    try:
        return move(points)
    except DriverError:
        if len(points) == 1:
            return np.full((1, 2), np.inf)
        half = len(points) // 2
        return np.concatenate([in_halves(move, points[:half]), in_halves(move, points[half:])])


class Dataset(ABC):
    """A raster file, open for reading; a context manager that closes it.

    Bands count from 1. Every method raises `DriverError` where GDAL fails.

    Attributes
    ----------
    path : str
    format : str
        GDAL's short name of the format, such as `GTiff`.
    width, height, count : int
        Columns, rows and bands.
    transform : Affine
        The identity where the file has none.
    warnings : sequence of str
        What GDAL said on opening.
    given_crs : Crs or None
        What the user says instead of the file.
    """

    path: str
    format: str
    width: int
    height: int
    count: int
    transform: Affine
    warnings: Sequence[str] = ()

    given_crs: Crs | None = None

    @property
    @abstractmethod
    def stored_crs(self) -> Crs | None:
        """The coordinate reference system that the file states; None where it has none."""

    @property
    def crs(self) -> Crs | None:
        """The coordinate reference system: what the user gave, else what the file states."""
        return self.given_crs or self.stored_crs

    @property
    def window(self) -> Window:
        """The whole raster."""
        return Window(0, 0, self.width, self.height)

    @abstractmethod
    def describe(self, band: int) -> BandDescription:
        """Return what the file says of a band.

        Parameters
        ----------
        band : int
            From 1.

        Returns
        -------
        BandDescription
        """

    @abstractmethod
    def has_mask(self, band: int) -> bool:
        """Say whether a mask or an alpha band, rather than a nodata value, tells where a band has data.

        Parameters
        ----------
        band : int

        Returns
        -------
        bool
        """

    @abstractmethod
    def tags(self, band: int = 0) -> dict[str, str]:
        """Return the metadata of a band, or of the file.

        Parameters
        ----------
        band : int, optional
            0 for the file.

        Returns
        -------
        dict of str
        """

    @abstractmethod
    def subdatasets(self) -> list[str]:
        """Return the names of the rasters within the file, as GDAL opens them.

        Returns
        -------
        list of str
        """

    @abstractmethod
    def control_points(self) -> int:
        """Return the number of ground control points.

        Returns
        -------
        int
        """

    @abstractmethod
    def read(self, bands: Sequence[int], window: Window, out: np.ndarray) -> None:
        """Read stored numbers of a window within the raster.

        Parameters
        ----------
        bands : sequence of int
        window : Window
        out : ndarray (bands, rows, cols)
            What is filled, in its own type.
        """

    @abstractmethod
    def read_mask(self, window: Window, band: int = 1) -> np.ndarray:
        """Return where a band has data, after its mask, alpha band or nodata value.

        Parameters
        ----------
        window : Window
        band : int, optional

        Returns
        -------
        ndarray of bool (rows, cols)
        """

    @abstractmethod
    def read_coarsely(self, band: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the stored numbers of every so many cells, and where there are data.

        Parameters
        ----------
        band : int
        shape : (int, int)

        Returns
        -------
        ndarray of float64, ndarray of bool
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file, in the thread that opened it."""

    def __enter__(self) -> Dataset:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class GeotiffFile(Protocol):
    """A GeoTIFF, open for writing."""

    def write(self, block: np.ndarray, first: int, window: Window) -> None:
        """Write bands.

        Parameters
        ----------
        block : ndarray of float32 (bands, rows, cols)
        first : int
            The band that the block begins with, from 1.
        window : Window
        """

    def close(self) -> None:
        """Close the file; nothing where it is closed. GDAL writes late, and says nothing of a full disk here."""


@dataclass(frozen=True)
class GeotiffLayout:
    """A Float32 GeoTIFF to create, NaN where there is no data.

    Parameters
    ----------
    crs : Crs
    transform : Affine
    width, height : int
    names : sequence of str
        Descriptions of the bands.
    units : sequence of str
        Of the bands; empty where they are not known.
    tags : dict of str
    options : dict of str
        GDAL's creation options.
    """

    crs: Any
    transform: Affine
    width: int
    height: int
    names: Sequence[str]
    units: Sequence[str]
    tags: dict[str, str]
    options: dict[str, str]


class Driver(Protocol):
    """What both drivers can do; every method raises `DriverError` where GDAL fails."""

    name: str
    version: str
    gdal_version: str

    def open(self, path: str, unbuffered: bool = False) -> Dataset:
        """Open a raster.

        Parameters
        ----------
        path : str
            Anything that GDAL opens: a file, a sub-dataset, XML of a virtual raster.
        unbuffered : bool, optional
            Whether each block is read but once, so that GDAL need not keep those of uncompressed files.

        Returns
        -------
        Dataset
        """

    def environment(self, cache: int | None = None, list_folders: bool = True) -> AbstractContextManager[Any]:
        """Set what GDAL may do while files are open.

        Parameters
        ----------
        cache : int, optional
            Bytes of decoded tiles that GDAL may keep.
        list_folders : bool, optional
            Whether GDAL may list the folders of files for their sidecars.

        Returns
        -------
        context manager
        """

    def crs(self, definition: Any) -> Any:
        """Return a coordinate reference system.

        Parameters
        ----------
        definition : str, int or object
            A WKT, an EPSG code, or an object that has `to_wkt`.

        Returns
        -------
        Crs
        """

    def transform(self, x: np.ndarray, y: np.ndarray, own: Any, other: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return points in another CRS.

        Parameters
        ----------
        x, y : ndarray of float64 (points,)
        own, other : Crs

        Returns
        -------
        x, y : ndarray of float64 (points,)
            Not finite where there is no such place.
        """

    def transform_bounds(self, own: Any, other: Any, bounds: Sequence[float]) -> tuple[float, float, float, float]:
        """Return an extent in another CRS.

        Parameters
        ----------
        own, other : Crs
        bounds : sequence of float
            West, south, east, north.

        Returns
        -------
        tuple of float
            West, south, east, north; west > east where it crosses 180°.
        """

    def warp(
        self,
        values: np.ndarray,
        own: tuple[Affine, Any],
        out: np.ndarray,
        grid: tuple[Affine, Any],
        resampling: str,
    ) -> None:
        """Warp bands, each with its own gaps.

        Parameters
        ----------
        values, out : ndarray of float32 (bands, rows, cols)
            What is warped, and what is filled; NaN where there is no data.
        own, grid : (Affine, Crs)
            Of `values`, and of `out`.
        resampling : str
            One of `RESAMPLINGS`.
        """

    def create_geotiff(self, path: str, layout: GeotiffLayout) -> GeotiffFile:
        """Create a GeoTIFF.

        Parameters
        ----------
        path : str
        layout : GeotiffLayout

        Returns
        -------
        GeotiffFile
        """

    def has_zstd(self) -> bool:
        """Say whether GDAL was built with ZSTD; a build without it refuses to create such files.

        Returns
        -------
        bool
        """

    def tile_ends(self, path: str) -> np.ndarray:
        """Return where each tile of a GeoTIFF ends in the file.

        Parameters
        ----------
        path : str

        Returns
        -------
        ndarray of int64 (bands, rows of tiles, columns of tiles)
            Bytes; -1 for a tile that was not written.
        """
