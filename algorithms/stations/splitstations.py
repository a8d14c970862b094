"""Split stations."""

from __future__ import annotations

from qgis.core import QgsFields, QgsProcessingParameterDateTime

from sm_toolbox.errors import InputError
from sm_toolbox.stations.partition import PARTITIONS

from ..base import ToolboxAlgorithm
from ..expressions import rows_where
from ..layers import layout_of, open_source, read_table
from ..origins import note_origins, read_origins
from ..parameters import choice, expression, field, integer, layer_output, moment, number, number_outputs, table


class Algorithm(ToolboxAlgorithm):
    NAME = "splitstations"
    TITLE = "Split stations"
    GROUP = "stations"
    SUMMARY = "Divides stations into those to train on and those to validate with, without a station, or date, in both."
    DETAILS = (
        "<p><i>share</i> draws whole stations, the same share in each stratum (land cover, network) as far as whole "
        "stations go. <i>before_date</i> trains on the rows before a day and validates with the others. "
        "<i>expression</i> validates with the rows for which it is true; where these share stations and dates with the "
        "others, the others of their stations are on neither side, and the log says how many.</p><p>Stations less than "
        "50 m apart stay on one side. 'Predict table' rates a model by the validation rows.</p>"
    )
    TAGS = ("hold-out", "independent stations", "validation", "stratified")
    EXAMPLE = {
        "INPUT": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "METHOD": "share",
        "SHARE": 0.25,
    }

    def declare(self):
        self.add(
            table("INPUT", "Stations"),
            "Layer or table with one row per station and time; a training table keeps what it knows of its rasters.",
        )
        self.add(field("STATION", "Station field", "INPUT", "station"), "Name or number of the station.")
        self.add(
            field("TIME", "Time field", "INPUT", "time", optional=True),
            "Date, date and time, or ISO 8601 text, in UTC. Needed for METHOD before_date.",
        )
        self.add(
            choice("METHOD", "Method", PARTITIONS, "share"),
            "share: whole stations at random. before_date: rows of DATE and after are for the validation. expression: "
            "rows for which EXPRESSION is true are for the validation.",
        )
        self.add(
            number("SHARE", "Share of the validation", 0.25, minimum=0, maximum=1),
            "For METHOD share: of the stations, above 0 and below 1.",
        )
        self.add(
            field("STRATA", "Strata field", "INPUT", optional=True),
            "For METHOD share: a property of the stations of which both sides are to have their share, such as land "
            "cover or network. Strata of one station are trained on.",
        )
        self.add(
            QgsProcessingParameterDateTime("DATE", "First day of the validation", optional=True),
            "For METHOD before_date (UTC); days are never divided.",
        )
        self.add(
            expression("EXPRESSION", "Rows of the validation", "INPUT"),
            "For METHOD expression, as QGIS writes them: \"network\" = 'RSMN', or \"time\" >= '2015'.",
        )
        self.add(
            integer("SEED", "Seed", 0, minimum=0, maximum=2**31 - 1),
            "Same seed, same stations: same division.",
            advanced=True,
        )
        self.add(layer_output("TRAINING", "Training rows"), "The rows to train on, with all fields.")
        self.add(layer_output("VALIDATION", "Validation rows"), "The rows to validate with, with all fields.")
        number_outputs(self, TRAINING_ROWS="Rows to train on", VALIDATION_ROWS="Rows to validate with")

    def resolve(self, parameters, context):
        source = open_source(self, parameters, "INPUT", context)
        return (
            source,
            read_origins(parameters.get("INPUT"), source.fields(), context),
            moment(self, parameters, "DATE", context),
        )

    def compute(self, inputs, parameters, context, progress):
        import numpy as np

        from sm_toolbox.columns import to_names, to_times
        from sm_toolbox.stations.partition import StationRows, split_before_date, split_by_choice, split_by_share

        source, origins, date = inputs
        layer = read_table(source, progress, points=False)
        station, time, strata, method = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "STRATA", "METHOD")
        )
        names = np.array([name or "" for name in to_names(layer.columns[station])])
        times = None
        if time:
            parsed = to_times(layer.columns[time], time, layer.name)
            times = np.array([np.datetime64(each.start, "s") if each else np.datetime64("NaT", "s") for each in parsed])
        layout = layout_of(layer)
        rows = StationRows(layer.name, names, times, layout.positions if layout else None)
        if method == "share":
            parts = split_by_share(
                rows,
                self.parameterAsDouble(parameters, "SHARE", context),
                to_names(layer.columns[strata]) if strata else None,
                self.parameterAsInt(parameters, "SEED", context),
                progress,
            )
        elif method == "before_date":
            if date is None:
                raise InputError("METHOD before_date needs DATE, the first day of the validation.")
            parts = split_before_date(rows, date, progress)
        else:
            chosen = rows_where(self, parameters, "EXPRESSION", context, layer)
            if chosen is None:
                raise InputError("METHOD expression needs EXPRESSION, which says what rows to validate with.")
            parts = split_by_choice(rows, chosen, progress)
        noted = QgsFields(note_origins(layer.fields, origins))
        return {
            "TRAINING": self._write("TRAINING", layer, noted, parts.training, progress),
            "VALIDATION": self._write("VALIDATION", layer, noted, parts.validation, progress),
            "TRAINING_ROWS": int(parts.training.sum()),
            "VALIDATION_ROWS": int(parts.validation.sum()),
        }

    def _write(self, key, layer, fields, side, progress):
        rows = side.nonzero()[0]
        names = layer.fields.names()
        values = ([layer.columns[name][row] for name in names] for row in rows)
        geometries = [layer.geometries[row] for row in rows] if layer.has_geometry else []
        return self.outputs.write_table(key, fields, values, geometries, layer.crs, progress, layer.wkb)
