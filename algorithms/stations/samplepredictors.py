"""Sample predictors at stations."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields, QgsProcessing

from ..base import ToolboxAlgorithm
from ..layers import NUMBER, open_source, raster_sources, read_table, table_rows, write_report, write_table
from ..parameters import choice, field, layer_output, number, number_outputs, points, rasters, report_output


class Algorithm(ToolboxAlgorithm):
    NAME = "samplepredictors"
    TITLE = "Sample predictors at stations"
    GROUP = "stations"
    SUMMARY = "Adds the values of rasters to station rows, matched in place and time: the training table of a model."
    DETAILS = (
        "<p>Every band has a variable and perhaps a date: a band described <i>ndvi</i> is static, one described <i>ndvi@2018-06-01</i> is dated. Where the description holds no date it is taken from the layer's "
        "temporal range, from NetCDF, or from the file's name. A dated band is used for the rows of its day (or month), or for those within MAX_TIME_GAP days; the nearest wins.</p>"
        "<p>Stations are transformed to the CRS of each raster, and each raster is read on its own grid. Rows outside the rasters, on cells without data or without a band near enough in time keep NULL; "
        "the report lists them by station.</p>"
    )
    TAGS = ("extract", "point sampling", "training", "ISMN", "in situ")
    NEEDS = ("rasterio", "pyproj")
    EXAMPLE = {"STATIONS": "stations.gpkg", "STATION": "station", "TIME": "time", "PREDICTORS": ["soil.tif", "ndvi.tif"], "MAX_TIME_GAP": 4}

    def declare(self):
        self.add(points("STATIONS", "Stations"), "Point layer with one feature per station, or per station and time. All its fields are kept.")
        self.add(
            field("STATION", "Station field", "STATIONS", optional=True),
            "Name or number of the station, for the report. Without it every place counts as a station.",
        )
        self.add(
            field("TIME", "Time field", "STATIONS", optional=True),
            "Date, date and time, or ISO 8601 text (2018-06-01, 2018-06-01T14:30:00), in UTC. Needed where rasters are dated.",
        )
        self.add(rasters("PREDICTORS", "Predictors"), "Rasters, single- or multi-band, in any CRS and grid. Every variable becomes a field.")
        self.add(
            number("MAX_TIME_GAP", "Largest gap in time [days]", 0, minimum=0),
            "How many days a dated band may lie from the time of the row. 0: the same day; for 8-day composites 4 is usual.",
        )
        self.add(
            choice("METHOD", "Value at the point", ["nearest", "bilinear", "mean_3x3"], "nearest"),
            "nearest: the cell that holds the point. bilinear: from the four nearest cell centres. mean_3x3: mean of the cell and its neighbours. Cells without data are left out of both means.",
        )
        self.add(
            layer_output("OUTPUT", "Training table", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "The stations with one numeric field per variable; NULL where there is no value.",
        )
        self.add(report_output(), "HTML page that counts what was found and lists the stations that lack values, with the reason.")
        number_outputs(self, ROWS="Rows", COMPLETE_ROWS="Rows with a value of every predictor")

    def resolve(self, parameters, context):
        return open_source(self, parameters, "STATIONS", context), raster_sources(self, parameters, "PREDICTORS", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.errors import InputError
        from sm_toolbox.stations.report import sampling_report
        from sm_toolbox.stations.sampling import sample_rows

        source, rasters_ = inputs
        table = read_table(source, progress, points=True)
        station, time = (self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME"))
        rows = table_rows(table, station, time)
        samples = sample_rows(
            rows,
            rasters_,
            self.parameterAsDouble(parameters, "MAX_TIME_GAP", context),
            self.parameterAsString(parameters, "METHOD", context),
            progress.part(0, 0.9),
        )
        fields = QgsFields(table.fields)
        for variable in samples.variables:
            if fields.lookupField(variable.variable) >= 0:
                raise InputError(f"'{table.name}' already has a field '{variable.variable}'. Rename the field, or the band of the raster.")
            fields.append(QgsField(variable.variable, NUMBER))
        complete = int(samples.complete.sum())
        report_incomplete(samples, complete, progress)
        report = write_report(self, parameters, context, lambda: sampling_report(samples))
        names = table.fields.names()
        values = ([*(table.columns[name][i] for name in names), *(variable.values[i] for variable in samples.variables)] for i in range(len(table)))
        output = write_table(self, parameters, "OUTPUT", context, fields, values, table.geometries, table.crs, progress)
        return {"OUTPUT": output, "REPORT": report, "ROWS": len(table), "COMPLETE_ROWS": complete}


def report_incomplete(samples, complete, progress):
    """Tell in the log what the report lists."""
    progress.info(f"{complete} of {len(samples.rows.x)} rows have a value of every predictor.")
    lacking = samples.incomplete_stations()
    if lacking:
        progress.warning(f"Rows of {len(lacking)} stations lack values:")
    for name, count, total, why in lacking[:20]:
        progress.info(f"  {name}: {count} of {total} rows; {why}")
    if len(lacking) > 20:
        progress.info(f"  … and {len(lacking) - 20} more stations; the report lists all.")
