"""Calculate with bands."""

from __future__ import annotations

from sm_toolbox.errors import InputError
from sm_toolbox.products.expression import FUNCTIONS
from sm_toolbox.raster.reading import RULES

from ..base import ToolboxAlgorithm
from ..layers import raster_source, raster_sources
from ..parameters import add_scheduler, choice, engine_of, number, raster, raster_output, rasters, text, time_gap


class Algorithm(ToolboxAlgorithm):
    NAME = "calculatebands"
    TITLE = "Calculate with bands"
    GROUP = "data"
    SUMMARY = "Evaluates expressions on bands, date by date, and keeps names and dates; it also renames bands."
    DETAILS = (
        "<p>An expression names its result: <code>celsius = lst - 273.15</code>. It is evaluated on every date "
        "that the dated variables in it share; static ones serve all dates. Several results stand one after the "
        "other with semicolons between them, and later ones may use earlier ones: <code>ndvi = (nir - red) / "
        "(nir + red); dense = ndvi &gt; 0.6</code>. <code>soil_moisture = OUTPUT</code> gives a nameless band a "
        "name.</p><p>There are + - * / ** (power), &lt; &lt;= &gt; &gt;= == !=, and, or, not, numbers, nan, and "
        "these functions:</p><ul>"
        + "".join(f"<li>{row.help.replace('<', '&lt;')}</li>" for row in FUNCTIONS.values())
        + "</ul><p>Conditions give 1 and 0. Where a band has no data, the result has none; <code>where(isnan(a), b, "
        'a)</code> fills. Names that are no plain words stand in double quotes: <code>"1 km 16 days NDVI"</code>. Two '
        "layers of one variable are told apart as <code>variable_file</code>; the log lists what there is.</p>"
    )
    TAGS = ("calculator", "map algebra", "expression", "rename", "mask", "units", "arithmetic", "band math")
    EXAMPLE = {
        "INPUT": ["lst_day.tif", "lst_night.tif", "albedo.tif"],
        "EXPRESSION": "lst_mean = mean(lst_day, lst_night); warm = where(lst_day > 295 and albedo < 0.4, 1, 0)",
    }

    def declare(self):
        self.add(rasters("INPUT", "Rasters"), "Bands to calculate with, single- or multi-band, dated or static.")
        self.add(
            text("EXPRESSION", "Expression", optional=False),
            "name = expression; name2 = …, such as ndvi = (nir - red) / (nir + red).",
        )
        self.add(
            raster("GRID", "Grid", optional=True),
            "Raster whose CRS, cells and extent the output has. Not set: the finest of the rasters that are used.",
            advanced=True,
        )
        self.add(
            choice("RESAMPLING", "Resampling", RULES, "auto"),
            "How bands on other grids come to it. auto: the commonest of classes, means of finer cells, smooth between "
            "coarser ones.",
            advanced=True,
        )
        self.add(
            number("MAX_TIME_GAP", "Largest gap in time (days)", default=0, minimum=0),
            "How far the dates of the variables may lie apart; the dates of the one with the most count. A composite "
            "covers all days of its period. 0: the same day.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Calculated bands"), "Bands named name@date, or name where nothing is dated.")

    def resolve(self, parameters, context):
        expression = self.parameterAsString(parameters, "EXPRESSION", context)
        if not expression.strip():
            raise InputError("EXPRESSION is empty. Write name = expression, such as ndvi = (nir - red) / (nir + red).")
        return (
            raster_sources(self, parameters, "INPUT", context),
            raster_source(self, parameters, "GRID", context),
            expression,
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.products.calculate import calculate_bands

        sources, grid, expression = inputs
        output = self.outputs.path("OUTPUT")
        calculate_bands(
            sources,
            expression,
            output,
            grid=grid,
            resampling=self.parameterAsString(parameters, "RESAMPLING", context),
            max_gap_days=time_gap(self, parameters, context) or 0,
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
