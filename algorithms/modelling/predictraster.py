"""Predict a raster from a model."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile

from ..base import ToolboxAlgorithm
from ..layers import raster_source, raster_sources
from ..parameters import integer, number, number_outputs, raster, raster_output, rasters, text


class Algorithm(ToolboxAlgorithm):
    NAME = "predictraster"
    TITLE = "Predict raster"
    GROUP = "modelling"
    SUMMARY = "Makes a map of soil moisture, or one for each date, from a trained model and rasters of its predictors."
    DETAILS = (
        "<p>Predictors are matched to the model by name (the band descriptions), in any order and from any number of files; further bands are ignored. Where predictors are dated, every date for which all of "
        "them have a band within MAX_TIME_GAP days becomes a band <i>soil_moisture@date</i>. Rasters on other grids are warped on the fly and named in the log: much finer cells are averaged, others taken "
        "from the nearest cell. Cells where any predictor has no data have none in the map.</p>"
        "<p>The map is made block by block on all cores within the memory given, however large the rasters are.</p>"
    )
    TAGS = ("map", "prediction", "random forest", "machine learning")
    NEEDS = ("numba", "rasterio")

    def declare(self):
        self.add(
            QgsProcessingParameterFile("MODEL_FILE", "Model file", extension="smmodel"),
            "Model that 'Train model' made (.smmodel). Reading it runs no code.",
        )
        self.add(rasters("PREDICTORS", "Predictors"), "Rasters that hold all predictors of the model under the names it was trained with.")
        self.add(
            raster("GRID", "Grid of the map", optional=True),
            "Raster whose CRS, cells and extent the map has. Not set: the first of the predictor rasters that the model needs.",
        )
        self.add(
            number("MAX_TIME_GAP", "Largest gap in time [days]", 0, minimum=0),
            "How many days a dated predictor may lie from the date of the map. 0: the same day; for 8-day composites 4 is usual.",
        )
        self.add(
            text("DATES", "Dates"), "Dates to predict, separated by commas (2018-06-01,2018-06-09). Not set: all dates that the predictors allow."
        )
        self.add(
            integer("MEMORY", "Memory [MB]", None, minimum=16, optional=True),
            "Memory for the blocks that are worked on at once. Not set: 256 MB. More is seldom faster.",
            advanced=True,
        )
        self.add(raster_output("OUTPUT", "Soil moisture"), "GeoTIFF in m³ m⁻³ with a band soil_moisture, or soil_moisture@date for each date.")
        number_outputs(self, COVERAGE_PERCENT="Share of cells with a value, over all dates [%]")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "PREDICTORS", context), raster_source(self, parameters, "GRID", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.models.modelfile import load_model
        from sm_toolbox.models.prediction import parse_dates, predict_raster

        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        model = load_model(self.parameterAsFile(parameters, "MODEL_FILE", context))
        sources, grid = inputs
        memory = None if parameters.get("MEMORY") is None else self.parameterAsInt(parameters, "MEMORY", context) * 2**20
        result = predict_raster(
            model, sources, output, grid=grid, max_gap_days=self.parameterAsDouble(parameters, "MAX_TIME_GAP", context),
            dates=parse_dates(self.parameterAsString(parameters, "DATES", context)), memory=memory, progress=progress,
        )  # fmt: skip
        progress.info(f"{len(result.bands)} maps; {100 * result.coverage:.1f} % of the cells have a value.")
        return {"OUTPUT": output, "COVERAGE_PERCENT": 100 * result.coverage}
