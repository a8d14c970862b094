"""Sample predictors at stations."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import QgsField, QgsFields, QgsProcessing, QgsProcessingOutputString

from sm_toolbox.errors import InputError
from sm_toolbox.raster.builtin import BUILTINS
from sm_toolbox.raster.reading import RULES

from ..base import ToolboxAlgorithm
from ..crs import qgis_crs
from ..layers import (
    NUMBER,
    TEXT,
    open_source,
    point_geometry,
    raster_source,
    raster_sources,
    read_table,
    table_rows,
    time_attribute,
    write_report,
)
from ..origins import note_origins
from ..parameters import (
    RESAMPLING_HELP,
    add_gaps_of_variables,
    add_time_direction,
    add_time_gap,
    choice,
    field,
    integer,
    layer_output,
    number_outputs,
    points,
    raster,
    rasters,
    report_output,
    switch,
    text,
    time_rule,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "samplepredictors"
    TITLE = "Sample predictors at stations"
    GROUP = "stations"
    SUMMARY = "Adds the values of rasters to station rows, matched in place and time: the training table of a model."
    DETAILS = (
        "<p>Every band has a variable and perhaps a date: a band described <i>ndvi</i> is static, one described "
        "<i>ndvi@2018-06-01</i> is dated. Where the description holds no date it is taken from the layer's "
        "temporal range, from NetCDF, or from the file's name. A dated band is used for the rows of its day (or "
        "other period), or for those within MAX_TIME_GAP days; the nearest wins, a later one, too, unless "
        "TIME_DIRECTION is previous or the variable adds up over time, such as rain. The log counts the rows "
        "whose value is of a later date.</p><p>Where the "
        "stations have a field of a variable's name already, or two products have one variable, the new field "
        "gets the name of its file without the date: <i>soil_moisture_product_a</i>. The table notes variable, "
        "file and grid of every field that it adds; models that learn from it find the rasters again by these "
        "notes.</p><p>Stations are transformed to the CRS of each raster. A row gets the value that a map has in "
        "the cell of GRID at its place, so that a model learns from what it meets in a map; METHOD reads the rasters' "
        "own cells instead. Rows outside the rasters, on cells without data or without a band near enough in time keep "
        "NULL; the report lists them by station. How many days a dated band lies from its row is kept in "
        "<i>variable</i>_gap_days where a day or more is allowed (negative: the band is earlier).</p>"
        "<p>EXTRA_TARGETS adds pixels of a coarser soil-moisture product as further rows: its value in the field "
        "EXTRA_VALUE, and the mean of every predictor under the pixel. The field <i>source</i> then tells "
        "stations (<i>station</i>) from pixels (the name of the product), so that a model can be told to weigh "
        "or to leave out either. Without STATIONS the pixels are all rows: the table from which a coarse product is "
        "downscaled.</p>"
    )
    TAGS = ("extract", "point sampling", "training", "ISMN", "in situ")
    ARGUMENTS = {"product": "EXTRA_TARGETS", "sources": "PREDICTORS"}
    NEEDS = ("pandas",)
    EXAMPLE = {
        "STATIONS": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "PREDICTORS": ["soil.tif", "ndvi.tif"],
        "MAX_TIME_GAP": 4,
    }

    def declare(self):
        self.add(
            points("STATIONS", "Stations", optional=True),
            "Point layer with one feature per station, or per station and time. All its fields are kept. Not set: the "
            "rows are the pixels of EXTRA_TARGETS, in the fields station, time and EXTRA_VALUE.",
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
        add_gaps_of_variables(self)
        add_time_direction(self, "nearest")
        self.add(
            text("LAGS", "Earlier values"),
            "What the ground remembers, as variables of their own: <i>ndvi:1</i> is the value one step back (a step is "
            "the usual distance of the variable's dates) in the field ndvi_lag1, <i>ndvi:1-11</i> those of eleven "
            "steps, <i>rain:7d</i> the value seven days back (rain_lag7d), <i>rain:7d:sum</i> the sum of the seven "
            "days up to the row's (rain_sum7d); <i>*:1</i> is one step back of every dated variable. Bands of earlier "
            "dates must be among PREDICTORS. 'Predict raster' makes the same of the bands before each of its dates.",
        )
        self.add(
            choice("METHOD", "Value at the point", ["nearest", "bilinear", "mean_3x3"], None, optional=True),
            "Not set: the value that 'Predict raster' has in the cell of GRID that holds the point, so that a model "
            "learns from what it will meet. Or from each raster's own cells, nearest: the cell that holds the point; "
            "bilinear: from the four nearest cell centres; mean_3x3: mean of the cell and its neighbours. Cells "
            "without data are left out of both means; aspect is averaged as a direction. Where METHOD is set, GRID and "
            "RESAMPLING have no effect on values.",
        )
        self.add(
            raster("GRID", "Grid of the maps", optional=True),
            "Raster with the grid on which maps will be made of the model. Not set: that of the predictor with the "
            "finest cells.",
            advanced=True,
        )
        self.add(
            choice("RESAMPLING", "Predictors on other grids", RULES, "auto", optional=True),
            f"How predictors on other grids reach GRID. {RESAMPLING_HELP} The table keeps the rule for 'Predict "
            "raster'.",
            advanced=True,
        )
        self.add(
            choice("BUILTIN", "Variables that need no raster", BUILTINS, None, multiple=True, optional=True),
            "longitude, latitude: in WGS 84. x, y: in the CRS of GRID. day_of_year, month: of the row's time; models "
            "take them as cyclic, by sine and cosine. 'Predict raster' makes them again of cells and dates, without a "
            "raster. "
            "With few stations coordinates are names of stations: a model learns which station it sees, not why it is "
            "wet there, and fails elsewhere (Meyer et al. 2018). Judge it by stations left out.",
            advanced=True,
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
            "set: VALUE; without STATIONS soil_moisture.",
            advanced=True,
        )
        self.add(
            integer("EXTRA_ROWS", "Largest number of extra rows", 10_000, minimum=1),
            "Where the product has more pixels and dates, so many are drawn at random, the same ones in every run.",
            advanced=True,
        )
        self.add(
            choice("EXTRA_MATCHING", "Bring the product to the stations", ["none", "mean_sd"], "none", optional=True),
            "A damped, biased product teaches a model its damping. mean_sd: its values get the mean of the stations, "
            "and their spread in the course of time, on the rows that have both. none: as they are; the log says where "
            "they differ. 'Match product to reference' matches each cell to another product.",
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
            None if parameters.get("STATIONS") is None else open_source(self, parameters, "STATIONS", context),
            raster_source(self, parameters, "GRID", context),
            *(raster_sources(self, parameters, key, context) for key in ("PREDICTORS", "EXTRA_TARGETS")),
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.columns import SOURCE_FIELD
        from sm_toolbox.stations.report import sampling_report
        from sm_toolbox.stations.table import TableSettings, pixel_table, sample_table

        source, grid, predictors, product = inputs
        settings = TableSettings(
            station=self.parameterAsString(parameters, "STATION", context),
            time=self.parameterAsString(parameters, "TIME", context),
            value=self.parameterAsString(parameters, "VALUE", context),
            max_gap_days=time_rule(self, parameters, context),
            method=self.parameterAsString(parameters, "METHOD", context) or None,
            grid=grid,
            resampling=self.parameterAsString(parameters, "RESAMPLING", context) or "auto",
            builtins=tuple(filter(None, self.parameterAsEnumStrings(parameters, "BUILTIN", context))),
            lags=self.parameterAsString(parameters, "LAGS", context),
            replace=self.parameterAsBool(parameters, "REPLACE", context),
            extra_value=self.parameterAsString(parameters, "EXTRA_VALUE", context),
            extra_rows=self.parameterAsInt(parameters, "EXTRA_ROWS", context),
            extra_matching=self.parameterAsString(parameters, "EXTRA_MATCHING", context) or "none",
        )
        if source is None:
            if not product:
                raise InputError("Neither STATIONS nor EXTRA_TARGETS is set: no row is asked for. Give one of them.")
            settings = replace(
                settings, station="station", time="time", extra_value=settings.product_field or "soil_moisture"
            )
            made = pixel_table(product, predictors, settings, progress)
            fields, geometries, crs = QgsFields(), [], qgis_crs(made.samples.rows.crs)
            columns = {**made.columns, "time": [str(time) if time else None for time in made.columns["time"]]}
            for name in columns:
                fields.append(QgsField(name, TEXT if name in ("station", "time", SOURCE_FIELD) else NUMBER))
        else:
            table = read_table(source, progress, points=True)
            if product:
                check_fields_of_product(table, settings)
            rows = table_rows(table, settings.station, settings.time)
            made = sample_table(rows, table.columns, predictors, settings, product, progress)
            fields, columns = fields_and_columns(table, made, settings)
            geometries, crs = list(table.geometries), table.crs
        values = [list(row) for row in zip(*columns.values())]
        geometries += [point_geometry(*place) for place in zip(made.x[len(geometries) :], made.y[len(geometries) :])]
        output = self.outputs.write_table(
            "OUTPUT", note_origins(fields, made.samples.origins), values, geometries, crs, progress
        )
        report = write_report(self, lambda: sampling_report(made.samples, made.pixels, progress))
        return {
            "OUTPUT": output,
            "REPORT": report,
            "FIELDS": ";".join(made.predictors),
            "ROWS": len(values),
            "COMPLETE_ROWS": made.complete,
        }


def fields_and_columns(table, made, settings):
    """Return the fields of the output, and its columns with times as the stations' field keeps them."""
    from sm_toolbox.columns import SOURCE_FIELD
    from sm_toolbox.raster.times import Time

    fields, columns = QgsFields(), dict(made.columns)
    for name in columns:
        if name in made.added:
            fields.append(QgsField(name, TEXT if name == SOURCE_FIELD else NUMBER))
        else:
            fields.append(table.fields.field(name))
    if settings.time:
        kind = table.fields.field(settings.time).type()
        columns[settings.time] = [
            time_attribute(value, kind) if isinstance(value, Time) else value for value in columns[settings.time]
        ]
    return fields, columns


def check_fields_of_product(table, settings):
    """Refuse fields of kinds that cannot take the values and names of a product's pixels."""
    value, station = settings.product_field, settings.station
    if value and table.fields.field(value).type() != NUMBER:
        raise InputError(
            f"The field '{value}' of '{table.name}', which takes the values of EXTRA_TARGETS, must hold "
            "decimal numbers. Convert it with 'Refactor fields'."
        )
    if value and station and table.fields.field(station).type() != TEXT:
        raise InputError(
            f"EXTRA_TARGETS names its rows in the field '{station}' of '{table.name}', which must be text. "
            "Convert it with 'Refactor fields'."
        )
