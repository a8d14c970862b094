"""Select predictors."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem, QgsField, QgsFields, QgsProcessing, QgsProcessingOutputString

from sm_toolbox.models.assessment.selection import IMPORTANCES, SELECTION_METHODS

from ..base import ToolboxAlgorithm
from ..layers import INTEGER, NUMBER, TEXT, write_report
from ..parameters import choice, integer, layer_output, number_outputs, report_output, text, whole_number
from .shared import (
    add_split_parameters,
    add_training_parameters,
    hyperparameter_help,
    impurity_words,
    model_words,
    open_training,
    read_training,
)

FIELDS = (("step", INTEGER), ("added", TEXT), ("removed", TEXT), ("variables", TEXT), ("count", INTEGER))


class Algorithm(ToolboxAlgorithm):
    NAME = "selectpredictors"
    TITLE = "Select predictors"
    GROUP = "modelling"
    SUMMARY = "Finds the predictors that a model needs, by its error at stations and times that it has not seen."
    DETAILS = (
        "<p><i>ranked</i> adds the predictors one at a time, the most important first, and chooses the smallest "
        "number whose RMSE is within one standard error (over the folds) of the best step's. <i>forward</i> "
        "starts from the best pair (of more than 20 predictors from the best single one), adds the predictor "
        "that lowers the RMSE most, and ends where none does. <i>leave_one_out</i> leaves out each predictor in "
        "turn, <i>groups</i> each group of GROUPS; both choose those without which the error is larger, or all "
        "where these alone do clearly worse.</p><p>All errors are of rows that the model did not see. With whole "
        "stations left out, predictors that only tell the stations apart are of no use and are thrown out; with "
        "single rows left out they are kept, and spoil the map between the stations. Errors by which predictors "
        "were chosen are too small: OUTER_FOLDS tells by how much, or judge the final map at stations that took no "
        "part. The report also names predictors that are alike.</p>"
    )
    TAGS = (
        "variable selection",
        "feature selection",
        "forward selection",
        "importance",
        "machine learning",
        "collinearity",
    )
    NEEDS = ("sklearn", "numba", "joblib", "pandas", "scipy", "matplotlib")
    EXAMPLE = {
        "TRAINING": "stations.csv",
        "TARGET": "soil_moisture",
        "PREDICTORS": ["lon", "lat"],
        "STATION": "station",
        "METHOD": "ranked",
        "HYPERPARAMETERS": '{"n_estimators": 20}',
    }

    def declare(self):
        add_training_parameters(
            self,
            "Numeric fields to choose from. Rows that lack one of them are left out, so that all sets of "
            "predictors are judged by the same rows.",
        )
        self.add(
            choice("MODEL", "Model", model_words(), "random_forest"),
            "Kind of the models that are fitted to each set of predictors; see 'Train model'.",
        )
        self.add(
            text("HYPERPARAMETERS", "Hyper-parameters (JSON)"),
            f'What differs from the defaults, for example {{"n_estimators": 50}}: small models will do to compare '
            f"predictors, and many are fitted. {hyperparameter_help()}",
            advanced=True,
        )
        self.add(
            choice("METHOD", "Method", SELECTION_METHODS, "ranked"),
            "ranked: one more at a time in the order of importance, one fit for each predictor and fold. "
            "forward: always the one that helps most; with 12 predictors up to 121 sets, with 20 up to 361. "
            "leave_one_out: without each predictor in turn. groups: without each group in turn.",
        )
        self.add(
            text("GROUPS", "Groups"),
            "For METHOD groups: predictors by group, such as terrain: slope, aspect, twi; soil: sand, clay. "
            "Predictors in no group are always kept.",
        )
        self.add(
            choice("IMPORTANCE", "Importance", IMPORTANCES, "permutation"),
            "What METHOD ranked orders by. permutation: increase of the error on rows left out when the "
            "predictor is shuffled. impurity: what splits at the predictor explain of the training rows "
            f"({impurity_words()}).",
            advanced=True,
        )
        self.add(
            integer("OUTER_FOLDS", "Outer folds", 0, minimum=0),
            "Choose anew in each of so many folds without its rows, and judge the choices on these: the error to "
            "trust, for as many times the work. 0: the errors are of the rows by which the predictors were chosen, and "
            "too small.",
            advanced=True,
        )
        add_split_parameters(self, "Same seed, same data: same choice.")
        self.add(
            layer_output("OUTPUT", "Steps", geometry=QgsProcessing.SourceType.TypeVector),
            "Table with a row for each step: step, added, removed, variables, count, n, r, r2, rmse, ubrmse, "
            "bias, slope (out of fold), rmse_sd (over the folds), chosen (1 or 0) and note (how far its errors can be "
            "trusted).",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page: errors step by step, rule of the choice, importance, correlations of the predictors.",
        )
        self.addOutput(
            QgsProcessingOutputString(
                "SELECTED", "Chosen predictors, separated by semicolons as the fields of 'Train model' take them"
            )
        )
        number_outputs(
            self,
            SELECTED_COUNT="Number of chosen predictors",
            R2="Coefficient of determination, outer folds",
            RMSE="RMSE, outer folds",
        )

    def resolve(self, parameters, context):
        return open_training(self, parameters, context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.models.assessment.choices import remember_choice
        from sm_toolbox.models.assessment.nested import select_nested
        from sm_toolbox.models.assessment.selection import make_method, select_predictors
        from sm_toolbox.models.learners.catalogue import make_estimator
        from sm_toolbox.models.reports.selection import in_words, selection_report, trust_in_words
        from sm_toolbox.report.page import in_unit

        kind, method, importance, groups_text = (
            self.parameterAsString(parameters, key, context) for key in ("MODEL", "METHOD", "IMPORTANCE", "GROUPS")
        )
        seed = self.parameterAsInt(parameters, "SEED", context)
        estimator = make_estimator(kind, self.parameterAsString(parameters, "HYPERPARAMETERS", context))
        _, prepared = read_training(self, inputs, parameters, context, progress)
        how = make_method(method, groups_text, importance, prepared.table.roles.predictors, progress)
        outer = whole_number(self, parameters, "OUTER_FOLDS", context, 1000)
        given = prepared.table, estimator, prepared.split, how
        share = 0.97 / (1 + outer)
        selection = select_predictors(*given, prepared.periods, seed, progress.part(0, share))
        progress.info(in_words(selection))
        nested = select_nested(*given, outer, prepared.periods, seed, progress.part(share, 0.97)) if outer else None
        trust = trust_in_words(nested)
        in_numbers = in_unit(trust, prepared.table.unit)
        progress.info(in_numbers)
        progress.check()
        remember_choice(prepared.table, selection.selected, trust)
        return {
            "OUTPUT": self._write_steps(selection, in_numbers, progress),
            "REPORT": write_report(self, lambda: selection_report(selection, nested, progress)),
            "SELECTED": ";".join(selection.selected),
            "SELECTED_COUNT": len(selection.selected),
            **({} if nested is None else {"R2": nested.metrics.r2, "RMSE": nested.metrics.rmse}),
        }

    def _write_steps(self, selection, note, progress):
        from sm_toolbox.metrics import METRICS

        keys = [key for key, row in METRICS.items() if row.is_own]
        fields = QgsFields()
        numbers = [(key, INTEGER if key == "n" else NUMBER) for key in keys]
        for name, kind in (*FIELDS, *numbers, ("rmse_sd", NUMBER), ("chosen", INTEGER), ("note", TEXT)):
            fields.append(QgsField(name, kind))
        rows = []
        for step in selection.steps:
            rows.append(
                (
                    step.number,
                    ", ".join(step.added),
                    ", ".join(step.removed),
                    ", ".join(step.predictors),
                    len(step.predictors),
                    *(step.metrics.values[key] for key in keys),
                    step.rmse_sd,
                    int(step is selection.chosen),
                    note if step is selection.chosen else None,
                )
            )
        return self.outputs.write_table("OUTPUT", fields, rows, (), QgsCoordinateReferenceSystem(), progress)
