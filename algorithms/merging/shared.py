"""What the algorithms of this group have in common."""

from __future__ import annotations

from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.timeseries.anomaly import ANOMALIES

from ..layers import raster_sources
from ..parameters import add_scheduler, add_time_gap, choice, integer, number, rasters, text, time_gap

KEYS = tuple(f"PRODUCT_{letter}" for letter in "ABCDE")
PRODUCT_HELP = (
    "Each product is a stack of dated bands (variable@date) of one variable, in one or more files. Products on "
    "other grids than the first are warped, dates are matched within MAX_TIME_GAP, and samples are the dates on "
    "which all products have a value in a cell."
)


def declare_collocation(algorithm) -> None:
    """Add the products and how their errors are estimated."""
    for key in KEYS:
        letter, optional = key[-1], key[-1] > "C"
        first = " Its grid is that of the output." if letter == "A" else ""
        also = " Not set: without it." if optional else ""
        algorithm.add(
            rasters(key, f"Product {letter}", optional=optional),
            f"Dated rasters of one soil-moisture product, in any unit that is linear in soil moisture.{first}{also}",
        )
    algorithm.add(
        text("CORRELATED", "Pairs with correlated errors"),
        "Such as B-C, several with commas: products whose errors may be correlated. Needs four or more products.",
    )
    algorithm.add(
        integer("MIN_SAMPLES", "Fewest common samples", 100, minimum=3),
        "Cells with fewer dates on which all products have a value are not resolved. 100 is customary; fewer "
        "give very uncertain errors.",
    )
    algorithm.add(
        number("ALPHA", "Significance level", 0.05, minimum=0, maximum=1),
        "All pairs of products must be positively correlated with a two-sided p-value below this. Dates that resemble "
        "those before them count for fewer.",
    )
    algorithm.add(
        choice("ANOMALIES", "Anomalies", ANOMALIES, "none"),
        "none: errors of the values themselves, seasons included. climatology: of deviations from the mean of "
        "each calendar month over all years. moving_window: of deviations from the mean of the days around each "
        "date.",
    )
    algorithm.add(
        number("ANOMALY_WINDOW", "Moving window [days]", 35, minimum=1),
        "Length of the window of ANOMALIES moving_window, with the date in its middle.",
        advanced=True,
    )
    algorithm.add(
        integer("BOOTSTRAP", "Resampled series", 0, minimum=0),
        "With 100 or more, 95 % confidence limits of each estimate by a moving-block bootstrap, which allows for "
        "autocorrelation. It takes much longer; 1000 gives steady limits. 0: none.",
        advanced=True,
    )
    add_time_gap(
        algorithm,
        "Largest gap in time [days]",
        "How many days a product's date may lie from the one it is taken for",
        advanced=True,
    )
    add_scheduler(algorithm)


def resolve_products(algorithm, parameters, context) -> list:
    """Return the sources of the five products, empty for those that are not set."""
    return [raster_sources(algorithm, parameters, key, context) for key in KEYS]


def settings_of(algorithm, parameters, context) -> CollocationSettings:
    """Return the settings as the core names them."""
    return CollocationSettings(
        correlated=algorithm.parameterAsString(parameters, "CORRELATED", context),
        min_samples=algorithm.parameterAsInt(parameters, "MIN_SAMPLES", context),
        alpha=algorithm.parameterAsDouble(parameters, "ALPHA", context),
        anomalies=algorithm.parameterAsString(parameters, "ANOMALIES", context),
        anomaly_window=algorithm.parameterAsDouble(parameters, "ANOMALY_WINDOW", context),
        replicates=algorithm.parameterAsInt(parameters, "BOOTSTRAP", context),
        max_gap_days=time_gap(algorithm, parameters, context),
    )
