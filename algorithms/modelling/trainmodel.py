"""Train a model."""

from __future__ import annotations

from qgis.core import QgsFields

from ..base import ToolboxAlgorithm
from ..layers import INTEGER, NUMBER, append_fields, open_source, read_table, write_report
from ..parameters import (
    expression,
    file_output,
    layer_output,
    number,
    number_outputs,
    report_output,
    switch,
    table,
    whole_number,
)
from .shared import (
    MODEL_FILTER,
    add_model_parameters,
    add_scaling_parameters,
    add_split_parameters,
    add_training_parameters,
    open_training,
    read_candidates,
    read_training,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "trainmodel"
    TITLE = "Train model"
    GROUP = "modelling"
    SUMMARY = "Trains a model of soil moisture and says what it is worth at stations and times that it has not seen."
    DETAILS = (
        "<p>The rows are divided into folds; each fold is predicted by a model that did not see it. What a fold "
        "leaves out decides what the error means: single rows (<i>random</i>) say how well the model fills gaps "
        "at known stations, whole stations (<i>station</i>) how well it maps places without one, periods "
        "(<i>time</i>) how well it serves another season, blocks of land (<i>block</i>) how well it maps land at "
        "some distance. The report shows the chosen split beside the random one and says what the difference "
        "means for a map. The model that is saved is fitted to all rows.</p><p>Rows without a target or a "
        "predictor are left out and counted. The model file holds plain numbers and no code: it is safe to pass "
        "on, and predicts without scikit-learn.</p>"
    )
    TAGS = ("random forest", "lstm", "machine learning", "regression", "cross-validation", "importance")
    ARGUMENTS = {"method": "TUNING"}
    NEEDS = ("sklearn", "numba", "joblib", "pandas", "scipy", "matplotlib")

    def declare(self):
        add_training_parameters(
            self, "Numeric fields to learn from. Rasters are matched to them by name at prediction."
        )
        add_model_parameters(self, sequences=True)
        self.add(
            table("SPIKE", "Local rows (spiking)", optional=True),
            "Rows of the area to be mapped, with the same fields, that join the training when the stations of "
            "TRAINING lie elsewhere. Their gain is measured at local stations that did not join. Needs STATION.",
            advanced=True,
        )
        self.add(
            number("SPIKE_WEIGHT", "Weight of a local row", 1, minimum=0),
            "Weight of a row of SPIKE against one of TRAINING. Few local rows among many others need more than 1 "
            "to be heard.",
            advanced=True,
        )
        self.add(
            switch("BASELINES", "Compare with what costs nothing", True),
            "The mean of the training rows, that of the season, and a straight line on one predictor (a product of "
            "soil moisture where there is one), judged under the same folds.",
            advanced=True,
        )
        add_scaling_parameters(self, "MODEL svr, mlp and lstm", " The model file holds the numbers.")
        self.add(
            expression("HOLDOUT", "Rows held out", "TRAINING"),
            "Rows for which this is true are neither fitted nor searched with, and rated at the end, beside the error "
            "out of fold: \"time\" >= '2015', or \"network\" = 'RSMN'. Empty: none.",
        )
        add_split_parameters(self, "Same seed, same data: same model.")
        self.add(file_output("MODEL_FILE", "Model file", MODEL_FILTER), "File to keep the model in (.smmodel).")
        self.add(
            report_output(self.TITLE),
            "HTML page: error of the chosen split beside the random one, scatter plots, metrics of every "
            "station, importance.",
        )
        self.add(
            layer_output("PREDICTIONS", "Out-of-fold predictions", optional=True),
            "The complete training rows with the fields predicted (by the model that did not see the row's "
            "fold), residual (observed − predicted) and fold.",
        )
        number_outputs(
            self,
            R="Correlation, out of fold",
            R2="Coefficient of determination, out of fold",
            RMSE="RMSE, out of fold",
            UBRMSE="Unbiased RMSE, out of fold",
            BIAS="Bias, out of fold",
            N="Rows that are rated",
            SKILL="Skill: share of the best baseline's RMSE that the model removes",
            BASELINE_RMSE="RMSE of the best baseline, out of fold",
            HOLDOUT_R="Correlation, rows held out",
            HOLDOUT_RMSE="RMSE, rows held out",
            HOLDOUT_N="Rows held out that are rated",
        )

    def resolve(self, parameters, context):
        spike = None if parameters.get("SPIKE") is None else open_source(self, parameters, "SPIKE", context)
        return open_training(self, parameters, context), spike

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.models.assessment.spiking import Spike
        from sm_toolbox.models.assessment.tuning import Tuner, inner_split
        from sm_toolbox.models.learners.catalogue import with_features_as_given
        from sm_toolbox.models.modelfile import save_model
        from sm_toolbox.models.reports.training import gap_in_words, training_report
        from sm_toolbox.models.table import make_training_table
        from sm_toolbox.models.training import train

        opened, spike_source = inputs
        model_file = self.outputs.path("MODEL_FILE")
        progress.keeps_best = self.parameterAsBool(parameters, "KEEP_BEST", context)
        seed = self.parameterAsInt(parameters, "SEED", context)
        candidates = read_candidates(self, parameters, context)
        layer, prepared = read_training(self, opened, parameters, context, progress)
        if prepared.table.limits:
            candidates = [with_features_as_given(candidate) for candidate in candidates]
        spike = None
        if spike_source is not None:
            local = read_table(spike_source, progress, points=False)
            rows = make_training_table(local.columns, prepared.table.roles, local.name, must_vary=False)
            spike = Spike(rows, self.parameterAsDouble(parameters, "SPIKE_WEIGHT", context))
        tuner = None
        if self.parameterAsString(parameters, "TUNING", context) != "none":
            tuner = Tuner(
                candidates,
                inner_split(prepared.split, whole_number(self, parameters, "TUNING_FOLDS", context, 1000)),
                progress.keeps_best,
            )
        training = train(
            prepared.table,
            candidates[0],
            prepared.split,
            prepared.periods,
            seed,
            tuner=tuner,
            spike=spike,
            progress=progress.part(0, 0.95),
        )
        if prepared.holdout is not None:
            training = training.rate(prepared.holdout)
        if not self.parameterAsBool(parameters, "BASELINES", context):
            training = training.without_baselines()
        for line in gap_in_words(training).splitlines():
            progress.info(line)
        progress.check()
        save_model(training.model, model_file)
        report = write_report(self, lambda: training_report(training, progress))
        predictions = self._write_predictions(parameters, context, layer, training, progress)
        values, best, held_out = training.chosen.metrics, training.chosen.best_baseline, training.holdout
        return {
            "MODEL_FILE": model_file,
            "REPORT": report,
            "PREDICTIONS": predictions,
            "R": values.r,
            "R2": values.r2,
            "RMSE": values.rmse,
            "UBRMSE": values.ubrmse,
            "BIAS": values.bias,
            "N": values.n,
            **({} if best is None else {"SKILL": training.chosen.skill, "BASELINE_RMSE": best.metrics.rmse}),
            **({} if held_out is None else _held_out_numbers(held_out.metrics)),
        }

    def _write_predictions(self, parameters, context, layer, training, progress):
        chosen, rows = training.chosen, training.table.source_rows
        fields = QgsFields(layer.fields)
        # A table that already went through a training keeps its own columns under their names.
        append_fields(fields, [("predicted", NUMBER), ("residual", NUMBER), ("fold", INTEGER)])
        residual = training.table.target - chosen.predictions
        names = layer.fields.names()
        values = (
            [*(layer.columns[name][row] for name in names), chosen.predictions[i], residual[i], chosen.fold[i]]
            for i, row in enumerate(rows)
        )
        geometries = [layer.geometries[row] for row in rows] if layer.has_geometry else []
        return self.outputs.write_table("PREDICTIONS", fields, values, geometries, layer.crs, progress, layer.wkb)


def _held_out_numbers(values):
    return {"HOLDOUT_R": values.r, "HOLDOUT_RMSE": values.rmse, "HOLDOUT_N": values.n}
