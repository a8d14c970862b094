"""Quality of stations."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields, QgsProcessing

from sm_toolbox.timeseries.anomaly import ANOMALIES

from ..base import ToolboxAlgorithm
from ..layers import (
    INTEGER,
    NUMBER,
    TEXT,
    append_fields,
    open_source,
    point_geometry,
    raster_sources,
    read_table,
    table_rows,
    write_report,
)
from ..parameters import (
    add_time_gap,
    choice,
    field,
    integer,
    layer_output,
    number,
    number_outputs,
    points,
    rasters,
    report_output,
    time_gap,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "stationquality"
    TITLE = "Quality of stations"
    GROUP = "merging"
    SUMMARY = "Tells stations that stand for the land around them from those that do not, and weighs them for training."
    DETAILS = (
        "<p>Triple collocation of each station with two products whose errors are independent of each other, such as a "
        "satellite and a model, on the daily means that all three have. What a station does not share with the cells "
        "around it counts as its error, so that it is one of representativeness (Gruber et al. 2013). Zhang et al. "
        "(2023) gained at unseen sites and years by training on stations chosen so.</p><ul><li><b>n</b>: common days."
        "</li><li><b>error</b>: standard deviation of the station's error, in its unit.</li><li><b>correlation</b> "
        "with the truth, <b>snr</b> in dB.</li><li><b>representative</b>: 1 or 0; NULL where it cannot be judged, "
        "because days are few or the two products do not agree there.</li><li><b>reason</b>: why "
        "not.</li><li><b>weight</b>: WEIGHT of 'Train model'; 0 where not representative, 1 where not judged, else by "
        "the share of the station's variance that is the truth.</li></ul><p>A bias of a station is not seen: triple "
        "collocation knows of none.</p>"
    )
    TAGS = ("triple collocation", "representativeness", "in situ", "ISMN", "weights", "GLASS")
    ARGUMENTS = {"names": "STATION", "times": "TIME"}
    NEEDS = ("pandas", "scipy", "numba", "matplotlib")
    EXAMPLE = {
        "STATIONS": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "VALUE": "soil_moisture",
        "PRODUCT_A": ["product_a.tif"],
        "PRODUCT_B": ["product_b.tif"],
    }

    def declare(self):
        self.add(points("STATIONS", "Stations"), "Point layer with one feature per station and time.")
        self.add(field("STATION", "Station field", "STATIONS", "station"), "Name or number of the station.")
        self.add(field("TIME", "Time field", "STATIONS", "time"), "Date, date and time, or ISO 8601 text, in UTC.")
        self.add(
            field("VALUE", "Observed value", "STATIONS", "soil_moisture", numeric=True),
            "Soil moisture of the upper layer, in any unit.",
        )
        self.add(rasters("PRODUCT_A", "Product A"), "Dated bands of one variable, such as a satellite's.")
        self.add(
            rasters("PRODUCT_B", "Product B"),
            "Dated bands of one variable whose errors are independent of those of product A, such as a land-surface "
            "model's.",
        )
        add_time_gap(
            self,
            "Largest gap in time [days]",
            "How many days a band may lie from an observation",
            default="earlier or later. Not set: half the distance of the dates. 0: the same day.",
        )
        self.add(
            integer("MIN_SAMPLES", "Fewest common days", 100, minimum=3),
            "Days on which the station and both products have a value.",
        )
        self.add(
            number("MIN_CORRELATION", "Lowest correlation with the truth", 0.7, minimum=0, maximum=1),
            "From which a station is representative. 0.7: its signal is as large as its error (0 dB, Gruber et al. "
            "2016).",
        )
        self.add(
            number("ALPHA", "Significance level", 0.05, minimum=0, maximum=1),
            "Station and products must be positively correlated at this level, with the effective number of days.",
            advanced=True,
        )
        self.add(
            choice("ANOMALIES", "Season", ANOMALIES, "none"),
            "none: the values. climatology, moving_window: what is left without the season, which all share.",
            advanced=True,
        )
        self.add(
            number("ANOMALY_WINDOW", "Window of the season [days]", 35, minimum=0),
            "For ANOMALIES moving_window.",
            advanced=True,
        )
        self.add(
            layer_output("OUTPUT", "Quality of stations", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "One point for each station.",
        )
        self.add(
            layer_output(
                "OBSERVATIONS",
                "Observations with weights",
                optional=True,
                geometry=QgsProcessing.SourceType.TypeVectorPoint,
            ),
            "The rows of STATIONS with the fields representative and station_weight, for 'Sample predictors at "
            "stations' and then WEIGHT of 'Train model'.",
        )
        self.add(report_output(self.TITLE), "HTML page with a map and a table of the stations.")
        number_outputs(self, REPRESENTATIVE_PERCENT="Representative stations among those judged [%]")

    def resolve(self, parameters, context):
        return (
            open_source(self, parameters, "STATIONS", context),
            *(raster_sources(self, parameters, key, context) for key in ("PRODUCT_A", "PRODUCT_B")),
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.columns import to_numbers
        from sm_toolbox.validation.anomalies import Deviations
        from sm_toolbox.validation.stationquality import QualitySettings, judge_stations
        from sm_toolbox.validation.stationquality_report import quality_report

        source, product_a, product_b = inputs
        table = read_table(source, progress, points=True)
        station, time, value = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE")
        )
        settings = QualitySettings(
            time_gap(self, parameters, context),
            self.parameterAsInt(parameters, "MIN_SAMPLES", context),
            self.parameterAsDouble(parameters, "ALPHA", context),
            self.parameterAsDouble(parameters, "MIN_CORRELATION", context),
            Deviations(
                self.parameterAsString(parameters, "ANOMALIES", context),
                self.parameterAsDouble(parameters, "ANOMALY_WINDOW", context),
            ),
        )
        rows = table_rows(table, station, time)
        observed = to_numbers(table.columns[value], value, table.name)
        found = judge_stations(rows, observed, (product_a, product_b), settings, progress.part(0, 0.9))
        report = write_report(self, lambda: quality_report(found, settings, table.crs.isGeographic(), progress))
        judged = [item for item in found if item.representative is not None]
        return {
            "OUTPUT": self._write_stations(found, table, progress),
            "OBSERVATIONS": self._write_observations(parameters, found, rows, table, progress),
            "REPORT": report,
            "REPRESENTATIVE_PERCENT": 100 * sum(bool(item.representative) for item in judged) / len(judged),
        }

    def _write_stations(self, found, table, progress):
        fields = QgsFields()
        for name, kind in (
            ("station", TEXT), ("n", INTEGER), ("error", NUMBER), ("correlation", NUMBER), ("snr", NUMBER),
            ("representative", INTEGER), ("reason", TEXT), ("weight", NUMBER),
        ):  # fmt: skip
            fields.append(QgsField(name, kind))
        values = [
            [
                item.name,
                item.n,
                item.error,
                item.correlation,
                item.snr,
                None if item.representative is None else int(item.representative),
                item.reason or None,
                item.weight,
            ]
            for item in found
        ]
        places = [point_geometry(item.x, item.y) for item in found]
        return self.outputs.write_table("OUTPUT", fields, values, places, table.crs, progress)

    def _write_observations(self, parameters, found, rows, table, progress):
        if parameters.get("OBSERVATIONS") is None:
            return None
        by_name = {item.name: item for item in found}
        fields = QgsFields(table.fields)
        append_fields(fields, [("representative", INTEGER), ("station_weight", NUMBER)])
        names = table.fields.names()
        values = []
        for row, name in enumerate(rows.stations()):
            item = by_name.get(str(name))
            known = None if item is None or item.representative is None else int(item.representative)
            weight = None if item is None else item.weight
            values.append([*(table.columns[column][row] for column in names), known, weight])
        return self.outputs.write_table(
            "OBSERVATIONS", fields, values, table.geometries, table.crs, progress, table.wkb
        )
