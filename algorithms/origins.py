"""What a table knows of the rasters behind its columns, kept with layers of every kind."""

from __future__ import annotations

import contextlib
import os

from qgis.core import QgsField, QgsFields, QgsMapLayer, QgsProcessingUtils, QgsProperty

from sm_toolbox.errors import OutputError

from .layers import places_behind
from .tables import open_table

# Where a layer keeps what is known of its columns: a property of the layer in QGIS, an item of a table's metadata in
# GeoPackages, and comments of fields where GDAL (3.7 and later) and the format keep them.
_ORIGINS_PROPERTY, _ORIGINS_ITEM = "smtoolbox/origins", "SMTOOLBOX_ORIGINS"


def note_origins(fields: QgsFields, origins) -> QgsFields:
    """Return fields with what is known of the rasters behind them as comments; `origins` is by field."""
    from sm_toolbox.raster.origins import origins_to_text

    noted = QgsFields()
    for field in fields:
        copy = QgsField(field)
        if field.name() in origins:
            copy.setComment(origins_to_text({field.name(): origins[field.name()]}))
        noted.append(copy)
    return noted


def keep_origins(destination: str | None, fields: QgsFields, context) -> None:
    """Keep with a written layer what the comments of its fields say; few layers keep comments themselves.

    What can keep nothing, such as text, goes without: models then find their predictors by name alone.
    """
    from sm_toolbox.raster.origins import origins_from_text, origins_to_text

    origins = {name: origin for field in fields for name, origin in origins_from_text(field.comment()).items()}
    if not destination or not origins:
        return
    path, _, table = destination.partition("|layername=")
    if os.path.isfile(path):
        _note_in_geopackage(path, table.split("|")[0], origins_to_text(origins))
        return
    layer = QgsProcessingUtils.mapLayerFromString(destination, context, False)
    if layer is not None:
        layer.setCustomProperty(_ORIGINS_PROPERTY, origins_to_text(origins))


def _note_in_geopackage(path: str, table: str, text: str) -> None:
    from osgeo import gdal

    if not path.lower().endswith(".gpkg"):
        return
    kept = None
    for mode in (gdal.OF_UPDATE, gdal.OF_READONLY):
        with contextlib.suppress(RuntimeError):
            dataset, layer = open_table(path, table, mode)
            if layer is not None and mode == gdal.OF_UPDATE:
                layer.SetMetadataItem(_ORIGINS_ITEM, text)
            elif layer is not None:
                kept = layer.GetMetadataItem(_ORIGINS_ITEM)
            del layer, dataset
    if kept != text:
        # Models would take another product of a variable for the one that they learned.
        raise OutputError(
            f"What '{path}' knows of the rasters behind its columns could not be written. Nothing was kept. Check "
            "the free space of the disk."
        )


def read_origins(value, fields: QgsFields, context) -> dict:
    """Read what a vector layer notes of the rasters behind its columns, by column, from a parameter's value."""
    from sm_toolbox.raster.origins import origins_from_text

    source = getattr(value, "source", None)
    if isinstance(source, QgsProperty):
        value = source.staticValue()
    if isinstance(value, str):
        value = QgsProcessingUtils.mapLayerFromString(value, context) or value
    origins = {name: origin for field in fields for name, origin in origins_from_text(field.comment()).items()}
    if isinstance(value, QgsMapLayer):
        origins |= origins_from_text(value.customProperty(_ORIGINS_PROPERTY))
    for path, table in places_behind(value, context):
        if path.lower().endswith(".gpkg") and os.path.isfile(path):
            with contextlib.suppress(RuntimeError):
                dataset, layer = open_table(path, table)
                origins |= origins_from_text(None if layer is None else layer.GetMetadataItem(_ORIGINS_ITEM))
                del layer, dataset
    names = set(fields.names())
    return {name: origin for name, origin in origins.items() if name in names}
