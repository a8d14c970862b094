"""Three products merged by triple collocation and downscaled (Ming et al. 2022)."""

from .build import (
    SEED,
    STATION,
    STATION_MONTHS,
    Box,
    Step,
    Workflow,
    advanced,
    choice,
    fields_of_observations,
    given,
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

PRODUCTS = {"a": "GLDAS-Noah", "b": "ERA5-Land", "c": "SMAP"}
SET_UP = '{"units": [80, 100], "dropout": 0.2, "learning_rate": 0.001, "max_epochs": 200}'
FINE = made("ndvi_months") + made("other_months") + made("terrain") + made("soil")
PARENTS = ("if_parents", "parents")


def month(layers, days=None):
    """Means of months; where layers stand for `days` each, weighted by those within a month."""
    return {
        "INPUT": layers,
        "PERIOD": value("month"),
        "STATISTIC": value("weighted_mean" if days else "mean"),
        "PRODUCT_DAYS": days or value(1),
    }


def downscaled(product, title, outputs, where=()):
    sources = {
        "COARSE": product,
        "PREDICTORS": FINE,
        "GRID": given("grid"),
        "MODEL": given("kind"),
        "SEQUENCE_LENGTH": given("steps"),
        "HYPERPARAMETERS": given("hyperparameters"),
        "SPLIT": given("split"),
        "FOLDS": given("folds"),
        "SEED": given("seed"),
        "RESIDUALS": given("residuals"),
        "CONSERVE": given("conserve"),
        "MAX_TIME_GAP": value(0),
        "MASK": given("land_cover"),
        "MASK_VALUES": given("masked"),
    }
    return Step("downscale", sources, outputs, title=title, where=where)


def validated(products, labels, outputs, where=()):
    sources = {key: made(child) for key, child in products.items()}
    return Step(
        "validatestations",
        {
            **sources,
            "LABELS": value(labels),
            "STATIONS": made("station_months"),
            **STATION,
            "VALUE": given("value"),
            "MAX_TIME_GAP": value(0),
            "MIN_SAMPLES": given("pairs"),
        },
        outputs,
        where=where,
    )


WORKFLOW = Workflow(
    name="mergedmap",
    title="Merged and downscaled map of 1 km (Ming et al. 2022)",
    summary="From three products to one, weighted by the errors that triple collocation finds, and from that to fine "
    "monthly maps, rated at stations beside all parents.",
    description="The study: Ming et al. (2022), Remote Sensing 14, 1744, doi 10.3390/rs14071744. All defaults are the "
    "study's; docs/study_merged_map.md compares it step by step. Merging says for each cell why it is not resolved; "
    "the maps say what they gained over the coarse product. An LSTM needs the months before each date; "
    "'random_forest' takes dates alone, is faster and mostly as good. RESIDUALS block_bilinear keeps the means of the "
    "coarse cells, which the study's kriging does not. On the demo scene with a forest about a minute.",
    inputs=(
        *(
            rasters(f"product_{key}", f"Product {key.upper()}", f"Soil moisture by day or month; {name} in the study.")
            for key, name in PRODUCTS.items()
        ),
        raster("coarse", "Grid of the products", "Raster with the coarse cells, 0.36° in the study."),
        rasters("reflectance", "Reflectances", "Dated bands of MODIS (MOD09A1), for the albedo."),
        rasters("temperature", "Day and night temperature", "Dated bands lst_day and lst_night in K (MOD11)."),
        rasters("ndvi", "NDVI", "Dated bands (MOD13A2)."),
        raster("dem", "Elevation", "Digital elevation model, in metres."),
        raster("sand", "Sand", "Of the upper soil."),
        raster("clay", "Clay", "Of the upper soil."),
        raster("silt", "Silt", "Not set: what sand and clay leave.", optional=True),
        raster("land_cover", "Land cover", "Classes of MODIS (MCD12Q1): water and ice get no value.", optional=True),
        raster("grid", "Grid of the map", "Raster with the fine cells, 0.01° in the study."),
        points("stations", "Stations", "Point layer, one feature per station and time, which take part in nothing."),
        *fields_of_observations(),
        advanced(
            choice(
                "product_resampling",
                "Products on other grids",
                ["nearest", "bilinear", "average"],
                "nearest",
                "How they come to the coarse grid; nearest in the study.",
            )
        ),
        advanced(
            whole(
                "samples",
                "Fewest common months",
                36,
                "The study had 60; the customary minimum is 100, and limits tell what fewer are worth.",
                3,
            )
        ),
        advanced(number("alpha", "Significance level", 0.05, "Of the correlation of each pair of products.", 0, 1)),
        advanced(
            choice(
                "anomalies",
                "Anomalies",
                ["none", "climatology", "moving_window"],
                "none",
                "none in the study; the season inflates correlations.",
            )
        ),
        advanced(whole("bootstrap", "Resampled series", 200, "For limits of the errors; none in the study.", 0)),
        advanced(choice("reference", "Reference", ["a", "b", "c"], "a", "The climatology that the merged map has.")),
        advanced(
            choice(
                "unresolved",
                "Cells that are not resolved",
                ["mean", "best", "nodata"],
                "mean",
                "The plain mean in the study.",
            )
        ),
        advanced(
            choice(
                "soil_units",
                "Unit of the soil layers",
                ["percent", "g_per_kg"],
                "percent",
                "Percent in the study's HWSD; SoilGrids 2.0 as downloaded has g/kg.",
            )
        ),
        advanced(whole("window", "Window of the filter [steps]", 5, "Savitzky-Golay; the study names none.", 3)),
        advanced(whole("order", "Degree of its polynomial", 2, "The study names none.", 1)),
        advanced(whole("longest", "Longest gap that is filled [days]", 60, "Longer gaps stay gaps.", 1)),
        advanced(whole("days", "Days of a composite", 8, "Weighs temperature and albedo by their days in a month.", 1)),
        advanced(words("mean_temperature", "Temperature", "lst = mean(lst_day, lst_night)", "Day and night averaged.")),
        advanced(
            choice(
                "kind",
                "Model",
                ["lstm", "random_forest", "quantile_forest", "xgboost", "svr", "mlp"],
                "lstm",
                "lstm in the study.",
            )
        ),
        advanced(whole("steps", "Months of a sequence", 12, "For the LSTM; the study names none.", 2)),
        advanced(
            words(
                "hyperparameters",
                "Hyper-parameters (JSON)",
                SET_UP,
                "The study's two layers, Adam and at most 200 epochs. Other models need others, or {}.",
            )
        ),
        advanced(
            choice(
                "split",
                "Leave out for validation",
                ["random", "block", "time", "station"],
                "random",
                "Random rows in the study; block is harder and more honest.",
            )
        ),
        advanced(whole("folds", "Folds", 3, "A third is left out in turn; 30 % in the study.", 2)),
        advanced(
            choice(
                "residuals",
                "Residuals",
                ["simple_kriging", "block_bilinear", "ordinary_kriging", "none"],
                "simple_kriging",
                "Simple kriging in the study.",
            )
        ),
        advanced(switch("conserve", "Keep the means of the coarse cells", True, "For block_bilinear.")),
        advanced(words("masked", "Masked classes", "0,15,17", "Of the land cover: water, ice.")),
        advanced(switch("parents", "Downscale the products, too", True, "To compare with them, as the study does.")),
        advanced(
            words(
                "forest",
                "Hyper-parameters of the importance (JSON)",
                '{"n_estimators": 50}',
                "Predictors are left out in turn with a forest.",
            )
        ),
        advanced(number("pairs", "Fewest pairs of a station", 10, "Stations with fewer are not rated.", 2)),
        SEED,
    ),
    boxes=(
        Box(
            "Products by month",
            {
                **{
                    f"aligned_{key}": Step(
                        "alignrasters",
                        {
                            "INPUT": given(f"product_{key}"),
                            "GRID": given("coarse"),
                            "RESAMPLING": given("product_resampling"),
                        },
                        title=f"Align product {key.upper()}",
                    )
                    for key in PRODUCTS
                },
                **{
                    f"months_{key}": Step(
                        "temporalcomposite", month(made(f"aligned_{key}")), title=f"Months of product {key.upper()}"
                    )
                    for key in PRODUCTS
                },
                "station_months": STATION_MONTHS,
            },
        ),
        Box(
            "Errors and merging",
            {
                "errors": Step(
                    "triplecollocation",
                    {
                        **{f"PRODUCT_{key.upper()}": made(f"months_{key}") for key in PRODUCTS},
                        "MAX_TIME_GAP": value(0),
                        "MIN_SAMPLES": given("samples"),
                        "ALPHA": given("alpha"),
                        "ANOMALIES": given("anomalies"),
                        "BOOTSTRAP": given("bootstrap"),
                    },
                    {"OUTPUT": "Errors of the products", "REPORT": "Report of the errors"},
                    "Error, correlation with the truth, and why a cell has none",
                ),
                "merged": Step(
                    "tcmerge",
                    {
                        **{f"PRODUCT_{key.upper()}": made(f"months_{key}") for key in PRODUCTS},
                        "MAX_TIME_GAP": value(0),
                        "MIN_SAMPLES": given("samples"),
                        "ALPHA": given("alpha"),
                        "ANOMALIES": given("anomalies"),
                        "REFERENCE": given("reference"),
                        "FALLBACK": given("unresolved"),
                    },
                    {"OUTPUT": "Merged product", "WEIGHTS": "Weights", "REPORT": "Report of the merging"},
                ),
                "rate_merged": validated(
                    {
                        "PRODUCT": "merged",
                        "PRODUCT_B": "months_a",
                        "PRODUCT_C": "months_b",
                        "PRODUCT_D": "months_c",
                    },
                    "merged,A,B,C",
                    {"OUTPUT": "Stations: merged product", "REPORT": "Merged product beside its parents"},
                ),
            },
        ),
        Box(
            "Fine predictors",
            {
                "albedo": Step("spectralindices", {"INPUT": given("reflectance"), "INDICES": value(["albedo"])}),
                "mean_lst": Step(
                    "calculatebands", {"INPUT": given("temperature"), "EXPRESSION": given("mean_temperature")}
                ),
                "filled": Step(
                    "temporalgapfill",
                    {
                        "INPUT": made("albedo") + made("mean_lst"),
                        "METHOD": value("savitzky_golay"),
                        "WINDOW": given("window"),
                        "ORDER": given("order"),
                        "MAX_GAP": given("longest"),
                    },
                ),
                "filled_ndvi": Step(
                    "temporalgapfill",
                    {
                        "INPUT": given("ndvi"),
                        "METHOD": value("savitzky_golay"),
                        "WINDOW": given("window"),
                        "ORDER": given("order"),
                        "MAX_GAP": given("longest"),
                    },
                ),
                "other_months": Step("temporalcomposite", month(made("filled"), given("days"))),
                "ndvi_months": Step("temporalcomposite", month(made("filled_ndvi"))),
                "terrain": Step(
                    "terrainindices",
                    {"DEM": given("dem"), "INDICES": value(["elevation"]), "GRID": given("grid")},
                ),
                "soil": Step(
                    "soilindices",
                    {"SAND": given("sand"), "CLAY": given("clay"), "SILT": given("silt"), "UNITS": given("soil_units")},
                ),
            },
        ),
        Box(
            "Downscaling",
            {
                "fine": downscaled(
                    made("merged"),
                    "Downscale the merged product",
                    {
                        "OUTPUT": "Soil moisture by month",
                        "MODEL_FILE": "Model file",
                        "SOURCE": "Where the value comes from",
                        "REPORT": "Report of the downscaling",
                    },
                ),
                "coarse_table": Step(
                    "samplepredictors",
                    {
                        "PREDICTORS": FINE,
                        "GRID": given("grid"),
                        "EXTRA_TARGETS": made("merged"),
                        "MAX_TIME_GAP": value(0),
                    },
                    note="Coarse cells as rows",
                ),
                "importance": Step(
                    "selectpredictors",
                    {
                        "TRAINING": made("coarse_table"),
                        "PREDICTORS": made("coarse_table", "FIELDS"),
                        "STATION": value("station"),
                        "TIME": value("time"),
                        "HYPERPARAMETERS": given("forest"),
                        "METHOD": value("leave_one_out"),
                        "SPLIT": given("split"),
                        "FOLDS": given("folds"),
                        "SEED": given("seed"),
                    },
                    {"OUTPUT": "Errors without each predictor", "REPORT": "Report of the importance"},
                    "One predictor left out in turn",
                ),
            },
        ),
        Box(
            "What it is worth",
            {
                "rate_fine": validated(
                    {"PRODUCT": "fine", "PRODUCT_B": "merged"},
                    "fine,merged",
                    {"OUTPUT": "Stations: fine map", "REPORT": "Fine map beside the merged product"},
                ),
                "series": Step(
                    "regionalseries",
                    {"INPUT": made("fine")},
                    {"OUTPUT": "Series", "REPORT": "Report of the series"},
                ),
                "if_parents": Step("native:condition", {}, branches={"parents": "@parents"}),
                **{
                    f"fine_{key}": downscaled(made(f"months_{key}"), f"Downscale product {key.upper()}", {}, PARENTS)
                    for key in PRODUCTS
                },
                "rate_parents": validated(
                    {"PRODUCT": "fine", **{f"PRODUCT_{place}": f"fine_{key}" for place, key in zip("BCD", PRODUCTS)}},
                    "merged,A,B,C",
                    {"OUTPUT": "Stations: all fine maps", "REPORT": "Fine maps of all products"},
                    where=PARENTS,
                ),
            },
        ),
    ),
)
