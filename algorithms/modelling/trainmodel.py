"""Train a model."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields

from ..base import ToolboxAlgorithm
from ..layers import INTEGER, NUMBER, area_positions, metric_positions, open_source, raster_source, read_table, write_report, write_table
from ..parameters import choice, field, file_output, integer, layer_output, number, number_outputs, raster, report_output, switch, table, text
from .shared import hyperparameter_help, model_words, split_words

MODEL_FILTER = "Model files (*.smmodel)"


class Algorithm(ToolboxAlgorithm):
    NAME = "trainmodel"
    TITLE = "Train model"
    GROUP = "modelling"
    SUMMARY = "Trains a model of soil moisture and says what it is worth at stations and times that it has not seen."
    DETAILS = (
        "<p>The rows are divided into folds; each fold is predicted by a model that did not see it. What a fold leaves out decides what the error means: single rows (<i>random</i>) say how well the model fills "
        "gaps at known stations, whole stations (<i>station</i>) how well it maps places without one, periods (<i>time</i>) how well it serves another season, blocks of land (<i>block</i>) how well it maps land "
        "at some distance. The report shows the chosen split beside the random one and says what the difference means for a map. The model that is saved is fitted to all rows.</p>"
        "<p>Rows without a target or a predictor are left out and counted. The model file holds plain numbers and no code: it is safe to pass on, and predicts without scikit-learn.</p>"
    )
    TAGS = ("random forest", "machine learning", "regression", "cross-validation", "importance")
    NEEDS = ("sklearn", "numba", "joblib", "rasterio")

    def declare(self):
        self.add(
            table("TRAINING", "Training table"),
            "Table with the observed soil moisture and the predictors in each row, as 'Sample predictors at stations' makes it.",
        )
        self.add(field("TARGET", "Observed soil moisture", "TRAINING"), "Field to learn, in m³ m⁻³. Rows where it is NULL are left out.")
        self.add(
            field("PREDICTORS", "Predictors", "TRAINING", multiple=True),
            "Numeric fields to learn from. Rasters are matched to them by name at prediction.",
        )
        self.add(
            field("STATION", "Station field", "TRAINING", optional=True),
            "Tells the rows of one station from those of another. With it the default split leaves whole stations out.",
        )
        self.add(field("TIME", "Time field", "TRAINING", optional=True), "Date of each row; needed for SPLIT time.")
        self.add(
            field("WEIGHT", "Weight field", "TRAINING", optional=True, numeric=True),
            "Weight of each row in the fit: zero or positive.",
            advanced=True,
        )
        self.add(
            choice("MODEL", "Model", model_words(), "random_forest"),
            "random_forest: the mean of regression trees grown on random parts of the rows and predictors; a safe first choice. quantile_forest: the same with quantiles, for maps of uncertainty. "
            "xgboost: trees that correct each other, often the most accurate with many rows. svr: support vectors, for some hundred to some thousand rows. mlp: a neural network.",
        )
        self.add(
            text("HYPERPARAMETERS", "Hyper-parameters (JSON)"),
            f'What differs from the defaults, for example {{"n_estimators": 200, "min_samples_leaf": 10}}. {hyperparameter_help()} An unknown name is refused with the list of the valid ones. '
            'With TUNING a list stands for values to choose from: {"min_samples_leaf": [1, 5, 10]}.',
            advanced=True,
        )
        self.add(
            choice("TUNING", "Search for hyper-parameters", ["none", "grid", "random"], "none"),
            "grid: all combinations of the values listed in HYPERPARAMETERS, or of a usual set. random: CANDIDATES draws. Each fold of the validation searches anew among the rows it may see, so that the search "
            "does not flatter the error; the model that is saved is searched with all rows.",
            advanced=True,
        )
        self.add(
            integer("CANDIDATES", "Candidates", 100, minimum=1),
            "Draws of TUNING random, and the largest number of combinations of TUNING grid.",
            advanced=True,
        )
        self.add(
            switch("KEEP_BEST", "Keep the best on Cancel"),
            "Yes: a Cancel during the search ends the search, and the training goes on with the best candidate so far.",
            advanced=True,
        )
        self.add(
            choice("SPLIT", "Leave out for validation", split_words(), None, optional=True),
            "What each fold leaves out: single rows (random), whole stations, contiguous periods (time), whole years, calendar months, stations and periods at once (station_time: FOLDS × FOLDS fits), blocks of land, or places "
            "as far from the others as the map is from its stations (knndm). Not set: station where STATION is given, else random.",
        )
        self.add(integer("FOLDS", "Folds", 5, minimum=2), "Number of parts that are left out in turn.")
        self.add(
            number("BLOCK_SIZE", "Block size [m]", None, minimum=0, optional=True),
            "Side of the blocks of SPLIT block, in metres: larger than the distance over which soil moisture is alike.",
            advanced=True,
        )
        self.add(
            raster("PREDICTION_AREA", "Area to be mapped", optional=True),
            "For SPLIT knndm: a raster whose cells with data are the area to be mapped, such as a predictor.",
            advanced=True,
        )
        self.add(
            text("CYCLIC", "Cyclic predictors"),
            "Predictors that start again after a period, as name:period, separated by commas: aspect:360,doy:365,longitude:360. They enter as sine and cosine.",
            advanced=True,
        )
        self.add(
            table("SPIKE", "Local rows (spiking)", optional=True),
            "Rows of the area to be mapped, with the same fields, that join the training when the stations of TRAINING lie elsewhere. Their gain is measured at local stations that did not join. Needs STATION.",
            advanced=True,
        )
        self.add(
            number("SPIKE_WEIGHT", "Weight of a local row", 1, minimum=0),
            "Weight of a row of SPIKE against one of TRAINING. Few local rows among many others need more than 1 to be heard.",
            advanced=True,
        )
        self.add(integer("SEED", "Seed", 0, minimum=0, maximum=2**31 - 1), "Same seed, same data: same model.", advanced=True)
        self.add(file_output("MODEL_FILE", "Model file", MODEL_FILTER), "File to keep the model in (.smmodel).")
        self.add(report_output(), "HTML page: error of the chosen split beside the random one, scatter plots, metrics of every station, importance.")
        self.add(
            layer_output("PREDICTIONS", "Out-of-fold predictions", optional=True),
            "The complete training rows with the fields predicted (by the model that did not see the row's fold), residual (predicted − observed) and fold.",
        )
        number_outputs(
            self,
            R="Correlation, out of fold", R2="Coefficient of determination, out of fold", RMSE="RMSE, out of fold [m³ m⁻³]", UBRMSE="Unbiased RMSE, out of fold [m³ m⁻³]",
            BIAS="Bias, out of fold [m³ m⁻³]", N="Training rows",
        )  # fmt: skip

    def resolve(self, parameters, context):
        spike = None if parameters.get("SPIKE") is None else open_source(self, parameters, "SPIKE", context)
        return open_source(self, parameters, "TRAINING", context), spike, raster_source(self, parameters, "PREDICTION_AREA", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.models.estimators import make_estimator
        from sm_toolbox.models.features import parse_cyclic
        from sm_toolbox.models.modelfile import save_model
        from sm_toolbox.models.report import gap_in_words, training_report
        from sm_toolbox.models.splits import make_split
        from sm_toolbox.models.table import Roles, make_training_table
        from sm_toolbox.models.training import train
        from sm_toolbox.models.tuning import Tuner, inner_split, make_candidates

        source, spike_source, area_source = inputs
        model_file = self.parameterAsFileOutput(parameters, "MODEL_FILE", context)
        kind, tuning = (self.parameterAsString(parameters, key, context) for key in ("MODEL", "TUNING"))
        hyperparameters = self.parameterAsString(parameters, "HYPERPARAMETERS", context)
        seed, folds = self.parameterAsInt(parameters, "SEED", context), self.parameterAsInt(parameters, "FOLDS", context)
        candidates = [make_estimator(kind, hyperparameters)] if tuning == "none" else make_candidates(
            kind, hyperparameters, tuning, self.parameterAsInt(parameters, "CANDIDATES", context), seed
        )  # fmt: skip
        layer = read_table(source, progress, points=False)
        station, time, weight = (self.parameterAsString(parameters, key, context) or None for key in ("STATION", "TIME", "WEIGHT"))
        roles = Roles(
            self.parameterAsString(parameters, "TARGET", context),
            tuple(self.parameterAsFields(parameters, "PREDICTORS", context)),
            station,
            time,
            weight,
        )
        training_table = make_training_table(layer.columns, roles, layer.name, metric_positions(layer))
        periods = parse_cyclic(self.parameterAsString(parameters, "CYCLIC", context), roles.predictors)
        name = self.parameterAsString(parameters, "SPLIT", context) or ("station" if station else "random")
        block_size = None if parameters.get("BLOCK_SIZE") is None else self.parameterAsDouble(parameters, "BLOCK_SIZE", context)
        area = area_positions(area_source, layer) if area_source else None
        split = make_split(name, folds, block_size, area)
        for reason, count in training_table.dropped.items():
            progress.warning(f"{count} rows are left out: {reason}.")
        spike = None
        if spike_source is not None:
            local = read_table(spike_source, progress, points=False)
            spike = make_training_table(local.columns, roles, local.name, must_vary=False)
        training = train(
            training_table, kind, candidates[0], name, split, periods, seed,
            tuner=None if tuning == "none" else Tuner(candidates, inner_split(split, min(folds, 3)), self.parameterAsBool(parameters, "KEEP_BEST", context)),
            spike=spike, spike_weight=self.parameterAsDouble(parameters, "SPIKE_WEIGHT", context), progress=progress.part(0, 0.95),
        )  # fmt: skip
        progress.info(gap_in_words(training))
        progress.check()
        save_model(training.model, model_file)
        report = write_report(self, parameters, context, lambda: training_report(training))
        predictions = self._write_predictions(parameters, context, layer, training, progress)
        values = training.chosen.metrics
        return {
            "MODEL_FILE": model_file, "REPORT": report, "PREDICTIONS": predictions,
            "R": values.r, "R2": values.r2, "RMSE": values.rmse, "UBRMSE": values.ubrmse, "BIAS": values.bias, "N": values.n,
        }  # fmt: skip

    def _write_predictions(self, parameters, context, layer, training, progress):
        chosen, rows = training.chosen, training.table.source_rows
        fields = QgsFields(layer.fields)
        for name, kind in (("predicted", NUMBER), ("residual", NUMBER), ("fold", INTEGER)):
            # A table that already went through a training keeps its own columns under their names.
            while fields.lookupField(name) >= 0:
                name += "_"
            fields.append(QgsField(name, kind))
        residual = chosen.predictions - training.table.target
        names = layer.fields.names()
        values = ([*(layer.columns[name][row] for name in names), chosen.predictions[i], residual[i], chosen.fold[i]] for i, row in enumerate(rows))
        geometries = [layer.geometries[row] for row in rows] if layer.has_geometry else []
        return write_table(self, parameters, "PREDICTIONS", context, fields, values, geometries, layer.crs, progress, layer.wkb)
