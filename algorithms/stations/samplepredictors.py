"""Sample predictors at stations."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields, QgsProcessing, QgsProcessingOutputString

from sm_toolbox.errors import InputError

from ..base import ToolboxAlgorithm
from ..layers import (
    NUMBER,
    TEXT,
    core_crs,
    open_source,
    point_geometry,
    raster_sources,
    read_table,
    table_rows,
    time_attribute,
    write_report,
)
from ..origins import note_origins
from ..parameters import (
    add_time_gap,
    choice,
    field,
    integer,
    layer_output,
    number_outputs,
    points,
    rasters,
    report_output,
    switch,
    time_gap,
)

# Names that the toolbox gives to observed soil moisture.
OBSERVED = ("soil_moisture", "value")


class Algorithm(ToolboxAlgorithm):
    NAME = "samplepredictors"
    TITLE = "Sample predictors at stations"
    GROUP = "stations"
    SUMMARY = "Adds the values of rasters to station rows, matched in place and time: the training table of a model."
    DETAILS = (
        "<p>Every band has a variable and perhaps a date: a band described <i>ndvi</i> is static, one described "
        "<i>ndvi@2018-06-01</i> is dated. Where the description holds no date it is taken from the layer's "
        "temporal range, from NetCDF, or from the file's name. A dated band is used for the rows of its day (or "
        "month), or for those within MAX_TIME_GAP days; the nearest wins, a later one, too.</p><p>Where the "
        "stations have a field of a variable's name already, or two products have one variable, the new field "
        "gets the name of its file without the date: <i>soil_moisture_product_a</i>. The table notes variable, "
        "file and grid of every field that it adds; models that learn from it find the rasters again by these "
        "notes.</p><p>Stations are transformed to the CRS of each raster, and each raster is read on its own "
        "grid. Rows outside the rasters, on cells without data or without a band near enough in time keep NULL; "
        "the report lists them by station. How many days a dated band lies from its row is kept in "
        "<i>variable</i>_gap_days where a day or more is allowed (negative: the band is earlier).</p>"
        "<p>EXTRA_TARGETS adds pixels of a coarser soil-moisture product as further rows: its value in the field "
        "EXTRA_VALUE, and the mean of every predictor under the pixel. The field <i>source</i> then tells "
        "stations (<i>station</i>) from pixels (the name of the product), so that a model can be told to weigh "
        "or to leave out either.</p>"
    )
    TAGS = ("extract", "point sampling", "training", "ISMN", "in situ")
    NEEDS = ("pyproj", "pandas")
    EXAMPLE = {
        "STATIONS": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "PREDICTORS": ["soil.tif", "ndvi.tif"],
        "MAX_TIME_GAP": 4,
    }

    def declare(self):
        self.add(
            points("STATIONS", "Stations"),
            "Point layer with one feature per station, or per station and time. All its fields are kept.",
        )
        self.add(
            field("STATION", "Station field", "STATIONS", "station", optional=True),
            "Name or number of the station, for the report. Without it every place counts as a station.",
        )
        self.add(
            field("TIME", "Time field", "STATIONS", "time", optional=True),
            "Date, date and time, or ISO 8601 text (2018-06-01, 2018-06-01T14:30:00), in UTC. Needed where "
            "rasters are dated.",
        )
        self.add(
            field("VALUE", "Observed value", "STATIONS", "soil_moisture", optional=True),
            "Field with the observed soil moisture: it is never replaced, and a raster of its name gets another. "
            "Not set: soil_moisture or value, where there is such a field.",
        )
        self.add(
            rasters("PREDICTORS", "Predictors"),
            "Rasters, single- or multi-band, in any CRS and grid. Every variable becomes a field.",
        )
        add_time_gap(self, "Largest gap in time [days]", "How many days a dated band may lie from the time of the row")
        self.add(
            choice("METHOD", "Value at the point", ["nearest", "bilinear", "mean_3x3"], "nearest"),
            "nearest: the cell that holds the point. bilinear: from the four nearest cell centres. mean_3x3: "
            "mean of the cell and its neighbours. Cells without data are left out of both means; aspect is "
            "averaged as a direction.",
        )
        self.add(
            rasters("EXTRA_TARGETS", "Extra targets: a coarser product", optional=True),
            "Soil-moisture product, static or dated, whose pixels become further rows where they lie wholly "
            "within all predictors. Bands of one variable on one grid; its values must be in the unit of "
            "EXTRA_VALUE.",
            advanced=True,
        )
        self.add(
            field("EXTRA_VALUE", "Field for the product's values", "STATIONS", optional=True, numeric=True),
            "The field of the stations that holds soil moisture; the product's values are written into it. Not "
            "set: VALUE.",
            advanced=True,
        )
        self.add(
            integer("EXTRA_ROWS", "Largest number of extra rows", 10_000, minimum=1),
            "Where the product has more pixels and dates, so many are drawn at random, the same ones in every run.",
            advanced=True,
        )
        self.add(
            layer_output("OUTPUT", "Training table", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "The stations with one numeric field per variable; NULL where there is no value.",
        )
        self.add(
            switch("REPLACE", "Replace fields of the stations that are named as bands"),
            "Such as elevation and sand of imported stations where rasters have them, too. STATION, TIME, VALUE "
            "and EXTRA_VALUE are never replaced. Not set: the raster's field gets the name of its file as a "
            "suffix.",
            advanced=True,
        )
        self.add(
            report_output(self.TITLE),
            "HTML page that counts what was found and lists the stations that lack values, with the reason.",
        )
        self.addOutput(
            QgsProcessingOutputString(
                "FIELDS", "Fields of the predictors, separated by semicolons as 'Train model' takes them"
            )
        )
        number_outputs(self, ROWS="Rows", COMPLETE_ROWS="Rows with a value of every predictor")

    def resolve(self, parameters, context):
        return (
            open_source(self, parameters, "STATIONS", context),
            *(raster_sources(self, parameters, key, context) for key in ("PREDICTORS", "EXTRA_TARGETS")),
        )

    def compute(self, inputs, parameters, context, progress):
        import numpy as np

        from sm_toolbox.models.table import SOURCE_FIELD, STATIONS_SOURCE
        from sm_toolbox.raster.points import transform_points
        from sm_toolbox.stations.pixels import sample_pixels
        from sm_toolbox.stations.report import sampling_report
        from sm_toolbox.stations.sampling import reaches_in_words, sample_rows

        source, rasters_, product = inputs
        table = read_table(source, progress, points=True)
        station, time, given_value, extra_value = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE", "EXTRA_VALUE")
        )
        value = given_value or next((name for name in OBSERVED if name in table.columns), "")
        extra_value = extra_value or given_value
        max_gap = time_gap(self, parameters, context)
        if product and not extra_value:
            raise InputError(
                f"EXTRA_TARGETS needs VALUE or EXTRA_VALUE: the field of '{table.name}' that takes the values of "
                "the product."
            )
        if product and table.fields.field(extra_value).type() != NUMBER:
            raise InputError(
                f"The field '{extra_value}' of '{table.name}', which takes the values of EXTRA_TARGETS, must hold "
                "decimal numbers. Convert it with 'Refactor fields'."
            )
        if product and station and table.fields.field(station).type() != TEXT:
            raise InputError(
                f"EXTRA_TARGETS names its rows in the field '{station}' of '{table.name}', which must be text. "
                "Convert it with 'Refactor fields'."
            )
        rows = table_rows(table, station, time)
        method = self.parameterAsString(parameters, "METHOD", context)
        replace = self.parameterAsBool(parameters, "REPLACE", context)
        needed = [name for name in (station, time, value, extra_value) if name]
        taken = needed if replace else table.fields.names()
        samples = sample_rows(rows, rasters_, max_gap, method, progress.part(0, 0.4 if product else 0.9), taken)
        complete = int(samples.complete.sum())
        if max_gap is None and reaches_in_words(samples.variables):
            progress.info(reaches_in_words(samples.variables))
        report_incomplete(samples, complete, progress)

        columns = {variable.variable: variable.values for variable in samples.variables}
        predictors = ";".join(columns)
        columns |= {
            gap_field(variable.variable): variable.gap_days
            for variable in samples.variables
            if variable.gap_days is not None and (variable.reach_days >= 1 or max_gap)
        }
        added = [*([SOURCE_FIELD] if product else []), *columns]
        replaced = self._replaced(table, added, needed, replace, progress)
        fields = QgsFields()
        for old_field in table.fields:
            if old_field.name() not in replaced:
                fields.append(old_field)
        names = fields.names()
        for name in added:
            fields.append(QgsField(name, TEXT if name == SOURCE_FIELD else NUMBER))
        fields = note_origins(fields, samples.origins)
        values = [
            [
                *(table.columns[name][i] for name in names),
                *([STATIONS_SOURCE] if product else []),
                *(column[i] for column in columns.values()),
            ]
            for i in range(len(table))
        ]
        geometries = list(table.geometries)
        if product:
            pixels = sample_pixels(
                product,
                rasters_,
                max_gap,
                self.parameterAsInt(parameters, "EXTRA_ROWS", context),
                progress=progress.part(0.4, 0.9),
                taken=taken,
            )
            extra = {
                station: pixels.names,
                extra_value: pixels.values.tolist(),
                SOURCE_FIELD: [pixels.product] * len(pixels.names),
            }
            extra |= pixels.predictors | {gap_field(variable): gap for variable, gap in pixels.gap_days.items()}
            if time:
                kind = table.fields.field(time).type()
                extra[time] = [time_attribute(moment, kind) for moment in pixels.times]
            values += [
                [extra[name][i] if name in extra else None for name in fields.names()] for i in range(len(pixels.names))
            ]
            x, y = transform_points(pixels.x, pixels.y, pixels.crs, core_crs(table.crs, table.name))
            geometries += [point_geometry(*place) for place in zip(x, y)]
            whole = int(np.all([~np.isnan(column) for column in pixels.predictors.values()], axis=0).sum())
            complete += whole
            progress.info(
                f"{len(pixels.names)} of {pixels.found} pixels and dates of '{pixels.product}' were added; "
                f"{whole} of them have a value of every predictor."
            )
        output = self.outputs.write_table("OUTPUT", fields, values, geometries, table.crs, progress)
        report = write_report(self, lambda: sampling_report(samples, pixels if product else None, progress))
        return {
            "OUTPUT": output,
            "REPORT": report,
            "FIELDS": predictors,
            "ROWS": len(values),
            "COMPLETE_ROWS": complete,
        }

    def _replaced(self, table, added, needed, replace, progress):
        """Return the fields of the stations that give way to new ones of their names, whatever their capitals."""
        taken: dict = {}
        for name in added:
            if name.lower() in ("fid", "geom", "geometry"):
                raise InputError(
                    f"A band is named '{name}', which GeoPackages keep for themselves. Give the band another name "
                    "(its description)."
                )
            twin = taken.setdefault(name.lower(), name)
            if twin != name:
                raise InputError(
                    f"Two bands are named '{twin}' and '{name}', which tables take for one. Give one of them "
                    "another name."
                )
        existing = [name for name in table.fields.names() if name.lower() in taken]
        kept = [name for name in existing if name in needed]
        listed = ", ".join(f"'{name}'" for name in existing)
        if kept:
            raise InputError(
                f"'{table.name}' has the fields {listed}, as bands are named, and {kept[0]} is needed itself. "
                "Rename it with 'Rename field', or the band."
            )
        if existing and not replace:
            raise InputError(
                f"'{table.name}' already has the fields {listed}, as bands are named. Set REPLACE to have the "
                "rasters' values in their place, or rename them with 'Rename field'."
            )
        for name in existing:
            progress.warning(
                f"The field '{name}' of '{table.name}' is replaced by the values of the raster "
                f"'{taken[name.lower()]}' (REPLACE)."
            )
        return set(existing)


def gap_field(variable):
    """Name the field of the days between a row and the band it was given."""
    return f"{variable}_gap_days"


def report_incomplete(samples, complete, progress):
    """Tell in the log, by predictor, what rows lack and what helps; the report lists the stations."""
    from sm_toolbox.stations.sampling import tell_suspects

    tell_suspects(samples, progress)
    progress.info(f"{complete:,} of {len(samples.rows.x):,} rows have a value of every predictor.")
    for name, missing, why, gap in samples.lacking():
        cure = ""
        if gap is not None and (possible := samples.complete_with(gap)) > complete:
            cure = f"; with {gap:g} days (MAX_TIME_GAP) {possible:,} rows would be complete, now {complete:,}"
        progress.warning(f"'{name}' is missing in {missing:,} rows: {why}{cure}.")
