"""Drought watch from one product: percentiles, root zone, regions."""

from .build import (
    Box,
    Step,
    Workflow,
    advanced,
    choice,
    given,
    layer_field,
    made,
    number,
    polygons,
    raster,
    rasters,
    switch,
    value,
    whole,
    words,
)

WORKFLOW = Workflow(
    name="droughtwatch",
    title="Drought watch from a product",
    summary="From a soil-moisture product to how dry each cell is for the place and the season, at the surface and in "
    "the root zone, and to series of regions.",
    description="Percentiles are of the cell's own past, in the classes of the US Drought Monitor (Svoboda et al. "
    "2002, doi 10.1175/1520-0477-83.8.1181); the root zone is filtered from the surface (Wagner et al. 1999; Albergel "
    "et al. 2008, doi 10.5194/hess-12-1323-2008). The record should hold five years at least. On the demo scene's ten "
    "years half a minute.",
    inputs=(
        rasters("product", "Product", "Dated soil moisture: what is to be rated."),
        rasters("record", "Longer record", "Of the same product, for what is usual; may be the product itself."),
        polygons("zones", "Regions", "Districts, basins. Not set: all cells are one.", optional=True),
        layer_field("zone", "Name field", None, "zones", "Name of each region.", optional=True),
        choice("period", "Period", ["dekad", "day", "month", "season"], "dekad", "Means over it are rated."),
        whole("count", "Fewest values of a period", 3, "Periods with fewer valid days have none.", 1),
        number(
            "depth", "Time constant of the root zone [days]", 20, "5: some 0.2 m; 20: the root zone; 60: a metre.", 0.1
        ),
        advanced(raster("constants", "Time constants by cell [days]", "Not set: one for all.", optional=True)),
        advanced(whole("season", "Season around a day [days]", 31, "Days of other years that are compared.", 1)),
        advanced(switch("own_year", "Leave the date's own year out", True, "Of what is usual.")),
        advanced(whole("years", "Fewest years", 5, "Cells with fewer have no percentile.", 2)),
        advanced(
            choice(
                "measures",
                "Measures",
                ["difference", "standardized", "percentile"],
                ["percentile", "standardized"],
                "Of the anomaly.",
                several=True,
            )
        ),
        advanced(
            words(
                "dry",
                "Dry cells",
                "dry = where(isnan(soil_moisture_percentile), nan, soil_moisture_percentile < 20)",
                "Whose share is told by region: below the 20th percentile is D1 and drier.",
            )
        ),
    ),
    boxes=(
        Box(
            "Surface",
            {
                "periods": Step(
                    "temporalcomposite",
                    {
                        "INPUT": given("product"),
                        "PERIOD": given("period"),
                        "STATISTIC": value("mean"),
                        "MIN_COUNT": given("count"),
                    },
                ),
                "record_periods": Step(
                    "temporalcomposite",
                    {
                        "INPUT": given("record"),
                        "PERIOD": given("period"),
                        "STATISTIC": value("mean"),
                        "MIN_COUNT": given("count"),
                    },
                    title="Composite of the record",
                ),
                "anomaly": Step(
                    "temporalanomaly",
                    {
                        "INPUT": made("periods"),
                        "REFERENCE": made("record_periods"),
                        "METHOD": given("measures"),
                        "WINDOW": given("season"),
                        "LEAVE_YEAR_OUT": given("own_year"),
                        "MIN_YEARS": given("years"),
                    },
                    {"OUTPUT": "Percentile of the surface"},
                ),
            },
        ),
        Box(
            "Root zone",
            {
                "root": Step(
                    "rootzone",
                    {
                        "INPUT": given("product"),
                        "TIME_CONSTANT": given("depth"),
                        "TIME_CONSTANT_RASTER": given("constants"),
                        "UNITS": value("index"),
                    },
                    {"OUTPUT": "Soil water index"},
                ),
            },
        ),
        Box(
            "Regions",
            {
                "dry_cells": Step("calculatebands", {"INPUT": made("anomaly"), "EXPRESSION": given("dry")}),
                "dry_series": Step(
                    "regionalseries",
                    {"INPUT": made("dry_cells"), "ZONES": given("zones"), "ZONE": given("zone")},
                    {"OUTPUT": "Share of dry cells by region", "REPORT": "Report of the dry cells"},
                    "The mean of dry is the share of dry cells",
                ),
                "series": Step(
                    "regionalseries",
                    {"INPUT": made("periods"), "ZONES": given("zones"), "ZONE": given("zone")},
                    {"OUTPUT": "Soil moisture by region", "REPORT": "Report of the regions"},
                ),
            },
        ),
    ),
)
