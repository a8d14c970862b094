"""Quantile map from stations, radar, SMAP, soil and terrain, with spiking (Huang et al. 2020)."""

from .build import (
    RADAR,
    SEED,
    STATION,
    TERRAIN,
    Box,
    Step,
    Workflow,
    advanced,
    choice,
    fields_of_observations,
    given,
    known_groups,
    layer_field,
    made,
    number,
    points,
    raster,
    rasters,
    value,
    whole,
    words,
    worked_out,
)

INDICES = [
    *("elevation", "slope", "aspect", "profile_curvature", "plan_curvature", "tangential_curvature"),
    *("mean_curvature", "vector_ruggedness"),
]
PREDICTORS = made("smap") + made("radar") + made("radar", "STATISTICS") + made("terrain") + given("soil")
LOCAL = ("if_local", "local")


def sampled(stations, title, where=()):
    return Step(
        "samplepredictors",
        {
            "STATIONS": stations,
            **STATION,
            "VALUE": given("value"),
            "PREDICTORS": PREDICTORS,
            "GRID": given("grid"),
            "MAX_TIME_GAP": given("gap"),
        },
        title=title,
        where=where,
    )


def trained(training, more=None):
    return {
        "TRAINING": training,
        "TARGET": given("value"),
        "PREDICTORS": made("sample", "FIELDS"),
        **STATION,
        "MODEL": given("kind"),
        "HYPERPARAMETERS": given("hyperparameters"),
        "SPLIT": given("split"),
        "FOLDS": given("folds"),
        "SEED": given("seed"),
        **(more or {}),
    }


def predicted_rows(rows, model, more):
    return {
        "MODEL_FILE": model,
        "INPUT": rows,
        "OBSERVED": given("value"),
        **STATION,
        "QUANTILES": given("quantiles"),
        **more,
    }


WORKFLOW = Workflow(
    name="quantilemap",
    title="Quantile map of 100 m (Huang et al. 2020)",
    summary="From stations of several networks, SMAP, Sentinel-1, soil and terrain to a map with limits, judged at "
    "stations left out and, after spiking, in an area with sensors of its own.",
    description="The study: Huang et al. (2020), Front. Water 2, 578367, doi 10.3389/frwa.2020.578367. All defaults "
    "are the study's; docs/study_quantile_map.md compares it step by step. Besides the map there are the errors at "
    "a quarter of the stations that took no part, by land cover, beside SMAP; the errors without each group of "
    "predictors; and, where local stations are given, the model that a tenth of them joined, rated at the others. "
    "On the demo scene one to two minutes.",
    inputs=(
        points("stations", "Stations", "Point layer, one feature per station and time, of all networks."),
        *fields_of_observations(),
        layer_field(
            "land_cover",
            "Land cover or network field",
            None,
            "stations",
            "Errors are told for each of its values. Not set: for all stations together.",
            optional=True,
        ),
        raster("dem", "Elevation", "Digital elevation model of 30 m or the like, in metres."),
        rasters("smap", "SMAP", "Soil moisture by day, as 'Import product' makes it of SMAP_L3_SM_P."),
        rasters("vv", "Sentinel-1: VV", "Backscatter in dB; one file may hold VV, VH and the angle."),
        rasters("vh", "Sentinel-1: VH", "Backscatter in dB.", optional=True),
        rasters("angle", "Sentinel-1: incidence angle", "In degrees.", optional=True),
        rasters("soil", "Soil", "Sand, clay, bulk density, organic carbon: rasters with named bands."),
        raster("grid", "Grid of the map", "Raster with cells of 100 m; the radar is averaged to it."),
        points(
            "local",
            "Local stations for spiking",
            "Sensors of the area to be mapped, with the same fields. Not set: no spiking.",
            optional=True,
        ),
        advanced(words("smap_name", "Name of SMAP", "smap = soil_moisture", "name = the variable in the SMAP files.")),
        advanced(
            whole("smap_window", "Window that fills gaps of SMAP [days]", 3, "Moving average, as in the study.", 1)
        ),
        advanced(whole("filter", "Window of the radar filter [cells]", 3, "Gaussian, after averaging to the grid.", 1)),
        advanced(
            choice(
                "terrain_indices",
                "Terrain indices",
                [*INDICES, "northness", "eastness", "roughness", "twi"],
                INDICES,
                "The study's. Its roughness factor is the vector ruggedness here.",
                several=True,
            )
        ),
        advanced(
            number(
                "gap",
                "Largest gap in time [days]",
                0,
                "Between an observation and the radar or SMAP. 0: the same day, as in the study.",
                0,
            )
        ),
        advanced(
            number("share", "Share of the stations left out", 0.25, "For the validation, drawn by station.", 0, 1)
        ),
        advanced(
            choice(
                "kind",
                "Model",
                ["quantile_forest", "random_forest", "xgboost", "svr", "mlp"],
                "quantile_forest",
                "quantile_forest in the study. Others give no quantiles.",
            )
        ),
        advanced(
            words(
                "hyperparameters",
                "Hyper-parameters (JSON)",
                '{"n_estimators": 50, "min_samples_leaf": 10}',
                "The study found 50 trees and leaves of 10 by trial.",
            )
        ),
        advanced(
            choice(
                "split",
                "Leave out for cross-validation",
                ["random", "station", "block", "time"],
                "random",
                "random in the study: compare with the stations left out.",
            )
        ),
        advanced(whole("folds", "Folds", 5, "Of the cross-validation.", 2)),
        advanced(words("quantiles", "Levels of the quantiles", "0.05,0.5,0.95", "Of the map and of the rows.")),
        advanced(
            words(
                "groups",
                "Groups of predictors to drop",
                "SMAP: smap; radar: vv, vh, angle, vv_min, vv_mean, vv_max, vv_sd, vh_min, vh_mean, vh_max, vh_sd; "
                "terrain: elevation, slope, aspect, profile_curvature, plan_curvature, tangential_curvature, "
                "mean_curvature, vector_ruggedness; soil: sand, clay, bulk_density, organic_carbon",
                "Each is dropped in turn. Names that the training table lacks are passed over.",
            )
        ),
        advanced(number("local_share", "Share of the local stations that join", 0.1, "The others rate.", 0, 1)),
        advanced(
            number(
                "spike_weight",
                "Weight of a local row",
                1,
                "1 in the study, which suggests others for further work.",
                0,
            )
        ),
        SEED,
    ),
    boxes=(
        Box(
            "Predictors",
            {
                "fill": Step(
                    "temporalgapfill",
                    {"INPUT": given("smap"), "METHOD": value("moving_average"), "WINDOW": given("smap_window")},
                    note="SMAP sees a place every two or three days",
                ),
                "smap": Step(
                    "calculatebands",
                    {"INPUT": made("fill"), "EXPRESSION": given("smap_name")},
                    note="A name of its own, since stations have soil_moisture, too",
                ),
                "radar": RADAR,
                "terrain": TERRAIN,
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
                        "METHOD": value("share"),
                        "SHARE": given("share"),
                        "SEED": given("seed"),
                    },
                    note="Three quarters of the stations train, the others rate",
                ),
                "sample": sampled(made("split", "TRAINING"), "Sample to train on"),
                "sample_out": sampled(made("split", "VALIDATION"), "Sample to rate with"),
            },
        ),
        Box(
            "Model",
            {
                "train": Step(
                    "trainmodel",
                    trained(made("sample")),
                    {"MODEL_FILE": "Model file", "REPORT": "Training report"},
                ),
                "rate": Step(
                    "predicttable",
                    predicted_rows(made("sample_out"), made("train", "MODEL_FILE"), {"GROUP": given("land_cover")}),
                    {"OUTPUT": "Rows of stations left out", "REPORT": "Report of stations left out"},
                    "Stations that the model has not seen",
                ),
                "drop": Step(
                    "selectpredictors",
                    {
                        **trained(made("sample")),
                        "METHOD": value("groups"),
                        "GROUPS": known_groups("@groups", "@Sample_to_train_on_FIELDS"),
                    },
                    {"OUTPUT": "Errors without each group", "REPORT": "Report of the groups"},
                ),
            },
        ),
        Box(
            "Map",
            {
                "predict": Step(
                    "predictraster",
                    {
                        "MODEL_FILE": made("train", "MODEL_FILE"),
                        "PREDICTORS": PREDICTORS,
                        "GRID": given("grid"),
                        "QUANTILES": given("quantiles"),
                    },
                    {
                        "OUTPUT": "Soil moisture",
                        "QUANTILES_OUTPUT": "Quantiles",
                        "APPLICABILITY_OUTPUT": "Area of applicability",
                    },
                ),
                "validate": Step(
                    "validatestations",
                    {
                        "PRODUCT": made("predict"),
                        "PRODUCT_B": made("fill"),
                        "LABELS": value("map,SMAP"),
                        "STATIONS": made("split", "VALIDATION"),
                        **STATION,
                        "VALUE": given("value"),
                        "GROUP": given("land_cover"),
                        "MAX_TIME_GAP": given("gap"),
                        "MIN_SAMPLES": value(10),
                    },
                    {"OUTPUT": "Stations left out with metrics", "REPORT": "Map beside SMAP"},
                ),
            },
        ),
        Box(
            "Spiking, where local stations are given",
            {
                "if_local": Step("native:condition", {}, branches={"local": "coalesce(to_string(@local), '') <> ''"}),
                "split_local": Step(
                    "splitstations",
                    {
                        "INPUT": given("local"),
                        **STATION,
                        "METHOD": value("share"),
                        "SHARE": worked_out("1 - @local_share"),
                        "SEED": given("seed"),
                    },
                    where=LOCAL,
                ),
                "sample_local": sampled(made("split_local", "TRAINING"), "Sample local stations to train on", LOCAL),
                "sample_local_out": sampled(
                    made("split_local", "VALIDATION"), "Sample local stations to rate with", LOCAL
                ),
                "spiked": Step(
                    "trainmodel",
                    trained(made("sample"), {"SPIKE": made("sample_local"), "SPIKE_WEIGHT": given("spike_weight")}),
                    {"MODEL_FILE": "Spiked model file", "REPORT": "Training report with local rows"},
                    "A tenth of the local stations joins",
                    where=LOCAL,
                ),
                "rate_local": Step(
                    "predicttable",
                    predicted_rows(
                        made("sample_local_out"),
                        made("spiked", "MODEL_FILE"),
                        {"COMPARED_MODEL": made("train", "MODEL_FILE")},
                    ),
                    {"OUTPUT": "Rows of other local stations", "REPORT": "Report of other local stations"},
                    "With and without local rows",
                    where=LOCAL,
                ),
            },
        ),
    ),
)
