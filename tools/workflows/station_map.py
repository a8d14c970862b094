"""Map soil moisture from stations: terrain, sample, train, predict, validate."""

from .build import (
    STATION,
    Box,
    Step,
    Workflow,
    fields_of_observations,
    given,
    made,
    number,
    points,
    raster,
    rasters,
    value,
    words,
    worked_out,
)

INDICES = ["elevation", "slope", "northness", "eastness", "profile_curvature", "tangential_curvature"]

WORKFLOW = Workflow(
    name="stationmap",
    title="Map soil moisture from stations",
    summary="From a DEM, other predictors and stations to maps of soil moisture, validated on stations that took no "
    "part in the training.",
    description="The shortest way from layers to a map that says what it is worth; the other workflows follow "
    "published studies. On the demo scene half a minute.",
    inputs=(
        raster("dem", "Elevation", "Digital elevation model; the map has its grid."),
        rasters("predictors", "Other predictors", "Soil, vegetation, weather …: rasters with named bands."),
        points("stations", "Stations for training", "Point layer, one feature per station and time."),
        *fields_of_observations(),
        points(
            "validation",
            "Stations for validation",
            "Other stations with the same fields, which take no part in the training.",
        ),
        number(
            "gap",
            "Largest gap in time [days]",
            4,
            "Between an observation and a dated predictor of the training table. Maps are made for the dates on which "
            "all predictors have a band, and validated with observations of these dates.",
        ),
        words(
            "fields",
            "Learn from these alone",
            None,
            "Names of terrain indices and of bands of the other predictors, separated by semicolons "
            "(elevation;slope;ndvi). Empty: all of them. What is given and not used is said in the log.",
            optional=True,
        ),
    ),
    boxes=(
        Box(
            "Training table",
            {
                "others": Step(
                    "native:raiseexception",
                    {
                        "MESSAGE": value(
                            "'Stations for validation' (validation) are those of 'Stations for training' (stations): "
                            "the map would be praised for what it was told. Choose other stations, or divide yours "
                            "with 'Split stations'."
                        ),
                        "CONDITION": value("to_string(@stations) = to_string(@validation)"),
                    },
                    title="Are the stations for validation others?",
                ),
                "terrain": Step(
                    "terrainindices",
                    {"DEM": given("dem"), "INDICES": value(INDICES), "Z_FACTOR": value(1)},
                    # Else QGIS is free to ask when all is done.
                    where=("others",),
                ),
                "sample": Step(
                    "samplepredictors",
                    {
                        "STATIONS": given("stations"),
                        **STATION,
                        "PREDICTORS": made("terrain") + given("predictors"),
                        "MAX_TIME_GAP": given("gap"),
                    },
                ),
            },
        ),
        Box(
            "Model",
            {
                "train": Step(
                    "trainmodel",
                    {
                        "TRAINING": made("sample"),
                        "TARGET": given("value"),
                        "PREDICTORS": worked_out(
                            "if(coalesce(@fields, '') = '', @Sample_predictors_at_stations_FIELDS, @fields)"
                        ),
                        **STATION,
                        "MODEL": value("random_forest"),
                        "SPLIT": value("station"),
                        "FOLDS": value(5),
                        "SEED": value(0),
                    },
                    {"MODEL_FILE": "Model file", "REPORT": "Training report"},
                    "Judged with whole stations left out",
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
                        "PREDICTORS": made("terrain") + given("predictors"),
                        "GRID": given("dem"),
                    },
                    {"OUTPUT": "Soil moisture"},
                ),
                "validate": Step(
                    "validatestations",
                    {
                        "PRODUCT": made("predict"),
                        "STATIONS": given("validation"),
                        **STATION,
                        "VALUE": given("value"),
                        "MIN_SAMPLES": value(10),
                        "METHOD": value("nearest"),
                    },
                    {"OUTPUT": "Stations with metrics", "REPORT": "Validation report"},
                ),
            },
        ),
    ),
)
