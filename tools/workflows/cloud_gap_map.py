"""Map through gaps of the surface temperature with a second model (Fan et al. 2022)."""

from .build import (
    SEED,
    STATION,
    TERRAIN,
    Box,
    Step,
    Workflow,
    advanced,
    choice,
    day,
    fields_of_observations,
    given,
    made,
    number,
    points,
    polygons,
    raster,
    rasters,
    value,
    words,
)

SPECTRAL = ["ndvi", "savi", "vari", "ndii5", "ndii6", "ndii7", "gvmi", "albedo"]
RANKED = "aspect;elevation;albedo;ati;ndvi;ndii5;savi;twi;vari;ndii7;ndii6;delta_lst;gvmi"
PREDICTORS = made("terrain") + made("spectral") + made("inertia")


def trained(fields):
    return {
        "TRAINING": made("sample"),
        "TARGET": given("value"),
        "PREDICTORS": given(fields),
        **STATION,
        "MODEL": given("kind"),
        "HYPERPARAMETERS": given("hyperparameters"),
        "SPLIT": given("split"),
        "SEED": given("seed"),
    }


WORKFLOW = Workflow(
    name="cloudgapmap",
    title="Map through clouds with a second model (Fan et al. 2022)",
    summary="From MODIS reflectances and temperatures, terrain and stations to maps of 1 km, with a second model where "
    "clouds hide the temperature, judged in a year that took no part.",
    description="The study: Fan et al. (2022), IEEE JSTARS 15, doi 10.1109/JSTARS.2022.3166974. All defaults are the "
    "study's; docs/study_cloud_gap_map.md compares it step by step. Thirteen predictors are ranked and added one at a "
    "time; the map is made of the six that the study kept (change them after reading the report of the choice), and "
    "where apparent thermal inertia is missing by a model with SAVI instead. 'Import product' makes the inputs of "
    "MCD43A4 and MOD11A1. On the demo scene about a minute.",
    inputs=(
        points("stations", "Stations", "Point layer, one feature per station and time (at the overpass, or by day)."),
        *fields_of_observations(),
        day("validation_day", "First day of the validation", "2015-01-01", "Rows before it train, the others rate."),
        rasters("reflectance", "Reflectances", "Dated bands of MODIS (MCD43A4), red to swir2."),
        rasters("lst_day", "Day temperature", "Surface temperature by day, in K, with gaps under clouds (MOD11A1)."),
        rasters("lst_night", "Night temperature", "By night, in K."),
        raster("dem", "Elevation", "Digital elevation model of 30 m or the like, in metres."),
        raster("grid", "Grid of the map", "Raster with cells of 1 km, such as the temperature."),
        polygons("zones", "Zones", "Basins for the series and the coverage. Not set: all cells.", optional=True),
        advanced(
            choice(
                "sensor", "Sensor", ["modis", "landsat_tm_etm", "landsat_oli", "sentinel2"], "modis", "Of the bands."
            )
        ),
        advanced(words("bands", "Which band is which", None, "Where names do not tell: red=1,nir=2.", optional=True)),
        advanced(
            choice(
                "indices",
                "Spectral indices",
                [*SPECTRAL, "ndwi_gao", "ndwi_mcfeeters", "albedo_visible", "albedo_nir"],
                SPECTRAL,
                "The study's; albedo after Liang (2001).",
                several=True,
            )
        ),
        advanced(
            choice(
                "sun",
                "Correction of thermal inertia for the sun",
                ["none", "verstraeten", "first_harmonic"],
                "none",
                "none in the study: (1 - albedo) / (day - night).",
            )
        ),
        advanced(
            choice(
                "terrain_indices",
                "Terrain indices",
                ["aspect", "elevation", "twi", "slope", "northness", "eastness", "roughness"],
                ["aspect", "elevation", "twi"],
                "The study's. Aspect is averaged as a direction, where the study averaged degrees.",
                several=True,
            )
        ),
        advanced(
            words("ranked", "Predictors to choose from", RANKED, "Fields of the training table, with semicolons.")
        ),
        advanced(
            words(
                "first",
                "Predictors of the model",
                "aspect;elevation;albedo;ati;ndvi;ndii5",
                "RF_VI of the study. The report of the choice says which to take here.",
            )
        ),
        advanced(
            words(
                "second",
                "Predictors of the second model",
                "aspect;elevation;albedo;ndvi;ndii5;savi",
                "For cells that lack a predictor of the first: without thermal inertia.",
            )
        ),
        advanced(
            choice(
                "kind",
                "Model",
                ["random_forest", "quantile_forest", "xgboost", "svr", "mlp"],
                "random_forest",
                "random_forest in the study.",
            )
        ),
        advanced(
            words(
                "hyperparameters",
                "Hyper-parameters (JSON)",
                None,
                "The study names none. Empty: the defaults of 'Train model'.",
                optional=True,
            )
        ),
        advanced(
            choice(
                "split",
                "Leave out for cross-validation",
                ["random", "station", "time", "year", "block"],
                "random",
                "For the ranking and the report of training; the study rated the rows of the training themselves.",
            )
        ),
        advanced(
            number("gap", "Largest gap in time [days]", 0, "Between an observation and a band. 0: the same day.", 0)
        ),
        advanced(
            words("series", "Stations whose series are shown", None, "Names with commas. Empty: some.", optional=True)
        ),
        SEED,
    ),
    boxes=(
        Box(
            "Predictors",
            {
                "terrain": TERRAIN,
                "spectral": Step(
                    "spectralindices",
                    {
                        "INPUT": given("reflectance"),
                        "SENSOR": given("sensor"),
                        "BANDS": given("bands"),
                        "INDICES": given("indices"),
                    },
                ),
                "inertia": Step(
                    "thermalinertia",
                    {
                        "ALBEDO": made("spectral"),
                        "LST_DAY": given("lst_day"),
                        "LST_NIGHT": given("lst_night"),
                        "SOLAR_CORRECTION": given("sun"),
                    },
                    note="Missing wherever a cloud hid day or night",
                ),
            },
        ),
        Box(
            "Training table",
            {
                "split": Step(
                    "splitstations",
                    {
                        "INPUT": given("stations"),
                        **STATION,
                        "METHOD": value("before_date"),
                        "DATE": given("validation_day"),
                    },
                    note="Earlier years train, the last one rates",
                ),
                "sample": Step(
                    "samplepredictors",
                    {
                        "STATIONS": made("split", "TRAINING"),
                        **STATION,
                        "VALUE": given("value"),
                        "PREDICTORS": PREDICTORS,
                        "GRID": given("grid"),
                        "MAX_TIME_GAP": given("gap"),
                    },
                ),
            },
        ),
        Box(
            "Choice and models",
            {
                "rank": Step(
                    "selectpredictors",
                    {**trained("ranked"), "METHOD": value("ranked")},
                    {"OUTPUT": "Steps of the choice", "REPORT": "Report of the choice"},
                    "One more predictor at a time, RF_I to RF_XIII",
                ),
                "train": Step(
                    "trainmodel",
                    trained("first"),
                    {"MODEL_FILE": "Model file", "REPORT": "Training report"},
                ),
                "train_second": Step(
                    "trainmodel",
                    trained("second"),
                    {"MODEL_FILE": "Second model file", "REPORT": "Training report of the second model"},
                    "Without what clouds hide",
                ),
            },
        ),
        Box(
            "Map and what it is worth",
            {
                "predict": Step(
                    "predictraster",
                    {
                        "MODEL_FILE": made("train", "MODEL_FILE"),
                        "FALLBACK_MODEL": made("train_second", "MODEL_FILE"),
                        "PREDICTORS": PREDICTORS,
                        "GRID": given("grid"),
                    },
                    {"OUTPUT": "Soil moisture"},
                ),
                "first_alone": Step(
                    "calculatebands",
                    {
                        "INPUT": made("predict") + made("predict", "SOURCE"),
                        "EXPRESSION": value("soil_moisture = where(source == 1, soil_moisture, nan)"),
                    },
                    {"OUTPUT": "Soil moisture of the first model alone"},
                ),
                "coverage": Step(
                    "regionalseries",
                    {"INPUT": made("predict"), "ZONES": given("zones"), "LATITUDE_BANDS": value(True)},
                    {"OUTPUT": "Series", "REPORT": "Coverage by latitude and time"},
                    "The Hovmöller picture of both models",
                ),
                "coverage_first": Step(
                    "regionalseries",
                    {"INPUT": made("first_alone"), "ZONES": given("zones"), "LATITUDE_BANDS": value(True)},
                    {"REPORT": "Coverage of the first model alone"},
                ),
                "validate": Step(
                    "validatestations",
                    {
                        "PRODUCT": made("predict"),
                        "PRODUCT_B": made("first_alone"),
                        "LABELS": value("both models,first model"),
                        "STATIONS": made("split", "VALIDATION"),
                        **STATION,
                        "VALUE": given("value"),
                        "MAX_TIME_GAP": given("gap"),
                        "MIN_SAMPLES": value(10),
                        "SERIES": given("series"),
                        "COMMON_SAMPLE": value(False),
                    },
                    {"OUTPUT": "Stations with metrics", "REPORT": "Validation report"},
                    "In the year that took no part",
                ),
            },
        ),
    ),
)
