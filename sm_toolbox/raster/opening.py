"""Opening raster files: what the user named, with longitudes from -180° to 180°, and errors that name the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from xml.sax.saxutils import escape

from sm_toolbox.errors import InputError
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import Crs, Dataset, DriverError
from sm_toolbox.raster.grid import Grid, crs_of, from_minus_180, split_column
from sm_toolbox.raster.times import Time


@dataclass(frozen=True)
class Source:
    """A raster file as the user named it.

    Parameters
    ----------
    path : str
        What GDAL opens: a file or a sub-dataset such as `NETCDF:"file.nc":ndvi`.
    name : str, optional
        The layer's name for messages; the file's name where it is empty.
    time : Time, optional
        The layer's temporal range in QGIS, used for bands whose description carries no time.
    crs : str, optional
        WKT of the CRS that the user gave the layer; empty where the file's counts.
    gaps : tuple of (int, float, float), optional
        Band, lowest and highest physical value of what the user declared to be no data.
    is_words : bool, optional
        Whether the raster holds quality words, of which the no-data value is one: that of MODIS' temperatures is 0,
        which is the word of the best cells.
    """

    path: str
    name: str = ""
    time: Time | None = None
    crs: str = ""
    gaps: tuple[tuple[int, float, float], ...] = ()
    is_words: bool = False

    def gaps_of(self, band: int) -> list[tuple[float, float]]:
        """Return the ranges of physical values that the user declared to be no data.

        Parameters
        ----------
        band : int
            From 1.

        Returns
        -------
        list of (float, float)
        """
        return [(low, high) for number, low, high in self.gaps if number == band]

    @property
    def label(self) -> str:
        """The name of the layer, or else of the file."""
        return self.name or os.path.basename(self.path)


_ARCHIVES = (((".zip",), "/vsizip/"), ((".tar", ".tgz", ".tar.gz"), "/vsitar/"))


def open_raster(source: Source) -> Dataset:
    """Open a raster for reading, with longitudes from -180° to 180° where it has them from 0° to 360°.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        Where the file is missing or GDAL cannot read it.
    """
    dataset = open_as_stored(source)
    crs = crs_of(dataset)
    column = split_column(crs, dataset.transform, dataset.width) if crs else None
    if crs is None or column is None:
        return dataset
    try:
        with dataset:
            return driver().open(_moved_west(dataset, crs, column))
    except DriverError as error:
        raise InputError(
            f"The raster '{source.label}' ({source.path}) has longitudes from 0° to 360° and cannot be read as "
            f"from −180° to 180°: {error}. Convert it with 'Translate (convert format)' first."
        ) from error


def open_as_stored(source: Source) -> Dataset:
    """Open a raster for reading, with longitudes as they are in the file.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        Where the file is missing or GDAL cannot read it.
    """
    try:
        dataset = driver().open(source.path)
        if source.crs:
            dataset.given_crs = driver().crs(source.crs)
        return dataset
    except DriverError as error:
        advice = "Check that the file exists and is a raster that QGIS can show."
        for ends, prefix in _ARCHIVES:
            if source.path.lower().endswith(ends):
                advice = f"Unpack it, or name the raster within it: {prefix}{source.path}/NAME.tif."
        raise InputError(
            f"The raster '{source.label}' ({source.path}) cannot be opened: {str(error).rstrip('.')}. {advice}"
        ) from error


@contextmanager
def readable(source: Source, where: object = "") -> Iterator[None]:
    """Name the raster whose cells cannot be read.

    Parameters
    ----------
    source : Source
    where : object, optional
        The window, for the message.

    Raises
    ------
    InputError
    """
    try:
        yield
    except DriverError as error:
        at = f" at {where}" if where else ""
        raise InputError(
            f"The raster '{source.label}' ({source.path}) cannot be read{at}: {str(error).rstrip('.')}. The file, "
            "or one that it is made of, is missing or damaged: download or make it again."
        ) from error


_GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int16",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}


def _moved_west(dataset: Dataset, crs: Crs, column: int) -> str:
    """Return a VRT that begins with a column of a raster, and goes on with the columns before it."""
    width, height = dataset.width, dataset.height
    parts = [(column, 0, width - column), (0, width - column, column)]

    def sources(band: str) -> str:
        return "".join(
            "<SimpleSource><SourceFilename "
            f'relativeToVRT="0">{escape(dataset.path)}</SourceFilename><SourceBand>{band}</SourceBand><SrcRect '
            f'xOff="{start}" yOff="0" xSize="{size}" ySize="{height}"/><DstRect xOff="{place}" yOff="0" '
            f'xSize="{size}" ySize="{height}"/></SimpleSource>'
            for start, place, size in parts
            if size
        )

    bands = []
    for index in range(1, dataset.count + 1):
        band = dataset.describe(index)
        gap = "" if band.nodata is None else f"<NoDataValue>{band.nodata!r}</NoDataValue>"
        color = "Alpha" if band.is_alpha else "Palette" if band.is_class else ""
        color = f"<ColorInterp>{color}</ColorInterp>" if color else ""
        # 64-bit integers lose digits that no measurement has.
        bands.append(
            f'<VRTRasterBand dataType="{_GDAL_TYPES.get(band.dtype, "Float64")}" band="{index}">'
            f"<Description>{escape(band.name)}</Description>{gap}{color}<UnitType>{escape(band.unit)}</UnitType>"
            f"<Offset>{band.offset!r}</Offset><Scale>{band.scale!r}</Scale>{sources(str(index))}</VRTRasterBand>"
        )
    mask = ""
    if dataset.has_mask(1) and not any(dataset.describe(index).is_alpha for index in range(1, dataset.count + 1)):
        mask = f'<MaskBand><VRTRasterBand dataType="Byte">{sources("mask,1")}</VRTRasterBand></MaskBand>'
    tags = "".join(f'<MDI key="{escape(key)}">{escape(value)}</MDI>' for key, value in dataset.tags().items())
    a, b, c, d, e, f = from_minus_180(dataset.transform, column)
    return (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">'
        f"<SRS>{escape(crs.to_wkt())}</SRS><Metadata>{tags}</Metadata>"
        f"<GeoTransform>{c!r}, {a!r}, {b!r}, {f!r}, {d!r}, {e!r}</GeoTransform>{''.join(bands)}{mask}</VRTDataset>"
    )


def grid_of(source: Source) -> Grid:
    """Return the grid of a raster.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Grid
    """
    with open_raster(source) as dataset:
        return Grid.of(dataset, source.label)
