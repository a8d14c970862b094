"""What the group's algorithms share: words of the learning part's tables, and parameters of training."""

from __future__ import annotations

import json
from dataclasses import fields

from sm_toolbox.models.assessment.tuning import SEARCHES

from ..crs import core_crs
from ..expressions import rows_where
from ..layers import layout_of, open_source, raster_source, read_table
from ..origins import read_origins
from ..parameters import choice, field, integer, number, raster, switch, table, text, whole_number
from ..values import field_names

MODEL_FILTER = "Model files (*.smmodel)"


def model_words(sequences=False):
    """List the kinds of models, those that need a predictor's earlier values only where `sequences` are read."""
    from sm_toolbox.models.learners.catalogue import LEARNERS, kinds_of_rows

    return list(LEARNERS) if sequences else kinds_of_rows()


def model_help(sequences=False):
    """Say when to take each kind of model; of the same kinds as `model_words`."""
    from sm_toolbox.models.learners.catalogue import LEARNERS

    return " ".join(f"{key}: {LEARNERS[key].help}" for key in model_words(sequences))


def impurity_words():
    """Name the kinds of models with an impurity importance."""
    from sm_toolbox.models.learners.catalogue import LEARNERS

    return ", ".join(key for key, row in LEARNERS.items() if row.impurity)


def split_words():
    """List the ways to divide rows into folds."""
    from sm_toolbox.models.assessment.splits import SPLITS

    return list(SPLITS)


def split_help():
    """Say what each split leaves out, as parts of a sentence."""
    from sm_toolbox.models.assessment.splits import SPLITS

    *first, last = (split.help for split in SPLITS.values())
    return f"{', '.join(first)}, or {last}"


def hyperparameter_help(sequences=False):
    """Name the hyper-parameters of every kind with their defaults; of the same kinds as `model_words`."""
    from sm_toolbox.models.learners.catalogue import LEARNERS

    defaults = {
        key: ", ".join(f"{item.name} ({json.dumps(item.default)})" for item in fields(row.estimator))
        for key, row in LEARNERS.items()
        if key in model_words(sequences)
    }
    return " ".join(f"{key}: {listing}." for key, listing in defaults.items())


def add_training_parameters(algorithm, predictors):
    """Declare the training table and the parts that its fields play; `predictors` is the help of PREDICTORS."""
    algorithm.add(
        table("TRAINING", "Training table"),
        "Table with the observed soil moisture and the predictors in each row, as 'Sample predictors at "
        "stations' makes it.",
    )
    algorithm.add(
        field("TARGET", "Observed soil moisture", "TRAINING", "soil_moisture"),
        "Field to learn, in m³ m⁻³. Rows where it is NULL are left out. Not set: soil_moisture, where the table "
        "has it.",
    )
    fields_to_learn_from = field("PREDICTORS", "Predictors", "TRAINING", multiple=True)
    # In the window; scripts name what they want.
    fields_to_learn_from.setDefaultToAllFields(True)
    algorithm.add(
        fields_to_learn_from,
        f"{predictors} With all fields selected, as the window begins, those that play another part, hold no numbers, "
        "number the rows (fid) or end in _gap_days are left out, and of a table of 'Sample predictors at stations' "
        "those that it did not sample.",
    )
    algorithm.add(
        field("STATION", "Station field", "TRAINING", "station", optional=True),
        "Tells the rows of one station from those of another; the default split leaves whole stations out. "
        "Empty: rows at one place are of one station, where the table has points.",
    )
    algorithm.add(
        field("TIME", "Time field", "TRAINING", "time", optional=True),
        "Date of each row; needed for the splits by time.",
    )
    algorithm.add(
        field("WEIGHT", "Weight field", "TRAINING", optional=True, numeric=True),
        "Weight of each row in the fit: zero or positive.",
        advanced=True,
    )


def add_model_parameters(algorithm, more="", sequences=False):
    """Declare the kind of model, its hyper-parameters, and how these are searched for; `more` ends their help.

    Kinds that read `sequences` need earlier values of the predictors, and a length.
    """
    algorithm.add(
        choice("MODEL", "Model", model_words(sequences), "random_forest"),
        model_help(sequences),
    )
    if sequences:
        algorithm.add(
            integer("SEQUENCE_LENGTH", "Length of a sequence", 12, minimum=2, maximum=1000, optional=True),
            "For MODEL lstm: steps of a sequence, that of the row included. A predictor is read with its earlier "
            "values, the fields ndvi, ndvi_lag1 … ndvi_lag11 that LAGS ndvi:1-11 of 'Sample predictors at stations' "
            "makes: all of them, or none, then it is the same at each step. Rows that lack one, such as the first of "
            "a record, are left out and counted. sequence_length in HYPERPARAMETERS wins.",
            advanced=True,
        )
    algorithm.add(
        text("HYPERPARAMETERS", "Hyper-parameters (JSON)"),
        f'What differs from the defaults, for example {{"n_estimators": 200, "min_samples_leaf": 10}}. '
        f"{hyperparameter_help(sequences)} An unknown name is refused with the list of the valid ones. With TUNING a "
        f'list stands for values to choose from: {{"min_samples_leaf": [1, 5, 10]}}.{more}',
        advanced=True,
    )
    algorithm.add(
        choice("TUNING", "Search for hyper-parameters", SEARCHES, "none"),
        "grid: all combinations of the values listed in HYPERPARAMETERS, or of a usual set. random: "
        "CANDIDATES draws. Each fold of the validation searches anew among the rows it may see, so that the "
        "search does not flatter the error; the model that is saved is searched with all rows.",
        advanced=True,
    )
    algorithm.add(
        integer("CANDIDATES", "Candidates", 100, minimum=1),
        "Draws of TUNING random, and the largest number of combinations of TUNING grid.",
        advanced=True,
    )
    algorithm.add(
        integer("TUNING_FOLDS", "Folds of the search", 3, minimum=2),
        "Parts in which candidates are judged, divided as SPLIT says, within the rows that the search may see.",
        advanced=True,
    )
    algorithm.add(
        switch("KEEP_BEST", "Keep the best on Cancel"),
        "Yes: a Cancel during the search ends the search, and the training goes on with the best candidate so far."
        f"{' With MODEL lstm a Cancel while the final model is fitted keeps its best epoch.' if sequences else ''}",
        advanced=True,
    )


def read_candidates(algorithm, parameters, context):
    """Return the model that is asked for, or those among which TUNING chooses."""
    from sm_toolbox.models.assessment.tuning import make_candidates
    from sm_toolbox.models.learners.catalogue import make_estimator, with_default

    kind, tuning, hyperparameters = (
        algorithm.parameterAsString(parameters, key, context) for key in ("MODEL", "TUNING", "HYPERPARAMETERS")
    )
    if algorithm.parameterDefinition("SEQUENCE_LENGTH") is not None:
        length = whole_number(algorithm, parameters, "SEQUENCE_LENGTH", context, 1000)
        hyperparameters = with_default(kind, hyperparameters, "sequence_length", length)
    if tuning == "none":
        return [make_estimator(kind, hyperparameters)]
    count = whole_number(algorithm, parameters, "CANDIDATES", context)
    return make_candidates(kind, hyperparameters, tuning, count, algorithm.parameterAsInt(parameters, "SEED", context))


def add_split_parameters(algorithm, seed):
    """Declare how rows are divided into folds, which predictors are cyclic, and the seed, whose help is `seed`."""
    algorithm.add(
        choice("SPLIT", "Leave out for validation", split_words(), None, optional=True),
        f"What each fold leaves out: {split_help()}. Not set: station where stations or places are known and have "
        "several rows each, else random, with a warning.",
    )
    algorithm.add(
        field("GROUP", "Group field", "TRAINING", optional=True),
        "For SPLIT group: the network, region or other group of each row. Where there are fewer groups than FOLDS, "
        "each is left out once.",
        advanced=True,
    )
    algorithm.add(integer("FOLDS", "Folds", 5, minimum=2), "Number of parts that are left out in turn.")
    algorithm.add(
        number("BLOCK_SIZE", "Block size [m]", None, minimum=0, optional=True),
        "Side of the blocks of SPLIT block, in metres: larger than the distance over which soil moisture is alike.",
        advanced=True,
    )
    algorithm.add(
        raster("PREDICTION_AREA", "Area to be mapped", optional=True),
        "For SPLIT knndm: a raster whose cells with data are the area to be mapped, such as a predictor.",
        advanced=True,
    )
    algorithm.add(
        number("MAX_FOLD_SHARE", "Largest share of a fold", 0.5, minimum=0, maximum=1),
        "For SPLIT knndm: the largest share of the places that one fold may hold. Larger ones let clusters of stations "
        "stay whole where the map is far from them.",
        advanced=True,
    )
    algorithm.add(
        text("CYCLIC", "Cyclic predictors"),
        "Predictors that start again after a period, as name:period, separated by commas: "
        "doy:365,longitude:360. They enter as sine and cosine. Directions (aspect:360) and day_of_year and month of "
        "BUILTIN do so by themselves.",
        advanced=True,
    )
    algorithm.add(
        field("CATEGORICAL", "Predictors that are classes", "TRAINING", optional=True, multiple=True),
        "Predictors that hold numbers of classes, such as land cover: each class becomes a feature of 0 and 1. Where a "
        "map has a class that no training row is of, it has no value.",
        advanced=True,
    )
    algorithm.add(integer("SEED", "Seed", 0, minimum=0, maximum=2**31 - 1), seed, advanced=True)


def add_scaling_parameters(algorithm, kinds, more=""):
    """Declare how predictors are scaled; `kinds` names the models that mind, `more` ends the help of SCALING."""
    algorithm.add(
        choice("SCALING", "Scaling of the predictors", ["standard", "minmax"], "standard", optional=True),
        f"Of {kinds}; trees do not mind. standard: to mean 0 and standard deviation 1 of the rows that train. minmax: "
        f"to 0 and 1 between LIMITS.{more}",
        advanced=True,
    )
    algorithm.add(
        text("LIMITS", "Limits of the predictors"),
        "For SCALING minmax: lowest and highest value by predictor, separated by commas: vv:-30:5,vh:-35:0. Those it "
        "does not name are scaled between their smallest and largest value in TRAINING.",
        advanced=True,
    )


def read_limits(algorithm, parameters, context, progress):
    """Return the limits of SCALING minmax as text; None where predictors are not scaled by limits."""
    limits = algorithm.parameterAsString(parameters, "LIMITS", context)
    if algorithm.parameterAsString(parameters, "SCALING", context) == "minmax":
        return limits
    if limits:
        progress.warning("LIMITS is ignored, because SCALING is 'standard'.")
    return None


def open_training(algorithm, parameters, context):
    """Open the training table, the origins of its columns, and the area to be mapped, in the main thread."""
    source = open_source(algorithm, parameters, "TRAINING", context)
    origins = read_origins(parameters.get("TRAINING"), source.fields(), context)
    return source, origins, raster_source(algorithm, parameters, "PREDICTION_AREA", context)


def read_training(algorithm, opened, parameters, context, progress):
    """Read and check what was opened; return the layer, and its rows with a split as a training takes them."""
    from sm_toolbox.models.preparation import SampledTable, SplitRequest, prepare_training
    from sm_toolbox.models.table import Roles

    source, origins, area = opened
    layer = read_table(source, progress, points=False)
    has_scaling = algorithm.parameterDefinition("SCALING") is not None
    has_holdout = algorithm.parameterDefinition("HOLDOUT") is not None
    holdout = rows_where(algorithm, parameters, "HOLDOUT", context, layer) if has_holdout else None
    station, time, weight, group, split = (
        algorithm.parameterAsString(parameters, key, context) or None
        for key in ("STATION", "TIME", "WEIGHT", "GROUP", "SPLIT")
    )
    target = algorithm.parameterAsString(parameters, "TARGET", context)
    predictors = tuple(field_names(algorithm, parameters, "PREDICTORS", context))
    notes = {name: origin.as_dict() for name, origin in origins.items()}
    block_size = (
        None if parameters.get("BLOCK_SIZE") is None else algorithm.parameterAsDouble(parameters, "BLOCK_SIZE", context)
    )
    folds = whole_number(algorithm, parameters, "FOLDS", context, 10_000)
    layout = layout_of(layer)
    prediction = layout.of_area(area, core_crs(layer.crs, layer.name)) if area and layout else None
    prepared = prepare_training(
        SampledTable(layer.columns, layer.name, layout.positions if layout else None, notes),
        Roles(target, predictors, station, time, weight, group),
        algorithm.parameterAsString(parameters, "CYCLIC", context),
        SplitRequest(
            split,
            folds,
            block_size,
            prediction,
            algorithm.parameterAsDouble(parameters, "MAX_FOLD_SHARE", context),
        ),
        progress,
        tuple(field_names(algorithm, parameters, "CATEGORICAL", context)),
        holdout,
        read_limits(algorithm, parameters, context, progress) if has_scaling else None,
    )
    return layer, prepared
