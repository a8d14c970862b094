"""Predict a raster from a model."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile

from sm_toolbox.raster.reading import RULES

from ..base import ToolboxAlgorithm
from ..layers import raster_source, raster_sources
from ..parameters import (
    MODEL_GAP_HELP,
    RESAMPLING_HELP,
    add_gaps_of_variables,
    add_scheduler,
    add_time_direction,
    add_time_gap,
    add_update,
    choice,
    engine_of,
    integer,
    number_outputs,
    raster,
    raster_output,
    rasters,
    switch,
    text,
    time_rule,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "predictraster"
    TITLE = "Predict raster"
    GROUP = "modelling"
    SUMMARY = "Makes a map of soil moisture, or one for each date, from a trained model and rasters of its predictors."
    DETAILS = (
        "<p>Predictors are matched to the model by name (the band descriptions), in any order and from any "
        "number of files; further bands are ignored. Where predictors are dated, every date for which all of "
        "them have a band within MAX_TIME_GAP days becomes a band <i>soil_moisture@date</i>. Rasters on other "
        "grids are warped on the fly and named in the log, each as the training table was made "
        "(RESAMPLING). Of two products of one variable the model knows each by the name of its files without "
        "their dates. Cells where any predictor has no data have none in the map.</p><p>The map is made block by "
        "block on all cores within the memory given, however large the rasters are.</p>"
    )
    TAGS = ("map", "prediction", "random forest", "machine learning")
    ARGUMENTS = {
        "applicability": "APPLICABILITY_OUTPUT",
        "error": "ERROR_OUTPUT",
        "fallback": "FALLBACK_MODEL",
        "model": "MODEL_FILE",
        "quantiles": "QUANTILES_OUTPUT",
        "sources": "PREDICTORS",
    }
    NEEDS = ("numba",)

    def declare(self):
        self.add(
            QgsProcessingParameterFile("MODEL_FILE", "Model file", extension="smmodel"),
            "Model that 'Train model' made (.smmodel). Reading it runs no code.",
        )
        self.add(
            rasters("PREDICTORS", "Predictors"),
            "Rasters that hold all predictors of the model under the names it was trained with.",
        )
        self.add(
            raster("GRID", "Grid of the map", optional=True),
            "Raster whose CRS, cells and extent the map has. Not set: the first of the predictor rasters that "
            "the model needs; a warning names those with much finer cells.",
        )
        add_time_gap(
            self,
            "Largest gap in time [days]",
            "How many days a dated predictor may lie from the date of the map",
            default=MODEL_GAP_HELP,
        )
        add_gaps_of_variables(self)
        add_time_direction(self, None)
        self.add(
            choice("RESAMPLING", "Predictors on other grids", RULES, None, optional=True),
            f"How predictors on other grids reach that of the map. Not set: each as in the training table. "
            f"{RESAMPLING_HELP}",
            advanced=True,
        )
        self.add(
            text("DATES", "Dates"),
            "Dates to predict: 2018-06-01, 2018-06-09 or, for every eighth day, 2018-06-01/2018-09-30/8. Not "
            "set: all dates that the predictors allow.",
        )
        self.add(
            integer("MEMORY", "Memory [MB]", None, minimum=16, optional=True),
            "Memory for the blocks that are worked on at once. Not set: 256 MB. More is seldom faster.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFile("FALLBACK_MODEL", "Fallback model", extension="smmodel", optional=True),
            "Second model of the same target with fewer predictors, used for cells and dates that lack a "
            "predictor of the first, such as surface temperature under clouds.",
        )
        self.add(
            text("QUANTILES", "Levels of the quantiles", "0.05,0.5,0.95"),
            "Quantiles of QUANTILES_OUTPUT, above 0 and below 1, separated by commas. 0.05 and 0.95 bound an "
            "interval that is to hold nine tenths of the true values; the model's report says what it held at "
            "stations left out.",
        )
        self.add(
            switch("APPLICABILITY", "Find the area of applicability"),
            "Tell cells whose predictors are as like those of the training as its rows are like each other "
            "from others (Meyer & Pebesma 2021). The share is a result of its own; the maps are written where "
            "APPLICABILITY_OUTPUT is given.",
        )
        add_scheduler(self)
        add_update(
            self,
            "All rasters that are written must hold the same dates, of the same model. A date that is there is not "
            "made again, even where nearer predictors have arrived since; one without any value is not kept, and tried "
            "again.",
        )
        self.add(
            raster_output("OUTPUT", "Soil moisture"),
            "GeoTIFF in m³ m⁻³ with a band soil_moisture, or soil_moisture@date for each date.",
        )
        self.add(
            raster_output("QUANTILES_OUTPUT", "Quantiles", optional=True),
            "Bands soil_moisture_q05, soil_moisture_q50 … (with @date), calibrated on out-of-fold errors so that "
            "they hold what they promise.",
        )
        self.add(
            raster_output("APPLICABILITY_OUTPUT", "Area of applicability", optional=True),
            "Bands dissimilarity (distance to the nearest training row among the predictors, in mean distances "
            "of training rows) and applicable (1 or 0), with @date.",
        )
        self.add(
            raster_output("ERROR_OUTPUT", "Expected error", optional=True),
            "Bands expected_error (with @date): the RMSE that training rows as dissimilar as the cell had at stations "
            "that the model did not see. Beyond the most dissimilar of them it is theirs, and likely more.",
        )
        self.add(
            raster_output("SOURCE", "Which model made the value", optional=True),
            "Bands source (with @date): 1 the model, 2 the fallback model.",
        )
        number_outputs(
            self,
            NEW_DATES="Maps that this run made",
            COVERAGE_PERCENT="Share of cells with a value, over all dates made [%]",
            FALLBACK_PERCENT="Share of cells whose value the fallback model made [%]",
            APPLICABLE_PERCENT="Share of the predicted cells within the area of applicability [%]",
        )

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "PREDICTORS", context), raster_source(self, parameters, "GRID", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.models.assessment.calibration import parse_quantiles
        from sm_toolbox.models.modelfile import load_model
        from sm_toolbox.models.planes import Wanted
        from sm_toolbox.models.prediction import predict_raster
        from sm_toolbox.raster.times import parse_dates

        sources, grid = inputs
        outputs = {
            key: self.outputs.path(key)
            for key in ("OUTPUT", "QUANTILES_OUTPUT", "APPLICABILITY_OUTPUT", "ERROR_OUTPUT", "SOURCE")
        }
        model = load_model(self.parameterAsFile(parameters, "MODEL_FILE", context))
        fallback_file = self.parameterAsFile(parameters, "FALLBACK_MODEL", context)
        fallback = load_model(fallback_file) if fallback_file else None
        levels = parse_quantiles(self.parameterAsString(parameters, "QUANTILES", context))
        wanted = Wanted(
            outputs["QUANTILES_OUTPUT"],
            levels,
            outputs["APPLICABILITY_OUTPUT"],
            self.parameterAsBool(parameters, "APPLICABILITY", context),
            outputs["SOURCE"],
            parse_dates(self.parameterAsString(parameters, "DATES", context)) or None,
            self.parameterAsString(parameters, "RESAMPLING", context) or None,
            outputs["ERROR_OUTPUT"],
            update=self.parameterAsBool(parameters, "UPDATE", context),
            destinations={path: self.outputs.final(key) for key, path in outputs.items() if path},
        )
        result = predict_raster(
            model,
            sources,
            outputs["OUTPUT"],
            grid=grid,
            max_gap_days=time_rule(self, parameters, context),
            fallback=fallback,
            wanted=wanted,
            engine=engine_of(self, parameters, context, progress),
        )
        numbers: dict[str, float] = {"NEW_DATES": len(result.bands)}
        if result.bands:
            numbers["COVERAGE_PERCENT"] = 100 * result.coverage
        if result.bands and fallback is not None:
            numbers["FALLBACK_PERCENT"] = 100 * result.by_model[1]
        if result.applicable is not None:
            numbers["APPLICABLE_PERCENT"] = 100 * result.applicable
        return {**{key: path for key, path in outputs.items() if path}, **numbers}
