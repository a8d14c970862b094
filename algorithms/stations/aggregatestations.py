"""Aggregate station observations."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields, QgsProcessing

from ..base import ToolboxAlgorithm
from ..crs import qgis_crs
from ..layers import (
    DATE,
    DATETIME,
    INTEGER,
    NUMBER,
    TEXT,
    open_source,
    point_geometry,
    raster_source,
    read_table,
    table_rows,
    time_attribute,
)
from ..parameters import choice, field, integer, layer_output, number_outputs, points, raster

_TIME_KINDS = {"hour": DATETIME, "day": DATE, "month": TEXT}


class Algorithm(ToolboxAlgorithm):
    NAME = "aggregatestations"
    TITLE = "Aggregate station observations"
    GROUP = "stations"
    SUMMARY = (
        "Averages station observations by the hour, day or month, and those of all stations within a cell of a grid; "
        "keeps counts and spread."
    )
    DETAILS = (
        "<p>Periods are in UTC. Months are written as text (<i>2018-06</i>), which the other tools take as the "
        "whole month.</p><p>With GRID every cell that holds stations becomes one station at its centre, named by "
        "its row and column: the mean of the stations' own means, for the comparison with a coarse product. "
        "Another field is kept where it has one value throughout a mean, and is NULL where it has several.</p>"
        "<p>Means can be averaged again: where VALUE is itself named <i>maximum</i>, the largest of a period is "
        "<i>maximum_maximum</i>.</p>"
    )
    TAGS = ("daily mean", "monthly mean", "resample", "upscaling", "ISMN", "in situ")
    EXAMPLE = {
        "INPUT": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "VALUE": "soil_moisture",
        "PERIOD": "month",
        "MIN_COUNT": 10,
    }

    def declare(self):
        self.add(points("INPUT", "Observations"), "Point layer with one feature per station and time.")
        self.add(field("STATION", "Station field", "INPUT", "station"), "Name or number of the station.")
        self.add(field("TIME", "Time field", "INPUT", "time"), "Date, date and time, or ISO 8601 text, in UTC.")
        self.add(
            field("VALUE", "Value field", "INPUT", "soil_moisture", numeric=True),
            "What is averaged; rows without a value are left out and counted.",
        )
        self.add(
            choice("PERIOD", "Period", ["hour", "day", "month"], "day"),
            "Length of time over which observations of a station are averaged.",
        )
        self.add(
            raster("GRID", "Grid", optional=True),
            "Raster in whose cells stations are averaged, such as the coarse product they are to be compared "
            "with. In any CRS; the output has its CRS.",
        )
        self.add(
            integer("MIN_COUNT", "Smallest number of observations", 1, minimum=1),
            "Observations that a station needs in a period; with hourly data 18 a day is a common choice. "
            "Periods with fewer are left out and counted.",
        )
        self.add(
            layer_output("OUTPUT", "Means", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "Points with the station, time and value fields of the input and: count (observations), sd, minimum, "
            "maximum, stations (in the cell).",
        )
        number_outputs(self, STATIONS="Stations or cells", MEANS="Means")

    def resolve(self, parameters, context):
        return open_source(self, parameters, "INPUT", context), raster_source(self, parameters, "GRID", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.columns import tell_implausible, to_numbers
        from sm_toolbox.raster.opening import grid_of
        from sm_toolbox.stations.aggregation import aggregate

        source, grid_source = inputs
        table = read_table(source, progress.part(0, 0.4), points=True)
        station, time, value = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE")
        )
        period = self.parameterAsString(parameters, "PERIOD", context)
        grid = grid_of(grid_source) if grid_source else None
        values = to_numbers(table.columns[value], value, table.name)
        tell_implausible(values, value, table.name, progress)
        means = aggregate(
            table_rows(table, station, time),
            values,
            period,
            self.parameterAsInt(parameters, "MIN_COUNT", context),
            grid,
            progress,
        )
        new_fields = {
            station: means.names,
            time: [time_attribute(t, _TIME_KINDS[period]) for t in means.times],
            value: means.values.tolist(),
        }
        spread = means.spread_columns(value, new_fields, table.name, progress)
        fields, columns = QgsFields(), []
        for old_field in table.fields:
            name = old_field.name()
            if name in new_fields:
                kind = {station: TEXT, time: _TIME_KINDS[period], value: NUMBER}[name]
                fields.append(QgsField(name, kind))
                columns.append(new_fields[name])
            elif name.lower() not in (*(added.lower() for added in spread), "fid"):
                fields.append(old_field)
                columns.append(means.common_values(table.columns[name]))
        for name, numbers in spread.items():
            fields.append(QgsField(name, INTEGER if numbers.dtype.kind == "i" else NUMBER))
            columns.append(numbers.tolist())
        geometries = [point_geometry(x, y) for x, y in zip(means.x, means.y)]
        crs = qgis_crs(grid.crs) if grid else table.crs
        output = self.outputs.write_table("OUTPUT", fields, zip(*columns), geometries, crs, progress)
        return {"OUTPUT": output, "STATIONS": len(set(means.names)), "MEANS": len(means.names)}
