"""Between Processing's parameters and plain Python: layers to paths and tables, tables to layers."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsMapLayer,
    QgsPointXY,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProperty,
    QgsRasterLayer,
    QgsRasterLayerTemporalProperties,
    QgsUnitTypes,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime, QVariant

from sm_toolbox.errors import InputError, ToolboxError
from sm_toolbox.progress import Progress
from sm_toolbox.raster.naming import part_of
from sm_toolbox.raster.times import Time

from .crs import core_crs, wkt_of


def raster_sources(algorithm, parameters, key, context):
    """Resolve a multiple-layers parameter to `Source` objects; none where it is optional and not set.

    Raises
    ------
    InputError
        Where a layer cannot be loaded: Processing itself would leave it out without a word.
    """
    from sm_toolbox.raster.opening import Source

    asked = parameters.get(key)
    if not asked:
        definition = algorithm.parameterDefinition(key)
        if not definition.flags() & definition.Flag.FlagOptional:
            raise InputError(f"{labelled(definition)} needs at least one raster.")
        return []
    items = asked if isinstance(asked, (list, tuple)) else [asked]
    if len(items) > 1 and any(map(is_for_gdal, items)):
        return [source for item in items for source in raster_sources(algorithm, {key: item}, key, context)]
    if is_for_gdal(items[0]):
        return [Source(items[0])]
    layers = algorithm.parameterAsLayerList(parameters, key, context)
    if len(layers) < len(items):
        lost = lost_layers(algorithm, {key: asked}, context) or [f"{key}: {asked}"]
        raise InputError(
            f"These cannot be loaded as rasters: {', '.join(lost)}. Check the paths, and that QGIS can show the files."
        )
    return [source_of(layer, key) for layer in layers]


# What Processing's own 'Save to GeoPackage…' gives for an output.
TABLE_IN_FILE = re.compile(r"""(?:ogr:)?dbname='(?P<path>(?:[^'\\]|\\.)+)' table="(?P<part>(?:[^"]|"")+)\"""")


# Files of several rasters that QGIS takes for a mesh or a table, or cannot open without asking which of them is meant.
_SEVERAL = (".nc", ".nc4", ".cdf", ".h5", ".he5", ".hdf5", ".hdf")


def is_for_gdal(item) -> bool:
    """Say whether an item is a path that GDAL reads and QGIS does not take for a raster.

    Such are NetCDF and HDF files, rasters within a file as GDAL names them (`NETCDF:"a.nc":ndvi`,
    `HDF5:"a.h5"://group/variable`), files within archives (`/vsizip/a.zip/b.tif`), and names with a bar.
    """
    if not isinstance(item, str):
        return False
    if os.path.isfile(item):
        return item.lower().endswith(_SEVERAL) or "|" in os.path.basename(item)
    return file_within(item) is not None


def file_within(text: str) -> str | None:
    """Return the file on disk behind a name of GDAL's that is no plain path; None where GDAL opens no raster by it."""
    if not re.match(r"(?!file:|https?:)[A-Za-z]\w+:|/vsi", text):
        return None
    from osgeo import gdal

    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        # It returns nothing where it fails, or raises where another plugin has switched GDAL's exceptions on.
        dataset = gdal.OpenEx(text, gdal.OF_RASTER)
        files = dataset.GetFileList() if dataset is not None else None
    except RuntimeError:
        return None
    finally:
        gdal.PopErrorHandler()
    if dataset is None:
        return None
    return next(filter(None, map(_on_disk, files or [text])), text)


def rasters_within(path: str) -> list[str]:
    """Return the names of the rasters within a file, as GDAL opens them; none where there are none."""
    from osgeo import gdal

    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        # It returns nothing where it fails, or raises where another plugin has switched GDAL's exceptions on.
        dataset = gdal.OpenEx(path, gdal.OF_RASTER)
        return [] if dataset is None else [name for name, _ in dataset.GetSubDatasets()]
    except RuntimeError:
        return []
    finally:
        gdal.PopErrorHandler()


def _on_disk(name: str) -> str | None:
    """Return the file on disk that a name, maybe of a file within an archive, begins with."""
    path = re.sub(r"^(/vsi\w+/)+", "", name).lstrip("{").split("}")[0]
    while path and not os.path.isfile(path):
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent
    return path or None


def band_names(path: str) -> list[str]:
    """Return the descriptions of the bands of a raster; none where it cannot be read, or has several rasters in it."""
    from sm_toolbox.raster.bands import read_bands
    from sm_toolbox.raster.opening import Source

    try:
        return [band.name for band in sorted(read_bands([Source(path)]), key=lambda band: band.index)]
    except ToolboxError:
        return []


def lost_layers(algorithm, parameters, context) -> list[str]:
    """List the texts given for layers that do not lead to one, as `KEY: text`."""
    lost = []
    for definition in algorithm.parameterDefinitions():
        if definition.type() not in ("raster", "multilayer", "source", "vector"):
            continue
        value = parameters.get(definition.name())
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, str) and item and QgsProcessingUtils.mapLayerFromString(item, context) is None:
                lost.append(f"{definition.name()}: '{item}'")
    return lost


def places_behind(value, context) -> set[tuple[str, str]]:
    """Return the files of the layers that a parameter's value, or a list of values, stands for; outputs included.

    Returns
    -------
    set of (str, str)
        File, and the table or raster in it; that is empty where the file as a whole is meant.
    """
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink.staticValue()
    if isinstance(value, (list, tuple)):
        return {place for item in value for place in places_behind(item, context)}
    source = getattr(value, "source", None)
    if isinstance(source, QgsProperty):
        value = source.staticValue()
    if isinstance(value, str) and not os.path.exists(value.split("|")[0]):
        value = QgsProcessingUtils.mapLayerFromString(value, context, False) or value
    if isinstance(value, QgsMapLayer):
        value = value.source()
    if not isinstance(value, str) or not value:
        return set()
    table = TABLE_IN_FILE.match(value)
    if table is not None:
        return {(os.path.realpath(table["path"].replace("\\'", "'")), table["part"].replace('""', '"'))}
    if os.path.isfile(value):
        return {(os.path.realpath(value), "")}
    within = file_within(value)
    if within is not None:
        return {(os.path.realpath(within), part_of(value))}
    path, *options = value.removeprefix("file://").split("|")
    part = next((option.removeprefix("layername=") for option in options if option.startswith("layername=")), "")
    return {(os.path.realpath(path.split("?")[0]), part)}


def places_within(path: str) -> set[str]:
    """Return the files that a layer's file is made of, recursively: the sources of a VRT, of rasters or tables.

    The file itself is not among them, nor what cannot be opened.
    """
    from osgeo import gdal

    files: set[str] = set()
    waiting = [path]
    while waiting:
        # It returns nothing where it fails, or raises where another plugin has switched GDAL's exceptions on.
        with contextlib.suppress(RuntimeError):
            dataset = gdal.OpenEx(waiting.pop())
            for name in (dataset.GetFileList() if dataset is not None else None) or ():
                real = os.path.realpath(name)
                if real not in files and real != path:
                    files.add(real)
                    waiting.append(real)
    return files


def labelled(definition) -> str:
    """Name a parameter as the dialog and as scripts do."""
    return f"'{definition.description()}' ({definition.name()})"


def raster_source(algorithm, parameters, key, context):
    """Resolve a raster parameter to a `Source`, or None where it is optional and not set."""
    if parameters.get(key) is None:
        return None
    if is_for_gdal(parameters[key]):
        from sm_toolbox.raster.opening import Source

        return Source(parameters[key])
    layer = algorithm.parameterAsRasterLayer(parameters, key, context)
    if layer is None:
        raise InputError(
            f"{key}: '{parameters[key]}' cannot be loaded as a raster. Check the path and that QGIS can show the file."
        )
    return source_of(layer, key)


# QGIS moved this enumeration in 3.36 and kept the old name; sip shows its members in the class itself.
_FIXED_RANGE = QgsRasterLayerTemporalProperties.ModeFixedTemporalRange  # qt6: kept by QGIS


def source_of(layer: QgsMapLayer, key: str):
    """Return the file behind a raster layer, with the layer's name and temporal range."""
    from sm_toolbox.raster.opening import Source

    if not isinstance(layer, QgsRasterLayer) or layer.dataProvider() is None or layer.dataProvider().name() != "gdal":
        raise InputError(
            f"{key}: the layer '{layer.name()}' is not a raster file. Export it as GeoTIFF first (Layer > Save as)."
        )
    temporal = layer.temporalProperties()
    time = None
    if temporal.isActive() and temporal.mode() == _FIXED_RANGE:
        begin = temporal.fixedTemporalRange().begin()
        if begin.isValid():
            time = _time(begin)
    # A path may carry '|option:' parts for GDAL's open options, or have a bar in its name.
    path = layer.source() if os.path.exists(layer.source()) else layer.source().split("|")[0]
    return Source(path, _known_as(layer.name(), path), time, _given_crs(layer), _given_gaps(layer))


def _known_as(name: str, path: str) -> str:
    """Return what messages and reports call a layer: the temporary rasters of a workflow, all of which Processing
    calls OUTPUT, have the names of their variables.
    """
    folder, file = os.path.split(path)
    if name != os.path.splitext(file)[0] or not re.fullmatch(r"[0-9a-f]{32}", os.path.basename(folder)):
        return name
    variables = list(dict.fromkeys(band.partition("@")[0] for band in band_names(path)))
    return " to ".join(dict.fromkeys([*variables[:1], *variables[-1:]])) or name


def _given_crs(layer: QgsRasterLayer) -> str:
    """Return the WKT of the CRS that the user gave a layer; empty where it is the file's."""
    if not layer.crs().isValid() or layer.crs() == layer.dataProvider().crs():
        return ""
    return wkt_of(layer.crs())


def _given_gaps(layer: QgsRasterLayer) -> tuple[tuple[int, float, float], ...]:
    """Return the ranges of values that the user declared to be no data (Layer properties > Transparency), by band."""
    provider = layer.dataProvider()
    return tuple(
        (band, low if math.isfinite(low) else -math.inf, high if math.isfinite(high) else math.inf)
        for band in range(1, provider.bandCount() + 1)
        for low, high in ((each.min(), each.max()) for each in provider.userNoDataValues(band))
    )


def _time(value: QDateTime) -> Time:
    start = naive_utc(value)
    midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
    return Time(start, "day" if midnight else "second")


def naive_utc(value: QDateTime) -> datetime:
    """Return a moment in UTC, without a zone; one that has none is taken for UTC."""
    if value.timeSpec() in (Qt.TimeSpec.OffsetFromUTC, Qt.TimeSpec.TimeZone):
        value = value.toUTC()
    return value.toPyDateTime().replace(tzinfo=None)


@dataclass
class LayerTable:
    """A vector layer as columns.

    Parameters
    ----------
    name : str
        The layer's name, for messages.
    columns : dict of str to list
        Attributes as Python values: None for NULL, `datetime.date` and `datetime.datetime` (UTC) for dates.
    fields : QgsFields
    geometries : list of QgsGeometry
        One per row; empty where the layer has none.
    x, y : ndarray of float
        Coordinates in `crs`; NaN where a row has no point.
    crs : QgsCoordinateReferenceSystem
    wkb : QgsWkbTypes.Type
        The kind of geometry.
    """

    name: str
    columns: dict
    fields: QgsFields
    geometries: list
    x: np.ndarray
    y: np.ndarray
    crs: QgsCoordinateReferenceSystem

    wkb: QgsWkbTypes.Type

    def __len__(self) -> int:
        return len(self.x)

    @property
    def has_geometry(self) -> bool:
        """Whether the layer is more than a table."""
        return self.wkb != QgsWkbTypes.Type.NoGeometry


def open_source(algorithm, parameters, key, context):
    """Open a feature source in the main thread; it is read later with `read_table`."""
    source = algorithm.parameterAsSource(parameters, key, context)
    if source is None:
        raise InputError(
            f"{key}: '{parameters.get(key)}' cannot be loaded as a vector layer. Check the path, and for a text "
            "file that it was added as a layer."
        )
    return source


def read_table(source, progress: Progress, points: bool) -> LayerTable:
    """Read a feature source.

    Parameters
    ----------
    source : QgsProcessingFeatureSource
    progress : Progress
    points : bool
        Whether every row must be a point, in a known CRS.
    """
    name, crs = source.sourceName(), source.sourceCrs()
    if points:
        if QgsWkbTypes.geometryType(source.wkbType()) != QgsWkbTypes.GeometryType.PointGeometry:
            raise InputError(
                f"The layer '{name}' has no points. Load a table as points with 'Create points layer from table' first."
            )
        if not crs.isValid():
            raise InputError(
                f"The layer '{name}' has no coordinate reference system. Set it with 'Layer > Set CRS' or 'Assign "
                "projection'."
            )
    names = source.fields().names()
    columns: dict = {field: [] for field in names}
    geometries, xs, ys = [], [], []
    for number, feature in enumerate(source.getFeatures()):
        if number % 2000 == 0:
            progress.check()
        for field, value in zip(names, feature.attributes()):
            columns[field].append(_python_value(value))
        geometry = feature.geometry()
        geometries.append(geometry)
        point = None if geometry.isNull() else geometry.constGet()
        if point is not None and geometry.isMultipart():
            point = point.geometryN(0) if point.numGeometries() == 1 else None
        if point is not None and (QgsWkbTypes.flatType(point.wkbType()) != QgsWkbTypes.Type.Point or point.isEmpty()):
            point = None
        xs.append(np.nan if point is None else point.x())
        ys.append(np.nan if point is None else point.y())
    if not xs:
        raise InputError(
            f"The layer '{name}' has no rows. Check its filter and, where 'Selected features only' is set, the "
            "selection."
        )
    return LayerTable(
        name, columns, source.fields(), geometries, np.array(xs, float), np.array(ys, float), crs, source.wkbType()
    )


def _python_value(value):
    if value is None or value == NULL:
        return None
    if isinstance(value, QDateTime):
        return naive_utc(value) if value.isValid() else None
    if isinstance(value, QDate):
        return date(value.year(), value.month(), value.day()) if value.isValid() else None
    return value


def table_rows(table: LayerTable, station: str, time: str):
    """Return the place, time and station of every row of a point layer; empty field names stand for no field."""
    from sm_toolbox.columns import to_names, to_times
    from sm_toolbox.stations.sampling import Rows

    times = to_times(table.columns[time], time, table.name) if time else None
    names = to_names(table.columns[station]) if station else None
    return Rows(table.name, table.x, table.y, core_crs(table.crs, table.name), times, names)


def append_fields(fields: QgsFields, added) -> None:
    """Add fields; one whose name is taken already gets underscores after it.

    Parameters
    ----------
    fields : QgsFields
        Changed.
    added : iterable of (str, kind)
        Name and kind (NUMBER, INTEGER, TEXT) of each.
    """
    for name, kind in added:
        while fields.lookupField(name) >= 0:
            name += "_"
        fields.append(QgsField(name, kind))


def time_attribute(time: Time | None, kind):
    """Return a time as a field of a kind (DATE, DATETIME or text) keeps it."""
    if time is None:
        return None
    if kind == DATE:
        return time.start.date()
    return time.start if kind == DATETIME else str(time)


def layout_of(table: LayerTable):
    """Return the points of a layer in metres, for distances; None where it has none."""
    from sm_toolbox.models.layout import Layout

    if not table.has_geometry or not table.crs.isValid():
        return None
    metres = QgsUnitTypes.fromUnitToUnitFactor(table.crs.mapUnits(), QgsUnitTypes.DistanceUnit.DistanceMeters)
    crs = None if table.crs.isGeographic() else core_crs(table.crs, table.name)
    return Layout.of(table.x, table.y, geographic=crs is None, metres_per_unit=metres, crs=crs)


# PyQt6 has neither QVariant.Type nor these names; qgis.PyQt adds the flat ones, and QgsField takes them from 3.22 to 4.
NUMBER, INTEGER, TEXT = QVariant.Double, QVariant.Int, QVariant.String
DATE, DATETIME = QVariant.Date, QVariant.DateTime


def attribute(value):
    """Return a value as QGIS keeps it in a feature; NaN becomes NULL."""
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, datetime):
        return utc_moment(value)
    if isinstance(value, date):
        return QDate(value.year, value.month, value.day)
    return value


def utc_moment(value: datetime) -> QDateTime:
    """Return a moment in UTC as Qt keeps it; PyQt6 has no constructor of eight numbers with a time zone."""
    return QDateTime(
        QDate(value.year, value.month, value.day), QTime(value.hour, value.minute, value.second), Qt.TimeSpec.UTC
    )


def point_geometry(x: float, y: float) -> QgsGeometry:
    """Return a point."""
    return QgsGeometry.fromPointXY(QgsPointXY(x, y))


def write_report(algorithm, make: Callable) -> str | None:
    """Make and write the report where it is asked for; return its path."""
    path = algorithm.outputs.path("REPORT")
    if path is not None:
        make().write(path, algorithm.in_keys)
    return path
