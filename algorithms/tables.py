"""Tables on their way into files that have others, such as GeoPackages of a project."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from typing import Any

from sm_toolbox.errors import OutputError


def open_table(path: str, table: str = "", mode: int = 0):
    """Open a table of a file with GDAL, by default the first; return dataset and layer, or None for both.

    `mode` is one of GDAL's, for reading where it is not given.
    """
    from osgeo import gdal

    dataset = None
    # It returns nothing where it fails, or raises where another plugin has switched GDAL's exceptions on.
    with contextlib.suppress(RuntimeError):
        dataset = gdal.OpenEx(path, gdal.OF_VECTOR | mode)
    if dataset is None:
        return None, None
    return dataset, dataset.GetLayerByName(table) if table else dataset.GetLayer(0)


def number_of_rows(dataset, layer) -> int:
    """Count the rows of a table; not by the number that a GeoPackage keeps of itself."""
    if dataset.GetDriver().ShortName not in ("GPKG", "SQLite"):
        return layer.GetFeatureCount(1)
    return _asked(dataset, "SELECT COUNT(*) FROM {}".format(_quoted(layer.GetName(), '"')))


def has_spatial_index(dataset, layer) -> bool:
    """Say whether a table of a GeoPackage has the index by place with which it was to be written."""
    return (
        _asked(dataset, f"SELECT HasSpatialIndex({_quoted(layer.GetName())}, {_quoted(layer.GetGeometryColumn())})")
        == 1
    )


def _quoted(name: str, mark: str = "'") -> str:
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"


def _asked(dataset, sql: str) -> int:
    """Return the one number that a query gives."""
    result = dataset.ExecuteSQL(sql)
    number = result.GetNextFeature().GetField(0)
    dataset.ReleaseResultSet(result)
    return number


@dataclass(frozen=True)
class Table:
    """A table that lies ready in a file of its own, on its way into one that has others.

    Parameters
    ----------
    source : str
        The file that it lies in.
    name : str
    count : int
        Its rows.
    label : str
        The output that it is, for messages.
    """

    source: str
    name: str
    count: int
    label: str


class TablesToCome:
    """The tables of a run that go into one file (a `PendingChange`), in one transaction.

    A second transaction would wait for the first for ever.
    """

    def __init__(self, path: str):
        self.tables: list[Table] = []
        self._path = path
        self._dataset: Any = None

    def make(self) -> None:
        """Copy the tables within a transaction: a computer that stops here leaves the file as it was."""
        for pause in (0.3, 1, 3, 5, None):
            try:
                self._make()
                return
            except OutputError as error:
                if pause is None or "locked" not in str(error):
                    raise
                # Another run is at its end, too: it needs the file for a moment only.
                self.undo()
                time.sleep(pause)

    def _make(self) -> None:
        from osgeo import gdal

        for number, table in enumerate(self.tables):
            with self._told(table) as gdal_failed:
                if number == 0:
                    self._dataset = gdal.OpenEx(self._path, gdal.OF_VECTOR | gdal.OF_UPDATE)
                    if self._dataset is None or self._dataset.StartTransaction() != 0:
                        raise gdal_failed()
                source = gdal.OpenEx(table.source, gdal.OF_VECTOR)
                if source is None:
                    raise gdal_failed()
                self._copy(source.GetLayerByName(table.name), table, gdal_failed)

    def _copy(self, layer, table, gdal_failed) -> None:
        from osgeo import ogr

        described = layer.GetLayerDefn()
        options = [
            "OVERWRITE=YES",
            f"GEOMETRY_NAME={layer.GetGeometryColumn() or 'geom'}",
            f"FID={layer.GetFIDColumn() or 'fid'}",
        ]
        copy = self._dataset.CreateLayer(table.name, layer.GetSpatialRef(), layer.GetGeomType(), options)
        if copy is None or any(
            copy.CreateField(described.GetFieldDefn(i)) != 0 for i in range(described.GetFieldCount())
        ):
            raise gdal_failed()
        copy.SetMetadata(layer.GetMetadata())
        definition = copy.GetLayerDefn()
        for row in layer:
            feature = ogr.Feature(definition)
            if feature.SetFrom(row) != 0 or copy.CreateFeature(feature) != 0:
                raise gdal_failed()
        if copy.SyncToDisk() != 0 or number_of_rows(self._dataset, copy) != table.count:
            raise gdal_failed()

    def confirm(self) -> None:
        """End the transaction."""
        with self._told(self.tables[-1]) as gdal_failed:
            if self._dataset.CommitTransaction() != 0:
                raise gdal_failed()
        self._dataset = None

    def undo(self) -> None:
        """Give the transaction up."""
        from osgeo import gdal

        if self._dataset is not None:
            # GDAL complains of triggers on the table that is gone.
            gdal.PushErrorHandler("CPLQuietErrorHandler")
            with contextlib.suppress(RuntimeError):
                self._dataset.RollbackTransaction()
            with contextlib.suppress(RuntimeError):
                self._dataset = None
            gdal.PopErrorHandler()

    @contextlib.contextmanager
    def _told(self, table):
        """Turn GDAL's failures into ours, raised or only logged; yields what makes an error of its last words."""
        from osgeo import gdal

        gdal.PushErrorHandler("CPLQuietErrorHandler")
        gdal.ErrorReset()
        try:
            yield lambda: RuntimeError(gdal.GetLastErrorMsg() or "not all rows arrived")
        except RuntimeError as error:
            raise self._failed(table, error) from error
        finally:
            gdal.PopErrorHandler()

    def _failed(self, table, error) -> OutputError:
        return OutputError(
            f"{table.label}: the table '{table.name}' could not be written into '{self._path}' "
            f"({without_sql(error)}). Close the programs that write into it, and check the free space of the "
            "disk. Nothing was changed."
        )


def without_sql(error) -> str:
    """Return what GDAL says of a failure without the statements that it quotes, which run to pages."""
    return re.sub(r"sqlite3_\w+\(.*\) failed: ", "", str(error), flags=re.DOTALL)
