"""Monthly map from stations and a coarser product, with its trend (Ma et al. 2023)."""

from .build import (
    SEED,
    STATION,
    STATION_MONTHS,
    TERRAIN,
    Box,
    Step,
    Workflow,
    advanced,
    choice,
    fields_of_observations,
    given,
    layer_field,
    made,
    number,
    points,
    raster,
    rasters,
    switch,
    value,
    whole,
    words,
)

PREDICTORS = (
    made("ndvi_months") + made("other_months") + made("warm") + made("rain_map") + made("background_months")
    + made("soil") + made("terrain")
)  # fmt: skip


def composite(layers, period="month", outputs=None):
    sources = {"INPUT": layers, "PERIOD": value(period), "STATISTIC": value("mean")}
    return Step("temporalcomposite", sources, outputs or {})


WORKFLOW = Workflow(
    name="monthlymap",
    title="Monthly map of 250 m and its trend (Ma et al. 2023)",
    summary="From stations, a product of 1 km as further targets, MODIS, soil, terrain and kriged rain to monthly maps "
    "of the unfrozen season, with their trend by calendar month.",
    description="The study: Ma et al. (2023), Remote Sensing 15, 1531, doi 10.3390/rs15061531. All defaults are the "
    "study's; docs/study_monthly_map.md compares it step by step. Frozen months have no surface temperature in the "
    "table and in the maps, so that they have no value. Annual means and the mean of each month are further maps. On "
    "the demo scene one to two minutes.",
    inputs=(
        points("stations", "Stations", "Point layer, one feature per station and time."),
        *fields_of_observations(),
        points("gauges", "Rain gauges", "Point layer, one feature per gauge and day."),
        layer_field("gauge", "Gauge field", "station", "gauges", "Name of the gauge."),
        layer_field("gauge_time", "Time field of the gauges", "time", "gauges", "Date, in UTC."),
        layer_field("rain", "Rain field", "rain", "gauges", "In mm a day."),
        rasters("ndvi", "NDVI", "Dated bands (MOD13Q1): the maximum of each month is taken."),
        rasters(
            "others", "Temperature, evapotranspiration, albedo", "Dated bands lst_day, et, albedo: means of months."
        ),
        raster("sand", "Sand", "Of the upper 5 cm."),
        raster("clay", "Clay", "Of the upper 5 cm."),
        raster("silt", "Silt", "Not set: what sand and clay leave.", optional=True),
        raster("dem", "Elevation", "Digital elevation model, in metres."),
        rasters("target", "Product as further targets", "Soil moisture of 1 km or the like (SMCI in the study)."),
        rasters("background", "Product as a predictor", "Coarse soil moisture (SMC, 0.05°)."),
        rasters("third", "Product to compare with", "Such as ERA5-Land.", optional=True),
        raster("grid", "Grid of the map", "Raster with cells of 250 m."),
        advanced(
            choice(
                "soil_units",
                "Unit of the soil layers",
                ["percent", "g_per_kg"],
                "g_per_kg",
                "SoilGrids 2.0 as downloaded has g/kg; 'Import product' makes percent.",
            )
        ),
        advanced(
            words(
                "background_name",
                "Name of the product as a predictor",
                "smc = soil_moisture",
                "name = the variable in its files.",
            )
        ),
        advanced(
            words(
                "unfrozen",
                "Unfrozen cells",
                "lst = where(lst_day > 273.15 and albedo < 0.4, lst_day, nan)",
                "The temperature that is learned from: none where the ground is frozen or white; row and map go "
                "with it.",
            )
        ),
        advanced(
            words(
                "fields",
                "Predictors",
                "ndvi;lst;et;albedo;awc;sand;silt;clay;elevation;slope;aspect;rain;smc",
                "The study's, Eq. 3, with semicolons. Leave out what you do not have, but keep lst.",
            )
        ),
        advanced(
            choice(
                "ndvi_statistic",
                "NDVI of a month",
                ["max", "mean", "median"],
                "max",
                "max in the study: clouds lower NDVI.",
            )
        ),
        advanced(
            choice(
                "terrain_indices",
                "Terrain indices",
                ["elevation", "slope", "aspect", "northness", "eastness"],
                ["elevation", "slope", "aspect"],
                "The study's.",
                several=True,
            )
        ),
        advanced(
            choice(
                "kriging",
                "Interpolation of rain",
                ["ordinary_kriging", "simple_kriging", "idw"],
                "ordinary_kriging",
                "Kriging in the study.",
            )
        ),
        advanced(
            choice(
                "variogram",
                "Variogram",
                ["spherical", "exponential", "gaussian", "matern"],
                "spherical",
                "The study names none.",
            )
        ),
        advanced(
            choice(
                "resampling",
                "Predictors on other grids",
                ["nearest", "auto", "bilinear", "average"],
                "nearest",
                "nearest in the study, whose coarse cells then show in the map; auto does not.",
            )
        ),
        advanced(whole("extra_rows", "Largest number of rows of the product", 10000, "The study had 9,606 rows.", 1)),
        advanced(
            words(
                "holdout",
                "Rows held out",
                "\"time\" >= '2016'",
                "An expression: rated, never fitted. The study tested with 2016 to 2018.",
            )
        ),
        advanced(
            words(
                "hyperparameters",
                "Hyper-parameters (JSON)",
                '{"min_samples_leaf": 1}',
                'What the search leaves as it is, or values to search: {"max_depth": [10, 20]}. The study searched '
                "trees, depth and features: 36 combinations of the grid.",
                optional=True,
            )
        ),
        advanced(
            choice("tuning", "Search for hyper-parameters", ["grid", "random", "none"], "grid", "A grid in the study.")
        ),
        advanced(whole("tuning_folds", "Folds of the search", 10, "Of the search for hyper-parameters.", 2)),
        advanced(whole("candidates", "Most candidates", 100, "Draws of a random search; a larger grid is refused.", 1)),
        advanced(
            choice(
                "split",
                "Leave out for cross-validation",
                ["random", "station", "month", "year", "block"],
                "random",
                "random in the study.",
            )
        ),
        advanced(whole("folds", "Folds", 10, "Of the cross-validation.", 2)),
        advanced(
            choice(
                "trend", "Method of the trend", ["least_squares", "theil_sen"], "least_squares", "Eq. 8 of the study."
            )
        ),
        advanced(switch("by_month", "Trend by calendar month", True, "As in the study.")),
        advanced(number("pairs", "Fewest pairs of a station", 10, "Stations with fewer are not rated.", 2)),
        SEED,
    ),
    boxes=(
        Box(
            "Months",
            {
                "station_months": STATION_MONTHS,
                "rain_months": Step(
                    "aggregatestations",
                    {
                        "INPUT": given("gauges"),
                        "STATION": given("gauge"),
                        "TIME": given("gauge_time"),
                        "VALUE": given("rain"),
                        "PERIOD": value("month"),
                    },
                    note="mm a day, mean of the month",
                ),
                "ndvi_months": Step(
                    "temporalcomposite",
                    {"INPUT": given("ndvi"), "PERIOD": value("month"), "STATISTIC": given("ndvi_statistic")},
                ),
                "other_months": composite(given("others")),
                "target_months": composite(given("target")),
                "background_mean": composite(given("background")),
                "background_months": Step(
                    "calculatebands",
                    {"INPUT": made("background_mean"), "EXPRESSION": given("background_name")},
                    note="A name of its own, since stations have soil_moisture, too",
                ),
                "rain_map": Step(
                    "interpolatestations",
                    {
                        "STATIONS": made("rain_months"),
                        "STATION": given("gauge"),
                        "TIME": given("gauge_time"),
                        "VALUE": given("rain"),
                        "GRID": given("grid"),
                        "METHOD": given("kriging"),
                        "VARIOGRAM": given("variogram"),
                    },
                    {"REPORT": "Report of the rain"},
                ),
                "warm": Step(
                    "calculatebands",
                    {"INPUT": made("other_months"), "EXPRESSION": given("unfrozen")},
                    note="No temperature where it is frozen",
                ),
            },
        ),
        Box(
            "The same in all months",
            {
                "soil": Step(
                    "soilindices",
                    {
                        "SAND": given("sand"),
                        "CLAY": given("clay"),
                        "SILT": given("silt"),
                        "UNITS": given("soil_units"),
                    },
                    note="With the available water capacity (Eq. 1)",
                ),
                "terrain": TERRAIN,
            },
        ),
        Box(
            "Model",
            {
                "sample": Step(
                    "samplepredictors",
                    {
                        "STATIONS": made("station_months"),
                        **STATION,
                        "VALUE": given("value"),
                        "PREDICTORS": PREDICTORS,
                        "GRID": given("grid"),
                        "RESAMPLING": given("resampling"),
                        "EXTRA_TARGETS": made("target_months"),
                        "EXTRA_ROWS": given("extra_rows"),
                        "MAX_TIME_GAP": value(0),
                    },
                    note="Stations, and means of the predictors in each cell of the product",
                ),
                "train": Step(
                    "trainmodel",
                    {
                        "TRAINING": made("sample"),
                        "TARGET": given("value"),
                        "PREDICTORS": given("fields"),
                        **STATION,
                        "MODEL": value("random_forest"),
                        "HYPERPARAMETERS": given("hyperparameters"),
                        "TUNING": given("tuning"),
                        "TUNING_FOLDS": given("tuning_folds"),
                        "CANDIDATES": given("candidates"),
                        "HOLDOUT": given("holdout"),
                        "SPLIT": given("split"),
                        "FOLDS": given("folds"),
                        "SEED": given("seed"),
                    },
                    {"MODEL_FILE": "Model file", "REPORT": "Training report"},
                    "Importance is in its report",
                ),
            },
        ),
        Box(
            "Maps",
            {
                "predict": Step(
                    "predictraster",
                    {
                        "MODEL_FILE": made("train", "MODEL_FILE"),
                        "PREDICTORS": PREDICTORS,
                        "GRID": given("grid"),
                    },
                    {"OUTPUT": "Soil moisture by month", "APPLICABILITY_OUTPUT": "Area of applicability"},
                ),
                "years": composite(made("predict"), "year", {"OUTPUT": "Annual means"}),
                "mean_year": composite(made("predict"), "month_of_year", {"OUTPUT": "Mean of each month"}),
                "trend": Step(
                    "temporaltrend",
                    {"INPUT": made("predict"), "METHOD": given("trend"), "BY_MONTH": given("by_month")},
                    {"OUTPUT": "Trend"},
                    "With limits: see slope_low and slope_high",
                ),
                "series": Step(
                    "regionalseries",
                    {"INPUT": made("predict") + made("rain_map")},
                    {"OUTPUT": "Series of moisture and rain", "REPORT": "Report of the series"},
                ),
            },
        ),
        Box(
            "What it is worth",
            {
                "validate": Step(
                    "validatestations",
                    {
                        "PRODUCT": made("predict"),
                        "PRODUCT_B": made("target_months"),
                        "PRODUCT_C": given("third"),
                        "STATIONS": made("station_months"),
                        **STATION,
                        "VALUE": given("value"),
                        "MAX_TIME_GAP": value(0),
                        "MIN_SAMPLES": given("pairs"),
                    },
                    {"OUTPUT": "Stations with metrics", "REPORT": "Map beside the products at the stations"},
                    "Taylor diagram and series; the stations took part",
                ),
                "compare": Step(
                    "comparemaps",
                    {"PRODUCT": made("predict"), "REFERENCE": made("target_months"), "MAX_TIME_GAP": value(0)},
                    {"OUTPUT": "Difference from the product", "REPORT": "Map beside the product"},
                ),
            },
        ),
    ),
)
