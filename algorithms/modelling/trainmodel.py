"""Train a model."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields

from sm_toolbox.models.assessment.tuning import SEARCHES

from ..base import ToolboxAlgorithm
from ..layers import INTEGER, NUMBER, open_source, read_table, write_report
from ..parameters import (
    choice,
    expression,
    file_output,
    integer,
    layer_output,
    number,
    number_outputs,
    report_output,
    switch,
    table,
    text,
    whole_number,
)
from .shared import (
    add_scaling_parameters,
    add_split_parameters,
    add_training_parameters,
    hyperparameter_help,
    model_help,
    model_words,
    open_training,
    read_training,
)

MODEL_FILTER = "Model files (*.smmodel)"


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
    NEEDS = ("sklearn", "numba", "joblib", "pyproj", "pandas", "scipy", "matplotlib")

    def declare(self):
        add_training_parameters(
            self, "Numeric fields to learn from. Rasters are matched to them by name at prediction."
        )
        self.add(
            choice("MODEL", "Model", model_words(sequences=True), "random_forest"),
            model_help(),
        )
        self.add(
            integer("SEQUENCE_LENGTH", "Length of a sequence", 12, minimum=2, maximum=1000),
            "For MODEL lstm: steps of a sequence, that of the row included. A predictor is read with its earlier "
            "values, the fields ndvi, ndvi_lag1 … ndvi_lag11 that LAGS ndvi:1-11 of 'Sample predictors at stations' "
            "makes: all of them, or none, then it is the same at each step. Rows that lack one, such as the first of "
            "a record, are left out and counted. sequence_length in HYPERPARAMETERS wins.",
            advanced=True,
        )
        self.add(
            text("HYPERPARAMETERS", "Hyper-parameters (JSON)"),
            f'What differs from the defaults, for example {{"n_estimators": 200, "min_samples_leaf": 10}}. '
            f"{hyperparameter_help(sequences=True)} An unknown name is refused with the list of the valid ones. With "
            'TUNING a list stands for values to choose from: {"min_samples_leaf": [1, 5, 10]}.',
            advanced=True,
        )
        self.add(
            choice("TUNING", "Search for hyper-parameters", SEARCHES, "none"),
            "grid: all combinations of the values listed in HYPERPARAMETERS, or of a usual set. random: "
            "CANDIDATES draws. Each fold of the validation searches anew among the rows it may see, so that the "
            "search does not flatter the error; the model that is saved is searched with all rows.",
            advanced=True,
        )
        self.add(
            integer("CANDIDATES", "Candidates", 100, minimum=1),
            "Draws of TUNING random, and the largest number of combinations of TUNING grid.",
            advanced=True,
        )
        self.add(
            integer("TUNING_FOLDS", "Folds of the search", 3, minimum=2),
            "Parts in which candidates are judged, divided as SPLIT says, within the rows that the search may see.",
            advanced=True,
        )
        self.add(
            switch("KEEP_BEST", "Keep the best on Cancel"),
            "Yes: a Cancel during the search ends the search, and the training goes on with the best candidate so far. "
            "With MODEL lstm a Cancel while the final model is fitted keeps its best epoch.",
            advanced=True,
        )
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
        from sm_toolbox.models.assessment.tuning import Tuner, inner_split, make_candidates
        from sm_toolbox.models.learners.catalogue import make_estimator, with_default, with_features_as_given
        from sm_toolbox.models.modelfile import save_model
        from sm_toolbox.models.reports.training import gap_in_words, training_report
        from sm_toolbox.models.table import make_training_table
        from sm_toolbox.models.training import train

        opened, spike_source = inputs
        model_file = self.outputs.path("MODEL_FILE")
        kind, tuning, hyperparameters = (
            self.parameterAsString(parameters, key, context) for key in ("MODEL", "TUNING", "HYPERPARAMETERS")
        )
        length = whole_number(self, parameters, "SEQUENCE_LENGTH", context, 1000)
        hyperparameters = with_default(kind, hyperparameters, "sequence_length", length)
        progress.keeps_best = self.parameterAsBool(parameters, "KEEP_BEST", context)
        count, seed = (
            whole_number(self, parameters, "CANDIDATES", context),
            self.parameterAsInt(parameters, "SEED", context),
        )
        candidates = (
            [make_estimator(kind, hyperparameters)]
            if tuning == "none"
            else make_candidates(kind, hyperparameters, tuning, count, seed)
        )
        layer, prepared = read_training(self, opened, parameters, context, progress)
        if prepared.table.limits:
            candidates = [with_features_as_given(candidate) for candidate in candidates]
        spike = None
        if spike_source is not None:
            local = read_table(spike_source, progress, points=False)
            rows = make_training_table(local.columns, prepared.table.roles, local.name, must_vary=False)
            spike = Spike(rows, self.parameterAsDouble(parameters, "SPIKE_WEIGHT", context))
        tuner = None
        if tuning != "none":
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
        progress.info(gap_in_words(training))
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
        for name, kind in (("predicted", NUMBER), ("residual", NUMBER), ("fold", INTEGER)):
            # A table that already went through a training keeps its own columns under their names.
            while fields.lookupField(name) >= 0:
                name += "_"
            fields.append(QgsField(name, kind))
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
