"""Validate a product against stations."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields, QgsProcessing

from ..base import ToolboxAlgorithm
from ..layers import (
    DATETIME,
    INTEGER,
    NUMBER,
    TEXT,
    open_source,
    point_geometry,
    raster_sources,
    read_table,
    table_rows,
    write_report,
)
from ..parameters import (
    add_gaps_of_variables,
    add_time_gap,
    choice,
    field,
    integer,
    layer_output,
    number_outputs,
    points,
    rasters,
    report_output,
    time_rule,
)

# The columns from of old in their order; those of further metrics follow.
_METRICS = (
    "n",
    "r",
    "r_low",
    "r_high",
    "r2",
    "r_squared",
    "rmse",
    "ubrmse",
    "ubrmse_low",
    "ubrmse_high",
    "bias",
    "bias_low",
    "bias_high",
    "slope",
    "n_effective",
)


class Algorithm(ToolboxAlgorithm):
    NAME = "validatestations"
    TITLE = "Validate against stations"
    GROUP = "validation"
    SUMMARY = "Compares a soil-moisture product with station observations, station by station and over all pairs."
    DETAILS = (
        "<p>Each observation is paired with the product's cell and the nearest date within MAX_TIME_GAP days. "
        "Per station: correlation R with 95 % limits, R² (coefficient of determination), RMSE, ubRMSE, bias "
        "(product − station) and slope; the limits use the number of samples that are independent of one "
        "another. Stations with fewer than MIN_SAMPLES pairs are listed, not rated.</p><p>A product is only "
        "validated by stations that did not take part in its making.</p>"
    )
    TAGS = ("validation", "RMSE", "ubRMSE", "bias", "Taylor diagram", "in situ", "ISMN")
    ARGUMENTS = {"sources": "PRODUCT"}
    NEEDS = ("pyproj", "pandas", "scipy", "matplotlib")
    EXAMPLE = {
        "PRODUCT": ["product_b.tif"],
        "STATIONS": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "VALUE": "soil_moisture",
    }

    def declare(self):
        self.add(
            rasters("PRODUCT", "Product"),
            "Soil moisture in m³ m⁻³: one static band, or dated bands of one name, in one or more files. Of "
            "several variables soil_moisture is taken.",
        )
        self.add(points("STATIONS", "Stations"), "Point layer with one feature per station and time.")
        self.add(field("STATION", "Station field", "STATIONS", "station"), "Name or number of the station.")
        self.add(
            field("TIME", "Time field", "STATIONS", "time", optional=True),
            "Date, date and time, or ISO 8601 text, in UTC. Needed where the product is dated.",
        )
        self.add(
            field("VALUE", "Observed soil moisture", "STATIONS", "soil_moisture"),
            "Field with the observation, in m³ m⁻³. Rows where it is NULL are counted and left out.",
        )
        self.add(
            field("GROUP", "Group field", "STATIONS", optional=True),
            "Property of the stations by which the report divides them: land cover, network.",
        )
        add_time_gap(self, "Largest gap in time [days]", "How many days the product may lie from the observation")
        add_gaps_of_variables(self)
        self.add(
            integer("MIN_SAMPLES", "Fewest pairs of a station", 10, minimum=1),
            "Stations with fewer pairs are not rated on their own; their pairs count among all pairs. 1 for a "
            "map of one date.",
        )
        self.add(
            choice("METHOD", "Value at the point", ["nearest", "bilinear"], "nearest"),
            "nearest: the cell that holds the station. bilinear: from the four nearest cell centres.",
        )
        self.add(
            layer_output("OUTPUT", "Stations with metrics", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "One point per rated station with n, n_effective (independent pairs), r, r_squared (square of r), r2 "
            "(coefficient of determination), rmse, ubrmse, bias, slope and the confidence limits.",
        )
        self.add(
            layer_output("MATCHES", "Pairs", optional=True), "Table of all pairs: station, time, observed, predicted."
        )
        self.add(
            report_output(self.TITLE),
            "HTML page with scatter plot, box plots, Taylor diagram, series and the table of stations.",
        )
        number_outputs(
            self,
            R="Correlation, all pairs",
            R2="Coefficient of determination, all pairs",
            RMSE="RMSE, all pairs",
            UBRMSE="Unbiased RMSE, all pairs",
            BIAS="Bias, all pairs",
            N="Pairs",
            MEDIAN_R="Median correlation of the stations",
            MEDIAN_UBRMSE="Median unbiased RMSE of the stations",
            MEDIAN_BIAS="Median bias of the stations",
        )

    def resolve(self, parameters, context):
        return open_source(self, parameters, "STATIONS", context), raster_sources(self, parameters, "PRODUCT", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.columns import tell_impossible, to_names, to_numbers
        from sm_toolbox.validation.report import validation_report
        from sm_toolbox.validation.stations import validate_stations

        source, product = inputs
        table = read_table(source, progress, points=True)
        station, time, value, group = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE", "GROUP")
        )
        rows = table_rows(table, station, time)
        min_samples = self.parameterAsInt(parameters, "MIN_SAMPLES", context)
        values = to_numbers(table.columns[value], value, table.name)
        tell_impossible(values, value, table.name, progress)
        result = validate_stations(
            rows,
            values,
            product,
            to_names(table.columns[group]) if group else None,
            max_gap_days=time_rule(self, parameters, context),
            min_samples=min_samples,
            method=self.parameterAsString(parameters, "METHOD", context),
            progress=progress.part(0, 0.9),
        )
        pooled = result.pooled
        name = ", ".join(item.label for item in product[:3]) + (" …" if len(product) > 3 else "")
        return {
            "OUTPUT": self._write_stations(parameters, context, table, result, progress),
            "MATCHES": self._write_matches(parameters, context, table, result, progress),
            "REPORT": write_report(self, lambda: validation_report(result, name, table.name, min_samples, progress)),
            "R": pooled.r,
            "R2": pooled.r2,
            "RMSE": pooled.rmse,
            "UBRMSE": pooled.ubrmse,
            "BIAS": pooled.bias,
            "N": pooled.n,
            "MEDIAN_R": result.median("r"),
            "MEDIAN_UBRMSE": result.median("ubrmse"),
            "MEDIAN_BIAS": result.median("bias"),
        }

    def _write_stations(self, parameters, context, table, result, progress):
        from sm_toolbox.metrics import METRICS

        fields = QgsFields()
        fields.append(QgsField("station", TEXT))
        fields.append(QgsField("group", TEXT))
        names = [*_METRICS, *(key for key in METRICS if key not in _METRICS)]
        for name in names:
            fields.append(QgsField(name, INTEGER if name == "n" else NUMBER))
        values = []
        for item in result.by_station:
            statistics = {**item.metrics.as_dict(), **vars(item.intervals)}
            values.append([item.station, item.group, *(statistics[name] for name in names)])
        geometries = [point_geometry(table.x[item.row], table.y[item.row]) for item in result.by_station]
        return self.outputs.write_table("OUTPUT", fields, values, geometries, table.crs, progress)

    def _write_matches(self, parameters, context, table, result, progress):
        fields = QgsFields()
        for name, kind in (("station", TEXT), ("time", DATETIME), ("observed", NUMBER), ("predicted", NUMBER)):
            fields.append(QgsField(name, kind))
        times = result.times.tolist()
        values = (
            [str(result.stations[i]), times[i], result.observed[i], result.predicted[i]]
            for i in range(len(result.rows))
        )
        geometries = [point_geometry(table.x[row], table.y[row]) for row in result.rows]
        return self.outputs.write_table("MATCHES", fields, values, geometries, table.crs, progress)
