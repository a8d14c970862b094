"""What a run writes: each place evaluated once, checked before the work, and all of it given its name together."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qgis.core import (
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterDestination,
    QgsProcessingUtils,
    QgsProperty,
    QgsWkbTypes,
)
from qgis.PyQt import sip

from sm_toolbox.errors import InputError, OutputError
from sm_toolbox.files import StagedOutputs, check_output, check_writable, one_at_a_time
from sm_toolbox.progress import Progress

from .layers import TABLE_IN_FILE, attribute, labelled, places_behind, places_within
from .origins import keep_origins
from .tables import Table, TablesToCome, has_spatial_index, number_of_rows, open_table, without_sql

_LAYERS = ("raster", "multilayer", "source", "vector", "file")


class RunOutputs:
    """The outputs of one run of an algorithm.

    A context manager; what has not been kept by its end is removed, and what was there before stays.

    Parameters
    ----------
    algorithm : ToolboxAlgorithm
    parameters : dict
    context : QgsProcessingContext
    """

    def __init__(self, algorithm, parameters, context):
        self._algorithm, self._parameters, self._context = algorithm, parameters, context
        self._definitions = {
            definition.name(): definition for definition in algorithm.destinationParameterDefinitions()
        }
        self._staged = StagedOutputs()
        # Tables with a name of their own: on their way into files that are there, and in new files.
        self._tables: dict[str, TablesToCome] = {}
        self._new_files: dict[str, list[Table]] = {}
        # The name of a raster or file, by key. Asked for a second time, Processing makes up a second temporary one, and
        # waits for both.
        self._finals = {}
        for key, definition in self._definitions.items():
            if parameters.get(key) is None:
                continue
            if isinstance(definition, QgsProcessingParameterRasterDestination):
                self._finals[key] = algorithm.parameterAsOutputLayer(parameters, key, context)
            elif isinstance(definition, QgsProcessingParameterFileDestination):
                self._finals[key] = algorithm.parameterAsFileOutput(parameters, key, context)

    def __enter__(self):
        self._staged.__enter__()
        return self

    def __exit__(self, *error):
        self._staged.__exit__(*error)

    def path(self, key: str) -> str | None:
        """Return where to write a raster or a file; None where it is not asked for."""
        final = self._finals.get(key)
        return self._staged.path(final) if final else None

    def final(self, key: str) -> str | None:
        """Return the name that a raster or a file gets in the end."""
        return self._finals.get(key)

    def in_words(self, text: str) -> str:
        """Return a message in which files have the names that the user gave them."""
        return self._staged.in_words(text)

    def keep(self, results: dict) -> dict:
        """Give everything its name, and return the results with these names."""
        # Between the look whether a file is there and its making no other run makes it.
        with one_at_a_time(os.path.dirname(os.path.realpath(path)) for path in self._new_files):
            self._join_others()
            self._staged.keep()
        named = {key: self.in_words(value) if isinstance(value, str) else value for key, value in results.items()}
        # As QGIS knows them: a folder may have several names, by links and by drives of a network.
        return {key: self._finals[key] if value and self._finals.get(key) else value for key, value in named.items()}

    def check(self) -> None:
        """Find out before the work whether all can be written, and that none is an input or another output.

        Raises
        ------
        OutputError
        """
        self._check_that_nothing_is_lost()
        for key, final in self._finals.items():
            if not final:
                continue
            if isinstance(self._definitions[key], QgsProcessingParameterRasterDestination):
                from sm_toolbox.raster.outputs import check_raster_output

                check_raster_output(final)
            else:
                check_output(final)
        for key, definition in self._definitions.items():
            if key in self._finals or isinstance(definition, QgsProcessingParameterFolderDestination):
                continue
            for path, part in places_behind(self._parameters.get(key), self._context):
                # Others are no files: TEMPORARY_OUTPUT, memory:, tables of a database server.
                if ":" not in os.path.basename(path) and (os.path.splitext(path)[1] or os.path.exists(path)):
                    # A table of a file that is there already leaves the file where it is.
                    (check_writable if part else check_output)(path)

    def _check_that_nothing_is_lost(self) -> None:
        taken = []
        for definition in self._algorithm.parameterDefinitions():
            if definition.name() not in self._definitions and definition.type() in _LAYERS:
                for path, part in places_behind(self._parameters.get(definition.name()), self._context):
                    if not part and definition.type() in ("source", "vector"):
                        part = _first_table(path)
                    taken.append((path, part, f"the input {labelled(definition)}"))
        inputs, look = list(taken), functools.lru_cache(maxsize=None)(places_within)
        for key, definition in sorted(self._definitions.items()):
            for path, part in places_behind(self._parameters.get(key), self._context):
                for other, other_part, what in taken:
                    if path == other and (not part or not other_part or part.casefold() == other_part.casefold()):
                        raise OutputError(
                            f"{labelled(definition)} would overwrite {what}: both are '{path}'. Give the output "
                            "another name."
                        )
                if os.path.isfile(path):
                    # Only where a file is there to lose: the look into each input takes its time.
                    for other, _, what in inputs:
                        if path in look(other):
                            raise OutputError(
                                f"{labelled(definition)} would overwrite '{path}', of which {what} ('{other}') is "
                                "made. Give the output another name."
                            )
                if os.path.splitext(path)[1]:
                    taken.append((path, part, f"the output {labelled(definition)}"))

    # Tables ---------------------------------------------------------------------------------------------------------

    def write_table(
        self, key: str, fields: QgsFields, rows, geometries: Sequence, crs, progress: Progress, wkb=None
    ) -> str | None:
        """Write rows as a table in one go, once everything has been computed.

        Parameters
        ----------
        key : str
        fields : QgsFields
        rows : iterable of sequence
            Attribute values in the order of the fields; NaN becomes NULL.
        geometries : sequence of QgsGeometry, or empty for a table
        crs : QgsCoordinateReferenceSystem
        progress : Progress
        wkb : QgsWkbTypes.Type, optional

        Returns
        -------
        str or None
            The layer's id or path; None where the output is not asked for.
        """
        definition = self._definitions[key]
        value = self._parameters.get(key)
        if value is None and definition.flags() & definition.Flag.FlagOptional:
            return None
        progress.check()
        kind = wkb if wkb is not None else (QgsWkbTypes.Type.Point if geometries else QgsWkbTypes.Type.NoGeometry)
        text = _text(value, self._context)
        _refuse_shapefile(text, labelled(definition), fields, kind)
        place = _place(text)
        asked = text or value if place is None else self._staged_name(place)
        parameters = self._parameters if place is None else {**self._parameters, key: _renamed(value, asked)}
        written, count = self._write_rows(parameters, key, fields, rows, geometries, crs, kind, progress)
        keep_origins(written, fields, self._context)
        if place is None:
            return written
        self._check_table(definition, place, written, count)
        path, separator, table = written.partition("|")
        if place.table is not None:
            ready = Table(path, place.table, count, labelled(definition))
            (self._into(place.path) if place.within else self._new_files.setdefault(place.path, [])).append(ready)
            separator, table = ("|", f"layername={place.table}") if place.within else (separator, table)
        return self._to_load(value, definition, f"{place.path}{separator}{table}")

    def _into(self, path: str) -> list[Table]:
        """Return the list of the tables that go into a file that is there."""
        if path not in self._tables:
            self._tables[path] = TablesToCome(path)
            self._staged.add(self._tables[path])
        return self._tables[path].tables

    def _join_others(self) -> None:
        """Put tables into a file that another run has made since they were written, rather than in its place."""
        for path, tables in self._new_files.items():
            if os.path.exists(path):
                moved = self._staged.aside(path)
                os.replace(self._staged.path(path), moved)
                self._into(path).extend(replace(table, source=moved) for table in tables)

    def _staged_name(self, place: _Place) -> str:
        if place.table is None:
            return self._staged.path(place.path)
        path = self._staged.aside(place.path) if place.within else self._staged.path(place.path)
        quoted, table = path.replace("'", "\\'"), place.table.replace('"', '""')
        return f"ogr:dbname='{quoted}' table=\"{table}\" (geom)"

    def _write_rows(self, parameters, key, fields, rows, geometries, crs, kind, progress) -> tuple[str, int]:
        """Write into what Processing makes for an output, and close it."""
        label = labelled(self._definitions[key])
        try:
            sink, destination = self._algorithm.parameterAsSink(parameters, key, self._context, fields, kind, crs)
        except QgsProcessingException as error:
            raise OutputError(f"{label}: {without_sql(error).rstrip('.')}. {_NOTHING_KEPT}") from error
        if sink is None:
            raise OutputError(
                f"{label}: the layer '{_text(self._parameters.get(key), self._context)}' cannot be created. Check "
                f"the extension of its name. {_NOTHING_KEPT}"
            )
        count = 0
        try:
            for number, row in enumerate(rows):
                if number % 2000 == 0:
                    progress.check()
                feature = QgsFeature(fields)
                feature.setAttributes([attribute(value) for value in row])
                if geometries:
                    feature.setGeometry(geometries[number])
                if not sink.addFeature(feature, QgsFeatureSink.Flag.FastInsert):
                    raise OutputError(
                        f"{label}: row {number + 1} could not be written ({without_sql(sink.lastError())}). "
                        f"{_NOTHING_KEPT}"
                    )
                count += 1
            if not sink.flushBuffer():
                raise OutputError(
                    f"{label}: the table could not be completed ({without_sql(sink.lastError())}). {_NOTHING_KEPT}"
                )
        finally:
            # The rows are in the file, and errors at the end show, only once the sink is gone.
            sip.delete(sink)
        return destination, count

    def _check_table(self, definition, place, written, count) -> None:
        """Look whether the closed file has all that was written: a disk that is full at the end raises nothing."""
        missing = _what_is_missing(written, count)
        if missing:
            raise OutputError(
                f"{labelled(definition)}: '{place.path}' could not be written whole ({missing}). {_NOTHING_KEPT}"
            )

    def _to_load(self, value, definition, destination: str) -> str:
        """Have QGIS load a table where that was asked for, under the name that it has in the end."""
        project = value.destinationProject if isinstance(value, QgsProcessingOutputLayerDefinition) else None
        if project is not None:
            name = value.destinationName or definition.description()
            details = QgsProcessingContext.LayerDetails(
                name, project, definition.name(), QgsProcessingUtils.LayerHint.Vector
            )
            self._context.addLayerToLoadOnCompletion(destination, details)
        return destination


_NOTHING_KEPT = "Nothing was kept. Check the free space of the disk."


@dataclass(frozen=True)
class _Place:
    """A file that a table is to be, or a table that is to be in a file.

    Parameters
    ----------
    path : str
        As it was given.
    table : str or None
        Its name in the file, where one was given.
    within : bool
        Whether the file is there already, and keeps its other tables. Looked at once: another run may make it while
        this one writes.
    """

    path: str
    table: str | None = None
    within: bool = False


def _text(value, context) -> str:
    """Return what was given for an output, as text."""
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink
    if isinstance(value, QgsProperty):
        value, _ = value.valueAsString(context.expressionContext(), "")
    return value if isinstance(value, str) else ""


def _place(text: str) -> _Place | None:
    """Return the file that a text stands for; None where it is none: memory layers, tables of a database server."""
    table = TABLE_IN_FILE.match(text)
    if table is not None:
        path = table["path"].replace("\\'", "'")
        return _Place(path, table["part"].replace('""', '"'), os.path.exists(path))
    path = text.removeprefix("file://")
    if (
        not path
        or path == "TEMPORARY_OUTPUT"
        or ":" in os.path.basename(path)
        or not os.path.isdir(os.path.dirname(os.path.abspath(path)))
    ):
        return None
    return _Place(path)


def _renamed(value, name: str):
    """Return an output's value with another name; what is said of the format stays."""
    if not isinstance(value, QgsProcessingOutputLayerDefinition):
        return name
    copy = QgsProcessingOutputLayerDefinition(name)
    copy.createOptions = value.createOptions
    return copy


def _what_is_missing(written: str, count: int) -> str:
    """Say what a program that opens a file does not find of a table with so many rows; empty where all is there."""
    from osgeo import ogr

    path, _, table = written.partition("|layername=")
    with contextlib.suppress(RuntimeError):
        dataset, layer = open_table(path, table)
        if layer is None:
            return "no table"
        found = number_of_rows(dataset, layer)
        if found < count:
            return f"{found} of {count} rows"
        is_indexed = (
            dataset.GetDriver().ShortName != "GPKG"
            or layer.GetGeomType() == ogr.wkbNone
            or has_spatial_index(dataset, layer)
        )
        return "" if is_indexed else "without its spatial index"
    return "no table"


def _first_table(path: str) -> str:
    """Return the table that QGIS opens where only the file is named; empty for files that are tables themselves."""
    if not path.lower().endswith((".gpkg", ".sqlite")):
        return ""
    from osgeo import ogr

    dataset = None
    # It returns nothing where there is no table, or raises where another plugin has switched GDAL's exceptions on.
    with contextlib.suppress(RuntimeError):
        dataset = ogr.Open(path)
    return dataset.GetLayer(0).GetName() if dataset is not None and dataset.GetLayerCount() else ""


def _refuse_shapefile(path: str, label: str, fields: QgsFields, kind) -> None:
    """Refuse Shapefiles that would cut field names, by which a model finds its predictors, and such without a shape."""
    if not path.lower().endswith((".shp", ".dbf")):
        return
    long = [name for name in fields.names() if len(name.encode("utf-8")) > 10]
    if long:
        raise InputError(
            f"{label}: a Shapefile cuts the names of fields at 10 characters, here {', '.join(long[:5])}. Write a "
            "GeoPackage (.gpkg) instead."
        )
    if kind == QgsWkbTypes.Type.NoGeometry:
        raise InputError(
            f"{label}: a table has no geometry and makes no Shapefile. Write a GeoPackage (.gpkg) or text (.csv) "
            "instead."
        )
