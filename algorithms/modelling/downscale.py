"""Downscale a coarse product."""

from __future__ import annotations

from qgis.core import QgsField, QgsFields

from sm_toolbox.downscaling.choices import DOWNSCALE_SPLITS, RESIDUALS

from ..base import ToolboxAlgorithm
from ..crs import qgis_crs
from ..layers import (
    INTEGER,
    NUMBER,
    TEXT,
    append_fields,
    open_source,
    point_geometry,
    raster_source,
    raster_sources,
    read_table,
    table_rows,
    write_report,
)
from ..parameters import (
    add_gaps_of_variables,
    add_scheduler,
    add_time_gap,
    choice,
    engine_of,
    field,
    file_output,
    integer,
    layer_output,
    number,
    number_outputs,
    points,
    raster,
    raster_output,
    rasters,
    report_output,
    switch,
    text,
    time_rule,
    whole_number,
)
from .shared import MODEL_FILTER, add_model_parameters, read_candidates


class Algorithm(ToolboxAlgorithm):
    NAME = "downscale"
    TITLE = "Downscale product"
    GROUP = "modelling"
    SUMMARY = "Makes a fine map of a coarse soil-moisture product with fine predictors, and says what was gained by it."
    DETAILS = (
        "<p>The predictors are averaged over the cells of the product, date by date, and a model learns from these "
        "means; no stations are needed. The model then predicts from the fine predictors themselves, and what the "
        "product says beyond that (observed − predicted) is added: bilinear between the centres of its cells, and so "
        "that the mean of the map in each cell is the product's. A cell of the map belongs to the coarse cell that "
        "holds its centre: grids need not nest, nor have one coordinate reference system.</p><p>The report says how "
        "well the model knows coarse cells that it has not seen, by blocks of them and by periods, and whether the map "
        "is nearer to stations than the resampled product is. Where the predictors tell nothing, it says so. "
        "MODEL_FILE serves <i>Predict raster</i> on later dates, without residuals.</p>"
    )
    TAGS = ("disaggregation", "spatial resolution", "SMAP", "machine learning", "random forest", "residual kriging")
    ARGUMENTS = {"method": "TUNING"}
    NEEDS = ("sklearn", "numba", "joblib", "pandas", "scipy", "matplotlib")
    EXAMPLE = {
        "COARSE": ["product_a.tif"],
        "PREDICTORS": ["soil.tif", "ndvi.tif", "albedo.tif"],
        "GRID": "ndvi.tif",
        "MASK": "landcover.tif",
        "HYPERPARAMETERS": '{"n_estimators": 30}',
        "STATIONS": "stations_validation.gpkg",
        "STATION": "station",
        "TIME": "time",
        "VALUE": "soil_moisture",
    }

    def declare(self):
        self.add(
            rasters("COARSE", "Coarse product"),
            "Soil moisture in m³ m⁻³: one variable with dates, in one or more files on one grid. Each of its dates for "
            "which all predictors have a band becomes a band of the map.",
        )
        self.add(
            raster("COARSE_ERROR", "Error of the product", optional=True),
            "Standard deviation of the product's error in each cell, such as the WEIGHTS of 'Merge products' (band "
            "merged_error, of the part of the year where it has those): rows are weighted by 1 / σ². Cells without it "
            "are not learned from.",
            advanced=True,
        )
        self.add(
            rasters("PREDICTORS", "Fine predictors"),
            "Rasters, static or dated, on any grids. Those with cells as large as the product's help to learn, but "
            "bring no detail.",
        )
        self.add(
            raster("GRID", "Grid of the map", optional=True),
            "Raster whose CRS, cells and extent the map has. Not set: the predictor with the finest cells.",
        )
        add_model_parameters(
            self,
            ' Coarse cells are few, and their values means: {"min_samples_leaf": 2, "max_features": 1.0} made better '
            "forests on the demo scene. lstm reads SEQUENCE_LENGTH steps of every dated predictor where LAGS is empty.",
            sequences=True,
        )
        splits = ", ".join(f"{words} ({key})" for key, words in DOWNSCALE_SPLITS.items())
        self.add(
            choice("SPLIT", "Leave out for validation", DOWNSCALE_SPLITS, None, optional=True),
            f"What each fold leaves out: {splits}. The report shows random and periods beside it. Not set: block, or "
            "station where there are too few blocks.",
        )
        self.add(integer("FOLDS", "Folds", 5, minimum=2), "Number of parts that are left out in turn.")
        self.add(
            number("BLOCK_SIZE", "Block size [m]", None, minimum=0, optional=True),
            "Side of the blocks of SPLIT block, in metres. Not set: at least two coarse cells, and so many blocks that "
            "folds are alike.",
            advanced=True,
        )
        self.add(
            text("CATEGORICAL", "Predictors that are classes"),
            "Names of predictors that hold numbers of classes, such as land cover, separated by commas: each class "
            "becomes a feature of 0 and 1. A coarse cell has its most frequent class.",
            advanced=True,
        )
        self.add(
            integer("SEED", "Seed", 0, minimum=0, maximum=2**31 - 1), "Same seed, same data: same map.", advanced=True
        )
        self.add(
            choice("RESIDUALS", "Residuals", RESIDUALS, "block_bilinear"),
            f"What is added to the prediction. {'. '.join(f'{key}: {words}' for key, words in RESIDUALS.items())}.",
        )
        self.add(
            switch("CONSERVE", "Keep the means of the coarse cells", True, optional=True),
            "For RESIDUALS block_bilinear: correct the residuals so that the mean of the map in each coarse cell is "
            "the product's. No: somewhat smoother, with means that differ.",
            advanced=True,
        )
        self.add(
            raster("MASK", "Land cover for the mask", optional=True),
            "Raster of classes, one band. Cells of the classes of MASK_VALUES count in no mean and get no value.",
        )
        self.add(
            text("MASK_VALUES", "Masked classes", "0,15,17"),
            "Classes of MASK that are left out, separated by commas: those of water and ice. 0, 15 and 17 are theirs "
            "in MODIS' IGBP land cover.",
        )
        self.add(
            number("MAX_MASKED_SHARE", "Largest masked share of a coarse cell", 0.5, minimum=0, maximum=0.99),
            "Coarse cells of which a larger share is masked, without predictors or beyond the map are neither learned "
            "from nor given a residual.",
            advanced=True,
        )
        add_time_gap(
            self, "Largest gap in time [days]", "How many days a dated predictor may lie from the product's date"
        )
        add_gaps_of_variables(self)
        self.add(
            text("LAGS", "Earlier values"),
            "What the ground remembers, as further predictors: ndvi:1 (one step back), ndvi:1-11, rain:7d (seven days "
            "back), rain:7d:sum, as in 'Sample predictors at stations'. Dates that lack one of them get no map.",
            advanced=True,
        )
        self._declare_stations()
        self._declare_outputs()

    def _declare_stations(self):
        self.add(
            points("STATIONS", "Stations for the report", optional=True),
            "Point layer with one feature per station and time, to find out what was gained. They take no part in the "
            "making of the map.",
        )
        self.add(
            field("STATION", "Station field", "STATIONS", "station", optional=True), "Name or number of the station."
        )
        self.add(
            field("TIME", "Time field", "STATIONS", "time", optional=True),
            "Date, date and time, or ISO 8601 text, in UTC.",
        )
        self.add(
            field("VALUE", "Observed soil moisture", "STATIONS", "soil_moisture", optional=True),
            "Field with the observation, in the unit of COARSE.",
        )

    def _declare_outputs(self):
        self.add(
            integer("MEMORY", "Memory [MB]", None, minimum=16, optional=True),
            "Memory for the blocks that are worked on at once. Not set: 256 MB. More is seldom faster.",
            advanced=True,
        )
        self.add(
            text("QUANTILES", "Levels of the quantiles", "0.05,0.5,0.95"),
            "Quantiles of QUANTILES_OUTPUT, above 0 and below 1, separated by commas.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(
            raster_output("OUTPUT", "Soil moisture"),
            "Bands soil_moisture (with @date of each date of COARSE).",
        )
        self.add(
            raster_output("QUANTILES_OUTPUT", "Quantiles", optional=True),
            "Bands soil_moisture_q05, soil_moisture_q50 … (with @date): those of the model, calibrated on coarse cells "
            "left out, and moved by the residual. They hold for coarse cells; single fine cells vary more.",
        )
        self.add(
            raster_output("APPLICABILITY_OUTPUT", "Area of applicability", optional=True),
            "Bands dissimilarity and applicable (1 or 0), with @date: where fine predictors are unlike all means that "
            "the model learned from.",
        )
        self.add(
            raster_output("SOURCE", "Where the value comes from", optional=True),
            "Bands source (with @date): 1 model and residual, 2 the model alone, where COARSE has no data or too much "
            "of its cell is masked.",
        )
        self.add(
            file_output("MODEL_FILE", "Model file", MODEL_FILTER),
            "File to keep the model in (.smmodel), which 'Predict raster' takes on other dates.",
        )
        self.add(
            layer_output("PREDICTIONS", "Coarse cells out of fold", optional=True),
            "Points in the middle of coarse cells on dates, with the product, the means of the predictors, predicted "
            "(by the model that did not see the row's fold), residual (observed − predicted) and fold.",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page: what was gained, at stations and on coarse cells left out; maps before and after; how far the "
            "product is kept; predictors beyond the range of their means; each predictor left out in turn.",
        )
        number_outputs(
            self,
            R="Correlation, coarse cells out of fold",
            R2="Coefficient of determination, coarse cells out of fold",
            RMSE="RMSE, coarse cells out of fold",
            UBRMSE="Unbiased RMSE, coarse cells out of fold",
            BIAS="Bias, coarse cells out of fold",
            N="Rows of coarse cells",
            SKILL="Skill: share of the best baseline's RMSE that the model removes",
            BASELINE_RMSE="RMSE of the best baseline, out of fold",
            BLOCK_ERROR="Largest difference of the map's mean in a coarse cell from the product",
            GAIN_PERCENT="Share of the resampled product's RMSE at stations that the map removes [%]",
        )

    def resolve(self, parameters, context):
        stations = None if parameters.get("STATIONS") is None else open_source(self, parameters, "STATIONS", context)
        return (
            *(raster_sources(self, parameters, key, context) for key in ("COARSE", "PREDICTORS")),
            *(raster_source(self, parameters, key, context) for key in ("COARSE_ERROR", "GRID", "MASK")),
            stations,
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.downscaling.downscale import downscale
        from sm_toolbox.downscaling.fine import DownscaleFiles
        from sm_toolbox.downscaling.report import downscaling_report
        from sm_toolbox.models.assessment.calibration import parse_quantiles
        from sm_toolbox.models.modelfile import save_model

        progress.keeps_best = self.parameterAsBool(parameters, "KEEP_BEST", context)
        path = self.outputs.path
        model_file = path("MODEL_FILE")
        files = DownscaleFiles(
            path("OUTPUT"),
            path("QUANTILES_OUTPUT"),
            path("APPLICABILITY_OUTPUT"),
            path("SOURCE"),
            parse_quantiles(self.parameterAsString(parameters, "QUANTILES", context)),
            count_applicable=path("REPORT") is not None,
        )
        engine = engine_of(self, parameters, context, progress)
        result = downscale(
            self._inputs_of(inputs, parameters, context),
            self._learning(parameters, context, progress),
            files,
            self.parameterAsString(parameters, "RESIDUALS", context),
            self.parameterAsBool(parameters, "CONSERVE", context),
            self._stations(inputs[-1], parameters, context, progress),
            engine.part(0, 0.8),
        )
        save_model(result.coarse_model.training.model, model_file)
        report = write_report(self, lambda: downscaling_report(result, engine.part(0.8, 1)))
        predictions = self._write_predictions(result.coarse_model, progress)
        chosen, fine = result.coarse_model.training.chosen, result.fine
        values, best = chosen.metrics, chosen.best_baseline
        return {
            "OUTPUT": files.output,
            **{
                key: path
                for key, path in (
                    ("QUANTILES_OUTPUT", files.quantiles),
                    ("APPLICABILITY_OUTPUT", files.applicability),
                    ("SOURCE", files.source),
                )
                if path
            },
            "MODEL_FILE": model_file,
            "REPORT": report,
            "PREDICTIONS": predictions,
            "R": values.r,
            "R2": values.r2,
            "RMSE": values.rmse,
            "UBRMSE": values.ubrmse,
            "BIAS": values.bias,
            "N": values.n,
            **({} if best is None else {"SKILL": chosen.skill, "BASELINE_RMSE": best.metrics.rmse}),
            "BLOCK_ERROR": fine.block_error,
            **({} if result.gain is None else {"GAIN_PERCENT": result.gain.percent}),
        }

    def _inputs_of(self, inputs, parameters, context):
        from sm_toolbox.downscaling.table import DownscaleInputs
        from sm_toolbox.raster.masking import ClassMask, parse_mask_values

        coarse, predictors, error, grid, mask, _ = inputs
        classes = parse_mask_values(self.parameterAsString(parameters, "MASK_VALUES", context))
        categorical = self.parameterAsString(parameters, "CATEGORICAL", context)
        return DownscaleInputs(
            coarse,
            predictors,
            error,
            grid,
            ClassMask(mask, classes) if mask else None,
            self.parameterAsDouble(parameters, "MAX_MASKED_SHARE", context),
            time_rule(self, parameters, context),
            tuple(name for name in (part.strip() for part in categorical.split(",")) if name),
            self.parameterAsString(parameters, "LAGS", context),
        )

    def _learning(self, parameters, context, progress):
        from sm_toolbox.downscaling.learning import Learning

        is_given = parameters.get("BLOCK_SIZE") is not None
        return Learning(
            read_candidates(self, parameters, context),
            self.parameterAsString(parameters, "SPLIT", context) or None,
            whole_number(self, parameters, "FOLDS", context, 10_000),
            self.parameterAsDouble(parameters, "BLOCK_SIZE", context) if is_given else None,
            whole_number(self, parameters, "TUNING_FOLDS", context, 1000),
            progress.keeps_best,
            self.parameterAsInt(parameters, "SEED", context),
        )

    def _stations(self, source, parameters, context, progress):
        from sm_toolbox.columns import tell_impossible, to_numbers
        from sm_toolbox.downscaling.stations import StationValues
        from sm_toolbox.errors import InputError

        if source is None:
            return None
        layer = read_table(source, progress, points=True)
        station, time, value = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE")
        )
        if not value:
            raise InputError(
                f"VALUE is not set, and '{layer.name}' has no field 'soil_moisture'. Choose the field with the "
                "observed soil moisture, or leave STATIONS empty."
            )
        observed = to_numbers(layer.columns[value], value, layer.name)
        tell_impossible(observed, value, layer.name, progress)
        return StationValues(table_rows(layer, station, time), observed)

    def _write_predictions(self, coarse_model, progress):
        table, prepared, chosen = coarse_model.table, coarse_model.prepared.table, coarse_model.training.chosen
        rows, columns = coarse_model.rows, table.source.columns
        residual = prepared.target - chosen.predictions
        own = [("predicted", NUMBER), ("residual", NUMBER), ("fold", INTEGER)]
        fields = QgsFields()
        for name in columns:
            fields.append(QgsField(name, TEXT if name in ("cell", "time") else NUMBER))
        # A predictor may be called so.
        append_fields(fields, own)
        moments = [str(table.times[i]) for i in table.date]
        shown = {**columns, **({"time": moments} if "time" in columns else {})}
        values = (
            [*(column[row] for column in shown.values()), chosen.predictions[i], residual[i], chosen.fold[i]]
            for i, row in enumerate(rows)
        )
        geometries = [point_geometry(table.x[row], table.y[row]) for row in rows]
        crs = qgis_crs(table.lattice.grid.crs)
        return self.outputs.write_table("PREDICTIONS", fields, values, geometries, crs, progress)
