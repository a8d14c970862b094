"""Mask by quality layer."""

from __future__ import annotations

from sm_toolbox.products.maskquality import CUSTOM
from sm_toolbox.sensors.quality import QUALITY_LEVELS, QUALITY_RULES

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, number_outputs, raster_output, rasters, text


class Algorithm(ToolboxAlgorithm):
    NAME = "maskquality"
    TITLE = "Mask by quality layer"
    GROUP = "data"
    SUMMARY = "Removes the cells that the quality layers of a product call cloudy, doubtful or not retrieved."
    DETAILS = (
        "<p>Quality layers are matched by date; one without a date serves all. Their words are only ever taken "
        "from the nearest cell. What each rule keeps:</p><ul>"
        + "".join(
            f"<li><b>{key}</b> {row.label}: <code>{row.recommended.replace('<', '&lt;')}</code>; strict: "
            f"<code>{row.strict.replace('<', '&lt;')}</code>. {row.source}.</li>"
            for key, row in QUALITY_RULES.items()
        )
        + "</ul><p>Numbers before the sign are bits, counted from 0, and <code>value</code> is the whole number. A "
        "date of which nothing is left is left out, and the log names it.</p>"
    )
    TAGS = ("cloud", "mask", "quality", "QA", "bits", "flags", "SCL", "QA_PIXEL", "Fmask", "snow", "shadow")

    def declare(self):
        self.add(rasters("INPUT", "Rasters"), "Bands to mask, dated or static.")
        self.add(
            rasters("QUALITY", "Quality layers"),
            "The quality layers of the same product, as they come: of the same dates, on any grid.",
        )
        self.add(
            choice("RULE", "Rule", [*QUALITY_RULES, CUSTOM], next(iter(QUALITY_RULES))),
            "How the quality layer is read; custom: as BITS says.",
        )
        self.add(
            choice("LEVEL", "Level", QUALITY_LEVELS, QUALITY_LEVELS[0]),
            "recommended: what the provider recommends. strict: without what is doubtful.",
        )
        self.add(
            text("BITS", "Conditions of good cells"),
            "For RULE custom: bits and what they must be, such as 3-4=0 and 6=1, 0-1 in 0,3, 6-7<=1 or value in 4,5,6; "
            "with and, or between them.",
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Masked rasters"), "The bands, without data where they were not good.")
        number_outputs(self, MASKED_PERCENT="Masked cells (percent of those with data)")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context), raster_sources(self, parameters, "QUALITY", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.products.maskquality import mask_quality

        sources, quality = inputs
        output = self.outputs.path("OUTPUT")
        result = mask_quality(
            sources,
            quality,
            output,
            rule=self.parameterAsString(parameters, "RULE", context),
            level=self.parameterAsString(parameters, "LEVEL", context),
            bits=self.parameterAsString(parameters, "BITS", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output, "MASKED_PERCENT": result.masked_percent}
