"""Validate a product against stations."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields, QgsProcessing

from sm_toolbox.raster.reading import RULES
from sm_toolbox.timeseries.anomaly import ANOMALIES

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
    RESAMPLING_HELP,
    add_gaps_of_variables,
    add_time_gap,
    choice,
    field,
    integer,
    layer_output,
    number,
    points,
    rasters,
    report_output,
    switch,
    text,
    time_rule,
)
from .shared import add_group_table, add_rating_numbers, rating_numbers, write_group_table

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

_OTHERS = tuple(f"PRODUCT_{letter}" for letter in "BCDE")
# What the fields of the first product and of the others end in.
_LETTERS = ("", "_b", "_c", "_d", "_e")


class Algorithm(ToolboxAlgorithm):
    NAME = "validatestations"
    TITLE = "Validate against stations"
    GROUP = "validation"
    SUMMARY = "Compares a soil-moisture product with station observations, station by station and over all pairs."
    DETAILS = (
        "<p>Each observation is paired with the product's cell and the nearest date within MAX_TIME_GAP days. "
        "Per station: correlation R with 95 % limits, R² (coefficient of determination), RMSE, ubRMSE, bias "
        "(product − station) and slope; the limits use the number of samples that are independent of one "
        "another. Stations with fewer than MIN_SAMPLES pairs are listed, not rated.</p><p>Up to five products are "
        "compared on the pairs that all of them have, since errors of other places and times say nothing about which "
        "is better; what each does on all its own pairs stands beside. Differences are judged station by station, "
        "with 95 % limits.</p><p>A product is only validated by stations that did not take part in its making.</p>"
    )
    TAGS = ("validation", "RMSE", "ubRMSE", "bias", "Taylor diagram", "in situ", "ISMN")
    ARGUMENTS = {"sources": "PRODUCT", **{f"sources[{i}]": key for i, key in enumerate(_OTHERS, start=1)}}
    NEEDS = ("pandas", "scipy", "matplotlib")
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
        for key in _OTHERS:
            self.add(
                rasters(key, f"Product {key[-1]}", optional=True),
                f"Another product to compare; its fields of the outputs end in _{key[-1].lower()}. The numbers that "
                "are returned are those of PRODUCT.",
                advanced=key != "PRODUCT_B",
            )
        self.add(
            text("LABELS", "Names of the products"),
            "For the report, separated by commas: SMAP,merged. Empty: the names of the files.",
            advanced=True,
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
            choice("RESAMPLING", "Products on the grid of the first", RULES, None, optional=True),
            "Not set: as METHOD says, from each product's own cells. Else each product has the value of the cell of "
            f"PRODUCT's grid that holds the station. {RESAMPLING_HELP}",
            advanced=True,
        )
        self.add(
            switch("COMMON_SAMPLE", "Compare on common pairs", True, optional=True),
            "With several products: rate all of them on the pairs that all have. No: each on its own pairs, which are "
            "not to be compared.",
            advanced=True,
        )
        self.add(
            choice("ANOMALIES", "Anomalies", ANOMALIES, "none", optional=True),
            "none: the values. climatology: deviations of product and observations from their means of each calendar "
            "month over all years. moving_window: from their means of the days around each date. Without the season R "
            "says how well departures from the usual are caught.",
            advanced=True,
        )
        self.add(
            number("ANOMALY_WINDOW", "Moving window [days]", 35, minimum=1, optional=True),
            "Length of the window of ANOMALIES moving_window, with the date in its middle.",
            advanced=True,
        )
        self.add(
            text("SERIES", "Stations whose series are shown"),
            "Names separated by commas. Empty: eight, from the highest to the lowest correlation.",
            advanced=True,
        )
        self.add(
            layer_output("OUTPUT", "Stations with metrics", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "One point per rated station with n, n_effective (independent pairs), r, r_squared (square of r), r2 "
            "(coefficient of determination), rmse, ubrmse, bias, slope and the confidence limits; those of further "
            "products end in _b to _e.",
        )
        self.add(
            layer_output("MATCHES", "Pairs", optional=True),
            "Table of all pairs: station, time, observed, predicted (further products: predicted_b to predicted_e).",
        )
        add_group_table(self)
        self.add(
            report_output(self.TITLE),
            "HTML page with scatter plots, differences between products, bias of dry and wet, groups, box plots, "
            "Taylor diagram, maps of the stations, series and a table of stations that sorts.",
        )
        add_rating_numbers(self)

    def resolve(self, parameters, context):
        products = [raster_sources(self, parameters, key, context) for key in ("PRODUCT", *_OTHERS)]
        return open_source(self, parameters, "STATIONS", context), products

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.columns import tell_impossible, to_names, to_numbers
        from sm_toolbox.validation.products import label_products
        from sm_toolbox.validation.report import Shown, products_report
        from sm_toolbox.validation.stations import validate_products

        source, products = inputs
        products = [product for product in products if product]
        table = read_table(source, progress, points=True)
        station, time, value, group = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE", "GROUP")
        )
        rows = table_rows(table, station, time)
        values = to_numbers(table.columns[value], value, table.name)
        tell_impossible(values, value, table.name, progress)
        names = [
            ", ".join(item.label for item in product[:3]) + (" …" if len(product) > 3 else "") for product in products
        ]
        labels = label_products(self.parameterAsString(parameters, "LABELS", context), names)
        how = self._how(parameters, context, products)
        found = validate_products(
            rows,
            values,
            dict(zip(labels, products)),
            to_names(table.columns[group]) if group else None,
            how,
            progress.part(0, 0.9),
        )
        series = self.parameterAsString(parameters, "SERIES", context)
        shown = Shown(
            table.name,
            how.min_samples,
            table.x,
            table.y,
            table.crs.isGeographic(),
            tuple(part.strip() for part in series.split(",") if part.strip()),
        )
        self._tell_series(shown.series, found, progress)
        title = f"Validation of {' and '.join(labels) if len(labels) < 3 else f'{len(labels)} products'}"
        return {
            "OUTPUT": self._write_stations(table, found, progress),
            "MATCHES": self._write_matches(table, found, progress),
            "GROUP_TABLE": write_group_table(self, found, progress),
            "REPORT": write_report(self, lambda: products_report(found, title, shown, progress)),
            **rating_numbers(found.first),
        }

    def _how(self, parameters, context, products):
        """Return how products are brought to the stations, and rated."""
        from sm_toolbox.raster.cells import CellRule
        from sm_toolbox.validation.anomalies import Deviations
        from sm_toolbox.validation.stations import Comparison

        rule = self.parameterAsString(parameters, "RESAMPLING", context)
        # Models of before these parameters leave them out, and an optional number that is not set reads as 0.
        window = (
            35
            if parameters.get("ANOMALY_WINDOW") is None
            else self.parameterAsDouble(parameters, "ANOMALY_WINDOW", context)
        )
        return Comparison(
            time_rule(self, parameters, context),
            self.parameterAsInt(parameters, "MIN_SAMPLES", context),
            CellRule(products[0][0], rule) if rule else self.parameterAsString(parameters, "METHOD", context),
            self.parameterAsBool(parameters, "COMMON_SAMPLE", context),
            Deviations(
                self.parameterAsString(parameters, "ANOMALIES", context) or "none",
                window,
            ),
        )

    def _tell_series(self, names, found, progress):
        known = {item.station for result in found.results for item in result.by_station}
        unknown = [name for name in names if name not in known]
        if unknown:
            progress.warning(
                f"SERIES names '{unknown[0][:100]}', which is no rated station. They are {', '.join(sorted(known)[:8])}"
                f"{' …' if len(known) > 8 else ''}."
            )

    def _write_stations(self, table, found, progress):
        from sm_toolbox.metrics import METRICS

        fields = QgsFields()
        fields.append(QgsField("station", TEXT))
        fields.append(QgsField("group", TEXT))
        names = [*_METRICS, *(key for key in METRICS if key not in _METRICS)]
        for letter in _LETTERS[: len(found.results)]:
            for name in names:
                fields.append(QgsField(name + letter, INTEGER if name == "n" else NUMBER))
        by_station = [{item.station: item for item in result.by_station} for result in found.results]
        # Without a common sample others may be rated at stations that the first product is not.
        stations = {name: items[name] for items in reversed(by_station) for name in items}
        order = [*by_station[0], *(name for name in stations if name not in by_station[0])]
        values, geometries = [], []
        for station in order:
            item = stations[station]
            row = [item.station, item.group]
            for items in by_station:
                rated = items.get(station)
                known = {} if rated is None else {**rated.metrics.as_dict(), **vars(rated.intervals)}
                row += [known.get(name) for name in names]
            values.append(row)
            geometries.append(point_geometry(table.x[item.row], table.y[item.row]))
        return self.outputs.write_table("OUTPUT", fields, values, geometries, table.crs, progress)

    def _write_matches(self, table, found, progress):
        fields = QgsFields()
        predicted = [f"predicted{letter}" for letter in _LETTERS[: len(found.results)]]
        for name, kind in (("station", TEXT), ("time", DATETIME), ("observed", NUMBER)):
            fields.append(QgsField(name, kind))
        for name in predicted:
            fields.append(QgsField(name, NUMBER))
        rows: dict[int, list] = {}
        for place, result in enumerate(found.results):
            for i, (row, time) in enumerate(zip(result.rows.tolist(), result.times.tolist())):
                new = [str(result.stations[i]), time, result.observed[i], *[None] * len(predicted)]
                rows.setdefault(row, new)[3 + place] = result.predicted[i]
        geometries = [point_geometry(table.x[row], table.y[row]) for row in rows]
        return self.outputs.write_table("MATCHES", fields, rows.values(), geometries, table.crs, progress)
