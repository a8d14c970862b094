"""The driver that works through GDAL's own Python module, which every QGIS has."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from osgeo import gdal, ogr, osr

from sm_toolbox.raster.affine import Affine, Window
from sm_toolbox.raster.driver import (
    BandDescription,
    Dataset,
    DriverError,
    GeotiffLayout,
    bands_with_categories,
    in_halves,
    is_netcdf,
    missing_values,
    stated_range,
)

_NUMPY_TYPES = {
    getattr(gdal, f"GDT_{name}"): dtype
    for name, dtype in (
        ("Byte", "uint8"),
        ("UInt16", "uint16"),
        ("Int16", "int16"),
        ("UInt32", "uint32"),
        ("Int32", "int32"),
        ("Float32", "float32"),
        ("Float64", "float64"),
        ("CInt16", "complex_int16"),
        ("CInt32", "complex64"),
        ("CFloat32", "complex64"),
        ("CFloat64", "complex128"),
        # Since GDAL 3.5 and 3.7.
        ("UInt64", "uint64"),
        ("Int64", "int64"),
        ("Int8", "int8"),
    )
    if hasattr(gdal, f"GDT_{name}")
}
_GDAL_TYPES = {dtype: code for code, dtype in _NUMPY_TYPES.items()}


def dtype_of(code: int) -> np.dtype | None:
    """Return NumPy's type of a GDAL type; None where there is none.

    Parameters
    ----------
    code : int

    Returns
    -------
    dtype or None
    """
    name = _NUMPY_TYPES.get(code)
    return None if name is None or name.startswith("complex_") else np.dtype(name)


_RESAMPLINGS = {
    "nearest": gdal.GRA_NearestNeighbour,
    "bilinear": gdal.GRA_Bilinear,
    "cubic": gdal.GRA_Cubic,
    "average": gdal.GRA_Average,
    "mode": gdal.GRA_Mode,
}
# Cells by which the way between two CRSs may be off when it is interpolated, as in rasterio.
_TOLERANCE = 0.125
# Order of bytes, type and number of points of a line as WKB.
_LINE = struct.Struct("<BII")
_TO_READ = gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR


def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Return what GDAL returns, and raise where it fails, with its exceptions switched on or off.

    Parameters
    ----------
    function : callable
    *arguments, **named
        Its arguments.

    Returns
    -------
    object

    Raises
    ------
    DriverError
        Where GDAL raises, answers nothing, or another code than `CE_None`.
    """
    gdal.ErrorReset()
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        result = function(*arguments, **named)
    except RuntimeError as error:
        raise DriverError(str(error) or "GDAL does not say why") from error
    finally:
        gdal.PopErrorHandler()
    if result is None or (isinstance(result, int) and result != gdal.CE_None):
        raise DriverError(gdal.GetLastErrorMsg() or "the file ends too early")
    return result


def _moves(line: ogr.Geometry, way: osr.CoordinateTransformation) -> bool:
    """Transform a line in place; where one of its points cannot be, it stays as it is."""
    try:
        call(line.Transform, way)
    except DriverError:
        return False
    return True


def _box(window: Window) -> tuple[int, int, int, int]:
    return int(window.col_off), int(window.row_off), int(window.width), int(window.height)


class GdalCrs:
    """A coordinate reference system of osgeo.osr.

    Parameters
    ----------
    system : osgeo.osr.SpatialReference
    """

    def __init__(self, system: osr.SpatialReference):
        self._system = system
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)

    @property
    def system(self) -> osr.SpatialReference:
        """A copy, for one thread."""
        return self._system.Clone()

    @property
    def is_geographic(self) -> bool:
        """As `Crs.is_geographic`."""
        return bool(self._system.IsGeographic())

    @property
    def is_projected(self) -> bool:
        """As `Crs.is_projected`."""
        return bool(self._system.IsProjected())

    @property
    def linear_units_factor(self) -> tuple[str, float]:
        """As `Crs.linear_units_factor`."""
        name, factor = self._system.GetLinearUnitsName(), self._system.GetLinearUnits()
        return ("metre" if name == "Meter" else name), factor

    def to_wkt(self) -> str:
        """As `Crs.to_wkt`."""
        text: str = self._system.ExportToWkt()
        return text

    def to_epsg(self) -> int | None:
        """As `Crs.to_epsg`."""
        if self._system.GetAuthorityName(None) == "EPSG":
            return int(self._system.GetAuthorityCode(None))
        matches = [match for match, confidence in self._system.FindMatches() if confidence >= 70]
        codes = [match.GetAuthorityCode(None) for match in matches if match.GetAuthorityName(None) == "EPSG"]
        return int(codes[0]) if codes else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GdalCrs):
            return NotImplemented
        return self._system is other._system or bool(self._system.IsSame(other._system))

    def __hash__(self) -> int:
        return hash(self.to_wkt())


class GdalDataset(Dataset):
    """A raster file, open through osgeo.gdal.

    Parameters
    ----------
    file : osgeo.gdal.Dataset
    path : str
    ranges_are_physical : bool, optional
        Whether the file states valid ranges of physical values, which GDAL was told not to apply.
    """

    def __init__(self, file: gdal.Dataset, path: str, ranges_are_physical: bool = False):
        self._file: Any = file
        self._ranges_are_physical = ranges_are_physical
        self.path, self.format = path, file.GetDriver().ShortName
        self.width, self.height, self.count = file.RasterXSize, file.RasterYSize, file.RasterCount
        self.transform = Affine.from_gdal(*file.GetGeoTransform())

    @cached_property
    def stored_crs(self) -> GdalCrs | None:  # type: ignore[override]
        """As `Dataset.stored_crs`."""
        system = self._file.GetSpatialRef()
        return None if system is None or not system.ExportToWkt() else GdalCrs(system.Clone())

    @cached_property
    def _with_categories(self) -> set[int]:
        """As `Dataset.crs`."""
        return bands_with_categories(self.path)

    def _band(self, band: int) -> gdal.Band:
        """As `Dataset.stored_crs`."""
        return call(self._file.GetRasterBand, int(band))

    def describe(self, band: int) -> BandDescription:
        """As `Dataset.describe`."""
        of = self._band(band)
        scale, offset = of.GetScale(), of.GetOffset()
        columns, rows = of.GetBlockSize()
        scale = 1.0 if scale is None else scale
        dtype, nodata = _dtype(of), of.GetNoDataValue()
        tags = self.tags(band) if self.format == "netCDF" else {}
        return BandDescription(
            dtype,
            nodata,
            scale,
            0.0 if offset is None else offset,
            of.GetDescription(),
            of.GetUnitType(),
            of.GetColorInterpretation() == gdal.GCI_AlphaBand,
            (rows, columns),
            missing_values(tags, nodata),
            stated_range(tags, dtype, scale) if self._ranges_are_physical else None,
            of.GetColorInterpretation() == gdal.GCI_PaletteIndex or band in self._with_categories,
        )

    def has_mask(self, band: int) -> bool:
        """As `Dataset.has_mask`."""
        return bool(self._band(band).GetMaskFlags() & (gdal.GMF_PER_DATASET | gdal.GMF_ALPHA))

    def tags(self, band: int = 0) -> dict[str, str]:
        """As `Dataset.tags`."""
        return dict((self._band(band) if band else self._file).GetMetadata() or {})

    def subdatasets(self) -> list[str]:
        """As `Dataset.subdatasets`."""
        return [name for name, _ in self._file.GetSubDatasets()]

    def control_points(self) -> int:
        """As `Dataset.control_points`."""
        return int(self._file.GetGCPCount())

    def read(self, bands: Sequence[int], window: Window, out: np.ndarray) -> None:
        """As `Dataset.read`."""
        numbers = [int(band) for band in bands]
        if out.flags.c_contiguous:
            self._read_into(numbers, window, out)
        else:
            whole = np.empty(out.shape, out.dtype)
            self._read_into(numbers, window, whole)
            out[...] = whole

    def _read_into(self, bands: list[int], window: Window, out: np.ndarray) -> None:
        code = _GDAL_TYPES.get(out.dtype.name)
        if code is None:
            # GDAL before 3.7 has no type for signed bytes; their bits are those of bytes.
            code, out = gdal.GDT_Byte, out.view(np.uint8)
        call(self._file.ReadRaster, *_box(window), buf_type=code, band_list=bands, buf_obj=out)

    def read_mask(self, window: Window, band: int = 1) -> np.ndarray:
        """As `Dataset.read_mask`."""
        bits = call(self._band(band).GetMaskBand().ReadRaster, *_box(window), buf_type=gdal.GDT_Byte)
        return np.frombuffer(bits, np.uint8).reshape(int(window.height), int(window.width)) != 0

    def read_coarsely(self, band: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """As `Dataset.read_coarsely`."""
        rows, columns = shape
        size = {"buf_xsize": columns, "buf_ysize": rows}
        of = self._band(band)
        code = gdal.GDT_Byte if _dtype(of) == "int8" and "int8" not in _GDAL_TYPES else gdal.GDT_Float64
        bits = call(of.ReadRaster, 0, 0, self.width, self.height, buf_type=code, **size)
        mask = call(of.GetMaskBand().ReadRaster, 0, 0, self.width, self.height, buf_type=gdal.GDT_Byte, **size)
        values = np.frombuffer(bits, np.int8 if code == gdal.GDT_Byte else np.float64).reshape(shape)
        return values.astype(np.float64), np.frombuffer(mask, np.uint8).reshape(shape) != 0

    def close(self) -> None:
        """As `Dataset.close`."""
        # GDAL closes a file when the last object that refers to it has gone.
        self._file = None


def _dtype(band: gdal.Band) -> str:
    if band.DataType == gdal.GDT_Byte and band.GetMetadataItem("PIXELTYPE", "IMAGE_STRUCTURE") == "SIGNEDBYTE":
        return "int8"
    return _NUMPY_TYPES.get(band.DataType, "float64")


class _Geotiff:
    """A GeoTIFF, open for writing through osgeo.gdal."""

    def __init__(self, path: str, layout: GeotiffLayout):
        options = [f"{key.upper()}={value}" for key, value in layout.options.items()]
        size = (layout.width, layout.height, len(layout.names))
        self._file: Any = call(gdal.GetDriverByName("GTiff").Create, path, *size, gdal.GDT_Float32, options)
        call(self._file.SetGeoTransform, layout.transform.to_gdal())
        call(self._file.SetSpatialRef, layout.crs.system)
        for number, name in enumerate(layout.names, start=1):
            band = self._file.GetRasterBand(number)
            band.SetNoDataValue(math.nan)
            band.SetDescription(name)
        for number, unit in enumerate(layout.units, start=1):
            if unit:
                self._file.GetRasterBand(number).SetUnitType(unit)
        self._file.SetMetadata(layout.tags)

    def write(self, block: np.ndarray, first: int, window: Window) -> None:
        """As `GeotiffFile.write`."""
        values = np.ascontiguousarray(block, np.float32)
        numbers = list(range(first, first + len(values)))
        call(self._file.WriteRaster, *_box(window), values, buf_type=gdal.GDT_Float32, band_list=numbers)

    def close(self) -> None:
        """As `GeotiffFile.close`."""
        if self._file is not None:
            gdal.PushErrorHandler("CPLQuietErrorHandler")
            try:
                self._file.FlushCache()
            except RuntimeError:
                pass  # a full disk: whoever closes looks whether all is there
            finally:
                self._file = None
                gdal.PopErrorHandler()


def _open_and_hear(path: str, said: list[str]) -> gdal.Dataset | None:
    """Open a file and append what GDAL warns of; an error stays GDAL's last one."""
    if not is_netcdf(path):
        return gdal.OpenEx(path, _TO_READ)
    failed: list[tuple[int, int, str]] = []

    def hear(kind: int, number: int, text: str) -> None:
        if kind == gdal.CE_Warning:
            said.append(text)
        elif kind > gdal.CE_Warning:
            failed.append((kind, number, text))

    gdal.PushErrorHandler(hear)
    try:
        file = gdal.OpenEx(path, _TO_READ)
    finally:
        gdal.PopErrorHandler()
    if file is None and failed:
        gdal.Error(*failed[-1])
    return file


def kinds_of_axes(path: str, variable: str) -> list[str]:
    """Return the units of the coordinates of a NetCDF variable's dimensions, in their order.

    Parameters
    ----------
    path : str
        The file.
    variable : str

    Returns
    -------
    list of str
        Empty where they cannot be told; an empty text for a dimension without coordinates or units.
    """
    try:
        file = call(gdal.OpenEx, path, gdal.OF_MULTIDIM_RASTER)
        array = call(file.GetRootGroup().OpenMDArray, variable)
        coordinates = [dimension.GetIndexingVariable() for dimension in array.GetDimensions()]
        return ["" if values is None else values.GetUnit() for values in coordinates]
    except DriverError:
        return []


def scalar_of(path: str, variable: str) -> tuple[str, str, str] | None:
    """Return value, units and calendar of a NetCDF variable without dimensions that is a time.

    Parameters
    ----------
    path : str
        The file.
    variable : str

    Returns
    -------
    (str, str, str) or None
        None where there is no such variable.
    """
    try:
        file = call(gdal.OpenEx, path, gdal.OF_MULTIDIM_RASTER)
        array = call(file.GetRootGroup().OpenMDArray, variable)
        units = array.GetUnit()
        if array.GetDimensions() or " since " not in units:
            return None
        # Asking for one that is not there raises where GDAL's exceptions are on.
        attributes = {item.GetName(): item for item in array.GetAttributes() or ()}
        value = float(np.asarray(array.ReadAsArray(), dtype=float).ravel()[0])
        return repr(value), units, attributes["calendar"].ReadAsString() if "calendar" in attributes else "standard"
    except DriverError:
        return None


def _without_its_ranges(dataset: GdalDataset) -> GdalDataset:
    """Return a NetCDF file without its valid ranges where these are physical, which GDAL would not see."""
    described = dataset.describe(1) if dataset.count else None
    if described is None or stated_range(dataset.tags(1), described.dtype, described.scale) is None:
        return dataset
    path, said = dataset.path, dataset.warnings
    dataset.close()
    dataset = GdalDataset(call(gdal.OpenEx, path, _TO_READ, open_options=["HONOUR_VALID_RANGE=NO"]), path, True)
    dataset.warnings = said
    return dataset


class GdalDriver:
    """Opens, warps and writes through osgeo.gdal."""

    name = "gdal"
    gdal_version: str = gdal.__version__
    version: str = gdal.__version__

    def open(self, path: str, unbuffered: bool = False) -> Dataset:
        """As `Driver.open`."""
        if unbuffered:
            gdal.SetThreadLocalConfigOption("GTIFF_DIRECT_IO", "YES")
        try:
            said: list[str] = []
            dataset = GdalDataset(call(_open_and_hear, path, said), path)
            dataset.warnings = said
            return _without_its_ranges(dataset) if dataset.format == "netCDF" else dataset
        finally:
            if unbuffered:
                gdal.SetThreadLocalConfigOption("GTIFF_DIRECT_IO", None)

    @contextmanager
    def environment(self, cache: int | None = None, list_folders: bool = True) -> Iterator[None]:
        """As `Driver.environment`."""
        before = gdal.GetCacheMax()
        if cache is not None:
            gdal.SetCacheMax(cache)
        if not list_folders:
            gdal.SetThreadLocalConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", "TRUE")
        try:
            yield
        finally:
            if cache is not None:
                gdal.SetCacheMax(before)
            if not list_folders:
                gdal.SetThreadLocalConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", None)

    def crs(self, definition: Any) -> GdalCrs:
        """As `Driver.crs`."""
        if isinstance(definition, GdalCrs):
            return definition
        system = osr.SpatialReference()
        if isinstance(definition, int):
            call(system.ImportFromEPSG, definition)
        else:
            call(system.SetFromUserInput, definition if isinstance(definition, str) else definition.to_wkt())
        return GdalCrs(system)

    def transform(self, x: np.ndarray, y: np.ndarray, own: GdalCrs, other: GdalCrs) -> tuple[np.ndarray, np.ndarray]:
        """As `Driver.transform`."""
        way = call(osr.CreateCoordinateTransformation, own.system, other.system)
        points = np.stack([x, y], axis=1).astype("<f8")
        # As the points of a line all go in one call, without a Python object for each; but then all or none.
        line = call(ogr.CreateGeometryFromWkb, _LINE.pack(1, ogr.wkbLineString, len(points)) + points.tobytes())
        if _moves(line, way):
            moved = np.frombuffer(line.ExportToWkb(ogr.wkbNDR), "<f8", offset=_LINE.size).reshape(-1, 2)
        else:
            moved = np.full((len(points), 2), np.inf)
            there = np.isfinite(points).all(axis=1)
            moved[there] = in_halves(
                lambda part: np.array(call(way.TransformPoints, part.tolist()), np.float64)[:, :2], points[there]
            )
        return moved[:, 0], moved[:, 1]

    def transform_bounds(
        self, own: GdalCrs, other: GdalCrs, bounds: Sequence[float]
    ) -> tuple[float, float, float, float]:
        """As `Driver.transform_bounds`."""
        way = call(osr.CreateCoordinateTransformation, own.system, other.system)
        west, south, east, north = call(way.TransformBounds, *bounds, 21)
        return west, south, east, north

    def warp(
        self,
        values: np.ndarray,
        own: tuple[Affine, GdalCrs],
        out: np.ndarray,
        grid: tuple[Affine, GdalCrs],
        resampling: str,
    ) -> None:
        """As `Driver.warp`."""
        source, target = _in_memory(values, *own), _in_memory(out, *grid)
        # Gaps are those of each band: by default a cell counts as valid in all bands where it is valid in one.
        call(
            _warp,
            target,
            source,
            resampleAlg=_RESAMPLINGS[resampling],
            errorThreshold=_TOLERANCE,
            warpOptions=["UNIFIED_SRC_NODATA=NO", "INIT_DEST=NO_DATA"],
        )
        bits = call(target.ReadRaster, buf_type=gdal.GDT_Float32)
        out[...] = np.frombuffer(bits, np.float32).reshape(out.shape)

    def create_geotiff(self, path: str, layout: GeotiffLayout) -> _Geotiff:
        """As `Driver.create_geotiff`."""
        return _Geotiff(path, layout)

    def has_zstd(self) -> bool:
        """As `Driver.has_zstd`."""
        return _has_zstd()

    def tile_ends(self, path: str) -> np.ndarray:
        """As `Driver.tile_ends`."""
        file = call(gdal.OpenEx, path, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR)
        tile = file.GetRasterBand(1).GetBlockSize()
        columns, rows = (-(-size // step) for size, step in zip((file.RasterXSize, file.RasterYSize), tile))
        ends = np.full((file.RasterCount, rows, columns), -1, np.int64)
        for number, row, column in np.ndindex(ends.shape):
            band = file.GetRasterBand(number + 1)
            offset, length = (
                band.GetMetadataItem(f"BLOCK_{what}_{column}_{row}", "TIFF") for what in ("OFFSET", "SIZE")
            )
            if offset is not None and length is not None:
                ends[number, row, column] = int(offset) + int(length)
        return ends


def _warp(*arguments: Any, **named: Any) -> int | None:
    """Call GDAL's warp, which answers 1 where all went well."""
    return gdal.CE_None if gdal.Warp(*arguments, **named) else None


def _in_memory(values: np.ndarray, transform: Affine, crs: GdalCrs) -> gdal.Dataset:
    """Return a dataset in memory with a copy of float32 (bands, rows, cols), NaN where there is no data."""
    count, rows, columns = values.shape
    file = call(gdal.GetDriverByName("MEM").Create, "", columns, rows, count, gdal.GDT_Float32)
    call(file.SetGeoTransform, transform.to_gdal())
    call(file.SetSpatialRef, crs.system)
    for number in range(1, count + 1):
        file.GetRasterBand(number).SetNoDataValue(math.nan)
    call(file.WriteRaster, 0, 0, columns, rows, np.ascontiguousarray(values, np.float32))
    return file


@lru_cache
def _has_zstd() -> bool:
    return "ZSTD" in (gdal.GetDriverByName("GTiff").GetMetadataItem("DMD_CREATIONOPTIONLIST") or "")
