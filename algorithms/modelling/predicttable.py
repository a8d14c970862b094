"""Predict a table from a model."""

from __future__ import annotations

from qgis.core import QgsFields, QgsProcessingParameterFile

from ..base import ToolboxAlgorithm
from ..crs import core_crs
from ..layers import INTEGER, NUMBER, append_fields, layout_of, open_source, read_table, write_report
from ..origins import note_origins, read_origins
from ..parameters import field, integer, layer_output, report_output, table, text
from ..validation.shared import add_group_table, add_rating_numbers, rating_numbers, write_group_table


class Algorithm(ToolboxAlgorithm):
    NAME = "predicttable"
    TITLE = "Predict table"
    GROUP = "modelling"
    SUMMARY = (
        "Predicts soil moisture for the rows of a table that took no part in the training, and says what the model is "
        "worth there."
    )
    DETAILS = (
        "<p>Rows are sampled as those of the training, with 'Sample predictors at stations'; the predictors are found "
        "by the names of the fields, or by what both tables note of the rasters behind them. At the same cells the "
        "values are those of 'Predict raster'. Rows that lack a predictor keep NULL and are counted.</p><p>Where "
        "OBSERVED is given, the report is that of 'Validate against stations', with what costs nothing beside the "
        "model (made of its training rows), by groups of stations (GROUP: network, land cover) with P values, and "
        "within and outside the area of applicability. A second model is compared on the same rows: one with local "
        "rows against one without, for example. Rows that took part in the training make the error look smaller than "
        "it is.</p>"
    )
    TAGS = ("validation", "independent stations", "machine learning", "RMSE", "skill")
    ARGUMENTS = {"observed": "OBSERVED", "values": "OBSERVED"}
    NEEDS = ("numba", "matplotlib", "scipy")

    def declare(self):
        self.add(
            QgsProcessingParameterFile("MODEL_FILE", "Model file", extension="smmodel"),
            "Model that 'Train model' made (.smmodel). Reading it runs no code.",
        )
        self.add(
            table("INPUT", "Rows to predict"),
            "Table or layer with the model's predictors, as 'Sample predictors at stations' makes it.",
        )
        self.add(
            field("OBSERVED", "Observed soil moisture", "INPUT", "soil_moisture", optional=True),
            "Field with the truth, by which the predictions are rated; in the unit of the model's target. Not set: "
            "soil_moisture, where the table has it. Empty: nothing is rated.",
        )
        self.add(
            field("STATION", "Station field", "INPUT", "station", optional=True),
            "Tells the rows of one station from those of another. Empty: rows at one place are of one station.",
        )
        self.add(
            field("TIME", "Time field", "INPUT", "time", optional=True),
            "Date of each row: for series, limits, the mean of the season, and predictors that are made of the date.",
        )
        self.add(
            field("GROUP", "Group field", "INPUT", optional=True),
            "Property of the stations by which the report divides them: network, land cover.",
        )
        self.add(
            text("QUANTILES", "Levels of the quantiles", "0.05,0.5,0.95"),
            "Quantiles to add as fields (q05, q50, q95), above 0 and below 1, separated by commas. Empty: none.",
        )
        self.add(
            QgsProcessingParameterFile("COMPARED_MODEL", "Model to compare with", extension="smmodel", optional=True),
            "Second model of the same target, such as one with local rows, rated on the same rows: differences at the "
            "stations with their limits are in the report. Its predictions are the field predicted_b.",
            advanced=True,
        )
        self.add(
            integer("MIN_SAMPLES", "Fewest rows of a station", 10, minimum=1),
            "Stations with fewer rows are not rated on their own, unless no station has as many.",
            advanced=True,
        )
        self.add(
            layer_output("OUTPUT", "Predictions"),
            "The rows with the fields predicted, the quantiles, dissimilarity (distance to the nearest training row "
            "among the predictors) and applicable (1 within the area of applicability, else 0).",
        )
        add_group_table(self)
        self.add(
            report_output(self.TITLE),
            "HTML page: the model beside what costs nothing, metrics of groups and stations, scatter plots, series.",
        )
        add_rating_numbers(
            self,
            SKILL="Skill: share of the best baseline's RMSE that the model removes",
            BASELINE_RMSE="RMSE of the best baseline",
            APPLICABLE_PERCENT="Share of the predicted rows within the area of applicability [%]",
        )

    def resolve(self, parameters, context):
        source = open_source(self, parameters, "INPUT", context)
        return source, read_origins(parameters.get("INPUT"), source.fields(), context)

    def compute(self, inputs, parameters, context, progress):
        import numpy as np

        from sm_toolbox.errors import InputError
        from sm_toolbox.models.assessment.calibration import parse_quantiles
        from sm_toolbox.models.modelfile import load_model
        from sm_toolbox.models.rowprediction import predict_rows

        source, origins = inputs
        model = load_model(self.parameterAsFile(parameters, "MODEL_FILE", context))
        second_file = self.parameterAsFile(parameters, "COMPARED_MODEL", context)
        second = load_model(second_file) if second_file else None
        if second is not None and second.manifest.target.name != model.manifest.target.name:
            raise InputError(
                f"MODEL_FILE predicts '{model.manifest.target.name}', but COMPARED_MODEL predicts "
                f"'{second.manifest.target.name}'. Choose models of one target."
            )
        levels_text = self.parameterAsString(parameters, "QUANTILES", context).strip()
        levels = parse_quantiles(levels_text) if levels_text else []
        layer = read_table(source, progress, points=False)
        sampled, where = _sampled(self, parameters, context, layer, origins)
        predictions = {"the model": predict_rows(model, sampled, where, levels, progress.part(0, 0.4))}
        if second is not None:
            predictions["the second model"] = predict_rows(second, sampled, where, (), progress.part(0.4, 0.7))
        first = predictions["the model"]
        numbers, groups, report = self._rate(parameters, context, layer, sampled, where, predictions, model, progress)
        applicable = first.applicable[~np.isnan(first.applicable)]
        if len(applicable):
            numbers["APPLICABLE_PERCENT"] = float(100 * applicable.mean())
        return {
            "OUTPUT": self._write_rows(layer, origins, predictions, levels, progress),
            "GROUP_TABLE": groups,
            "REPORT": report,
            **numbers,
        }

    def _rate(self, parameters, context, layer, sampled, where, predictions, model, progress):
        """Return the numbers, the table of groups and the report."""
        import numpy as np

        from sm_toolbox.columns import tell_impossible, to_names, to_numbers
        from sm_toolbox.models.manifest import target_unit
        from sm_toolbox.validation.predictions import (
            bare_predictions_report,
            predictions_report,
            rate_predictions,
            worth_of_predictions,
        )
        from sm_toolbox.validation.rating import Observed
        from sm_toolbox.validation.report import Shown

        observed, station, group = (
            self.parameterAsString(parameters, key, context) for key in ("OBSERVED", "STATION", "GROUP")
        )
        first = predictions["the model"]
        groups = np.array([name or "(none)" for name in to_names(layer.columns[group])]) if group else None
        title = f"Predictions of {model.manifest.target.name} for {layer.name}"
        if not observed:
            unit = target_unit(model.manifest.target)
            report = write_report(
                self, lambda: bare_predictions_report(first, title, layer.name, groups, unit, progress)
            )
            return {}, None, report
        values = to_numbers(layer.columns[observed], observed, layer.name)
        tell_impossible(values, observed, layer.name, progress)
        times = where.moments
        rows = Observed(
            layer.name,
            _stations(layer, station, sampled.positions),
            np.full(len(layer), np.datetime64("NaT", "s")) if times is None else times,
            values,
            groups,
        )
        rated = rate_predictions(rows, predictions, self.parameterAsInt(parameters, "MIN_SAMPLES", context), progress)
        if rated.best is not None:
            progress.info(worth_of_predictions(rated))
        shown = Shown(
            layer.name,
            self.parameterAsInt(parameters, "MIN_SAMPLES", context),
            layer.x if layer.has_geometry else None,
            layer.y if layer.has_geometry else None,
            layer.crs.isGeographic(),
        )
        report = write_report(self, lambda: predictions_report(rated, title, shown, first.missing, progress))
        numbers = rating_numbers(rated.found.first)
        if rated.best is not None:
            numbers |= {"SKILL": rated.skill, "BASELINE_RMSE": rated.baseline_rmse}
        return numbers, write_group_table(self, rated.found, progress), report

    def _write_rows(self, layer, origins, predictions, levels, progress):
        from sm_toolbox.models.assessment.calibration import quantile_name

        first, *others = predictions.values()
        columns = [
            ("predicted", NUMBER, first.predicted),
            *((quantile_name(level), NUMBER, first.quantiles[:, i]) for i, level in enumerate(levels)),
            ("dissimilarity", NUMBER, first.dissimilarity),
            ("applicable", INTEGER, first.applicable),
            *(("predicted_b", NUMBER, other.predicted) for other in others),
        ]
        fields = QgsFields(note_origins(layer.fields, origins))
        # A table that was predicted before keeps its own columns under their names.
        append_fields(fields, [(name, kind) for name, kind, _ in columns])
        names = layer.fields.names()
        values = (
            [
                *(layer.columns[name][row] for name in names),
                *(_cell(kind, column[row]) for _, kind, column in columns),
            ]
            for row in range(len(layer))
        )
        geometries = layer.geometries if layer.has_geometry else []
        return self.outputs.write_table("OUTPUT", fields, values, geometries, layer.crs, progress, layer.wkb)


def _cell(kind, value):
    """Return a number as a field keeps it; NULL for NaN."""
    if value != value:
        return None
    return int(value) if kind == INTEGER else float(value)


def _sampled(algorithm, parameters, context, layer, origins):
    """Return the table as the core takes it, and where and when its rows are."""
    from sm_toolbox.columns import to_times
    from sm_toolbox.models.preparation import SampledTable
    from sm_toolbox.models.rowprediction import PlacesAndTimes

    time = algorithm.parameterAsString(parameters, "TIME", context)
    times = to_times(layer.columns[time], time, layer.name) if time else None
    layout = layout_of(layer)
    notes = {name: origin.as_dict() for name, origin in origins.items()}
    sampled = SampledTable(layer.columns, layer.name, layout.positions if layout else None, notes)
    if not layer.has_geometry or not layer.crs.isValid():
        return sampled, PlacesAndTimes(times)
    return sampled, PlacesAndTimes(times, layer.x, layer.y, core_crs(layer.crs, layer.name))


def _stations(layer, station, positions):
    """Return the station of each row: by its field, else by its place, else all rows are of one."""
    import numpy as np

    from sm_toolbox.columns import to_names
    from sm_toolbox.models.roles import places

    if station:
        return np.array([name or "(no name)" for name in to_names(layer.columns[station])])
    if positions is not None:
        return places(np.nan_to_num(positions))
    return np.full(len(layer), "all rows")
