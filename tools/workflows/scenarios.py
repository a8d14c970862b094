"""Radar predictors judged in four ways of testing (Zhu et al. 2025)."""

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
    known_names,
    layer_field,
    made,
    number,
    points,
    raster,
    rasters,
    value,
    whole,
    words,
)

PREDICTORS = (
    made("radar") + made("ndvi_filled") + made("smap") + made("weather_days") + made("reflectance_year")
    + given("soil") + made("terrain")
)  # fmt: skip
LIMITS = (
    "vv:-30:5,vh:-35:0,angle:29.1:46,sand:0:100,clay:0:100,bulk_density:1:1.8,elevation:0:5500,slope:0:40,"
    "latitude:0:90,ndvi:-0.2:1,smap:0:0.6"
)


def sampled(stations, title, where=()):
    return Step(
        "samplepredictors",
        {
            "STATIONS": stations,
            **STATION,
            "VALUE": given("value"),
            "PREDICTORS": PREDICTORS,
            "GRID": given("grid"),
            "BUILTIN": given("builtin"),
            "MAX_TIME_GAP": given("gap"),
            "TIME_GAPS": given("gaps"),
        },
        title=title,
        where=where,
    )


def compared():
    return {
        "TRAINING": made("sample"),
        "TARGET": given("value"),
        "PREDICTORS": made("sample", "FIELDS"),
        **STATION,
        "MODELS": given("kinds"),
        "HYPERPARAMETERS": given("hyperparameters"),
        "REPEATS": given("repeats"),
        "CANDIDATES": given("candidates"),
        "CYCLIC": given("cyclic"),
        "SCALING": given("scaling"),
        "LIMITS": known_names("@limits", "@Sample_at_the_stations_FIELDS"),
        "TARGET_RMSE": given("target"),
        "MAX_MINUTES": given("minutes"),
        "SEED": given("seed"),
    }


WORKFLOW = Workflow(
    name="scenarios",
    title="What radar promises: four ways of testing (Zhu et al. 2025)",
    summary="From Sentinel-1, optical data, weather, soil, terrain and stations to the errors of four kinds of models "
    "with few rows, tested on random rows, in other years, at other stations and in another region.",
    description="The study: Zhu et al. (2025), IEEE TGRS 63, doi 10.1109/TGRS.2025.3533927. All defaults are the "
    "study's; docs/study_scenarios.md compares it step by step. The whole experiment, 50 repeats of 100 draws of "
    "hyper-parameters for four models, takes days: the log says how long before it begins, 'Longest time' ends it, "
    "and 'File of finished trials' lets it go on. The study's errors are those of TUNING oracle in the table; "
    "'nested' chooses without the tested rows. On the demo scene with 2 repeats of 2 draws a minute or two.",
    inputs=(
        points("stations", "Stations", "Point layer, one feature per station and time."),
        *fields_of_observations(),
        layer_field("network", "Network field", None, "stations", "For the scenario group.", optional=True),
        points(
            "other",
            "Stations of another region",
            "For the scenario regional: trained at the stations, tested here. Same fields. Not set: no such scenario.",
            optional=True,
        ),
        rasters("vv", "Sentinel-1: VV", "Backscatter in dB; one file may hold VV, VH and the angle."),
        rasters("vh", "Sentinel-1: VH", "Backscatter in dB.", optional=True),
        rasters("angle", "Sentinel-1: incidence angle", "Local incidence angle in degrees.", optional=True),
        rasters("ndvi", "NDVI", "Dated bands (MOD13Q1 and MYD13Q1)."),
        rasters("smap", "SMAP", "Soil moisture by day (SMAP L3 enhanced)."),
        rasters("weather", "Temperature and precipitation", "By day (ERA5-Land)."),
        rasters("reflectance", "Reflectances", "Dated bands of Sentinel-2, blue to swir2."),
        rasters("soil", "Soil", "Sand, clay, bulk density of the upper 5 cm."),
        raster("dem", "Elevation", "Digital elevation model, in metres."),
        raster("grid", "Grid of the rows", "Raster with cells of 1 km: what a row stands for."),
        advanced(whole("filter", "Window of the radar filter [cells]", 1, "1: none, as in the study.", 1)),
        advanced(
            choice(
                "fill",
                "Filling of NDVI and SMAP between dates",
                ["spline", "linear", "moving_average"],
                "spline",
                "A spline in the study.",
            )
        ),
        advanced(
            words(
                "dates",
                "Dates of NDVI",
                None,
                "On which NDVI is interpolated, such as 2016-01-01/2021-12-31/1: "
                "the days of Sentinel-1 in the study. Not set: its own dates, whose gaps are filled.",
                optional=True,
            )
        ),
        advanced(words("smap_name", "Name of SMAP", "smap = soil_moisture", "name = the variable in its files.")),
        advanced(whole("weather_window", "Days of the weather", 7, "Mean of the days up to the date.", 1)),
        advanced(whole("reflectance_window", "Days of the reflectances", 365, "Median of the year up to the date.", 1)),
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
                "builtin",
                "Variables that need no raster",
                ["longitude", "latitude", "x", "y", "day_of_year", "month"],
                ["longitude", "latitude", "day_of_year"],
                "The study's.",
                several=True,
            )
        ),
        advanced(number("gap", "Largest gap in time [days]", 0, "Rows of the days of Sentinel-1 alone.", 0)),
        advanced(
            words(
                "gaps",
                "Largest gaps of single variables [days]",
                None,
                "Such as ndvi:8,red:5,nir:5, where these are not of the same days.",
                optional=True,
            )
        ),
        advanced(
            choice(
                "kinds",
                "Models",
                ["random_forest", "quantile_forest", "xgboost", "svr", "mlp"],
                ["mlp", "svr", "random_forest", "xgboost"],
                "The study's four.",
                several=True,
            )
        ),
        advanced(
            choice(
                "ways",
                "Scenarios",
                ["dependent", "temporal", "spatial", "group"],
                ["dependent", "temporal", "spatial"],
                "The study's, but for regional, which is run where stations of another region are given.",
                several=True,
            )
        ),
        advanced(words("dependent", "Sizes: dependent [% of the rows]", "0.5,1,2,3,4,5", "The study's.")),
        advanced(words("temporal", "Sizes: temporal [rows per station]", "1,3,…,21", "The study's.")),
        advanced(
            whole(
                "year", "Year that trains", None, "2021 in the study. Not set: the one with most rows.", optional=True
            )
        ),
        advanced(words("spatial", "Sizes: spatial [stations]", "1,9,…,57", "The study's.")),
        advanced(whole("repeats", "Repeats", 50, "Random sets of training rows of each size.", 1)),
        advanced(whole("candidates", "Candidates", 100, "Draws of hyper-parameters from the study's Table III.", 1)),
        advanced(
            words(
                "hyperparameters",
                "Hyper-parameters (JSON, by model)",
                None,
                'What no draw is to change, such as {"random_forest": {"n_estimators": 50}}.',
                optional=True,
            )
        ),
        advanced(choice("scaling", "Scaling of the predictors", ["minmax", "standard"], "minmax", "As in the study.")),
        advanced(
            words(
                "limits",
                "Limits of the predictors",
                LIMITS,
                "The study's Table II, as far as these names go; others are scaled between their extremes.",
                optional=True,
            )
        ),
        advanced(
            words(
                "cyclic",
                "Cyclic predictors",
                "aspect:360,day_of_year:365.25,longitude:360",
                "Taken as sine and cosine.",
            )
        ),
        advanced(number("target", "RMSE to be reached", 0.06, "In m³ m⁻³.", 0)),
        advanced(
            words("state", "File of finished trials", None, "Path of a file with which a run goes on.", optional=True)
        ),
        advanced(number("minutes", "Longest time [minutes]", None, "Not set: until all is done.", 0, optional=True)),
        SEED,
    ),
    boxes=(
        Box(
            "Predictors",
            {
                "radar": RADAR,
                "ndvi_filled": Step(
                    "temporalgapfill",
                    {"INPUT": given("ndvi"), "METHOD": given("fill"), "DATES": given("dates")},
                    note="On the days of the radar",
                ),
                "smap_filled": Step("temporalgapfill", {"INPUT": given("smap"), "METHOD": given("fill")}),
                "smap": Step("calculatebands", {"INPUT": made("smap_filled"), "EXPRESSION": given("smap_name")}),
                "weather_days": Step(
                    "temporalcomposite",
                    {
                        "INPUT": given("weather"),
                        "PERIOD": value("trailing"),
                        "TRAILING_DAYS": given("weather_window"),
                        "STATISTIC": value("mean"),
                    },
                ),
                "reflectance_year": Step(
                    "temporalcomposite",
                    {
                        "INPUT": given("reflectance"),
                        "PERIOD": value("trailing"),
                        "TRAILING_DAYS": given("reflectance_window"),
                        "STATISTIC": value("median"),
                    },
                ),
                "terrain": TERRAIN,
            },
        ),
        Box(
            "Tables",
            {
                "sample": sampled(given("stations"), "Sample at the stations"),
                "if_other": Step("native:condition", {}, branches={"other": "coalesce(to_string(@other), '') <> ''"}),
                "sample_other": sampled(
                    given("other"), "Sample at the stations of the other region", ("if_other", "other")
                ),
            },
        ),
        Box(
            "Ways of testing",
            {
                "compare": Step(
                    "comparescenarios",
                    {
                        **compared(),
                        "GROUP": given("network"),
                        "SCENARIOS": given("ways"),
                        "SIZES_DEPENDENT": given("dependent"),
                        "SIZES_TEMPORAL": given("temporal"),
                        "TRAIN_YEAR": given("year"),
                        "SIZES_SPATIAL": given("spatial"),
                        "STATE": given("state"),
                    },
                    {"OUTPUT": "Errors of all repeats", "REPORT": "Report of the scenarios"},
                    "nested, and oracle as in the study",
                ),
                "regional": Step(
                    "comparescenarios",
                    {
                        **compared(),
                        "TEST": made("sample_other"),
                        "SCENARIOS": value(["regional"]),
                    },
                    {"OUTPUT": "Errors in the other region", "REPORT": "Report of the other region"},
                    "The study's fourth scenario",
                    title="Compare with the other region",
                    where=("if_other", "other"),
                ),
            },
        ),
    ),
)
