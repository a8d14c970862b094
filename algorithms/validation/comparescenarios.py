"""Compare evaluation scenarios."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsField,
    QgsFields,
    QgsProcessing,
    QgsProcessingOutputString,
    QgsProcessingParameterFile,
)

from ..base import ToolboxAlgorithm
from ..layers import INTEGER, NUMBER, TEXT, layout_of, open_source, read_table, write_report
from ..modelling.shared import add_scaling_parameters, model_words, read_limits
from ..origins import read_origins
from ..parameters import (
    add_scheduler,
    choice,
    engine_of,
    field,
    integer,
    layer_output,
    number,
    number_outputs,
    report_output,
    table,
    text,
    whole_number,
)
from ..values import field_names


def scenario_words():
    """List the scenarios."""
    from sm_toolbox.experiments.scenarios import SCENARIOS

    return list(SCENARIOS)


class Algorithm(ToolboxAlgorithm):
    NAME = "comparescenarios"
    TITLE = "Compare evaluation scenarios"
    GROUP = "validation"
    SUMMARY = (
        "Tells how good models are with few training rows, and how much of that only a kind way of testing promises."
    )
    DETAILS = (
        "<p>Each scenario trains with some rows and tests with all others: <i>dependent</i> with random rows, "
        "<i>temporal</i> with rows of one year, tested in other years of the same stations, <i>spatial</i> with whole "
        "stations, <i>group</i> with all groups but one, <i>regional</i> with TRAINING, tested with TEST. Each size is "
        "drawn REPEATS times, and smaller sets are parts of larger ones.</p><p>In each repeat CANDIDATES draws of "
        "hyper-parameters are fitted. <b>nested</b> takes the one that is best among the training rows left out in "
        "turn; <b>oracle</b> the one that is best on the tested rows, which nobody knows beforehand, though studies do "
        "so. The log says how many fits there are and how long they take before they begin. What costs nothing (mean, "
        "season, a straight line) is beside all models.</p><p>Differences over repeats have the corrected variance of "
        "Nadeau &amp; Bengio (2003), since repeats share rows.</p>"
    )
    TAGS = (
        "machine learning",
        "cross-validation",
        "overoptimistic",
        "transferability",
        "training size",
        "baseline",
        "violin plot",
        "benchmark",
    )
    NEEDS = ("sklearn", "numba", "joblib", "scipy", "matplotlib")
    EXAMPLE = {
        "TRAINING": "stations.csv",
        "TARGET": "soil_moisture",
        "PREDICTORS": ["lon", "lat"],
        "STATION": "station",
        "TIME": "time",
        "MODELS": ["random_forest"],
        "HYPERPARAMETERS": '{"random_forest": {"n_estimators": 10}}',
        "SCENARIOS": ["dependent", "spatial"],
        "SIZES_DEPENDENT": "1,5",
        "SIZES_SPATIAL": "1,9",
        "REPEATS": 2,
        "CANDIDATES": 1,
    }

    def declare(self):
        self.add(
            table("TRAINING", "Training table"),
            "Table with the observed soil moisture and the predictors in each row, as 'Sample predictors at stations' "
            "makes it.",
        )
        self.add(
            field("TARGET", "Observed soil moisture", "TRAINING", "soil_moisture"),
            "Field to learn. Rows where it is NULL are left out. Not set: soil_moisture, where the table has it.",
        )
        self.add(
            field("PREDICTORS", "Predictors", "TRAINING", multiple=True),
            "Numeric fields to learn from. With all fields selected, those that play another part, hold no numbers, "
            "number the rows (fid) or end in _gap_days are left out.",
        )
        self.add(
            field("STATION", "Station field", "TRAINING", "station", optional=True),
            "Tells the rows of one station from those of another. Empty: rows at one place are of one station, where "
            "the table has points.",
        )
        self.add(
            field("TIME", "Time field", "TRAINING", "time", optional=True),
            "Date of each row; for the scenario temporal, and the mean of the season among what costs nothing.",
        )
        self.add(
            field("GROUP", "Group field", "TRAINING", optional=True),
            "Network, region or other group of the stations, for the scenario group.",
        )
        self.add(
            table("TEST", "Table of tests", optional=True),
            "For the scenario regional: rows with the same fields that are only tested, such as those of a campaign or "
            "of another network.",
        )
        self.add(
            choice("MODELS", "Models", model_words(), ["random_forest", "svr"], multiple=True),
            "Kinds of models; see 'Train model'. Support vectors and networks take long with many rows.",
        )
        self.add(
            text("HYPERPARAMETERS", "Hyper-parameters (JSON, by model)"),
            'What is fixed, such as {"random_forest": {"n_estimators": 50}}. A list stands for values to choose from; '
            "without one all that is not fixed is drawn from the usual ranges (Table III of the study).",
            advanced=True,
        )
        self.add(
            choice("SCENARIOS", "Scenarios", scenario_words(), ["dependent", "temporal", "spatial"], multiple=True),
            "What is tested: random rows, other years (needs TIME and rows of several years), other stations, other "
            "groups (GROUP), another table (TEST).",
        )
        self.add(
            text("SIZES_DEPENDENT", "Sizes: dependent [% of the rows]", "0.5,1,2,3,4,5", optional=False),
            "Shares of the rows that train. Sizes that leave less than a fifth of the rows for the test are left out.",
        )
        self.add(
            text("SIZES_TEMPORAL", "Sizes: temporal [rows per station]", "1,3,…,21", optional=False),
            "Rows of each station that train. Dots go on with the last step. Sizes that less than a fifth of the "
            "stations have are left out; the stations are those with the largest of the others, for all sizes.",
        )
        self.add(
            integer("TRAIN_YEAR", "Year that trains", None, minimum=1, maximum=9999, optional=True),
            "Of the scenario temporal. Not set: the year of the most rows.",
        )
        self.add(
            text("SIZES_SPATIAL", "Sizes: spatial [stations]", "1,9,…,57", optional=False),
            "Stations that train. Sizes that leave less than a fifth of the stations for the test are left out.",
        )
        self.add(
            integer("REPEATS", "Repeats", 10, minimum=1, maximum=1000),
            "Draws of each size. In the scenario group each group is tested once at most.",
        )
        self.add(
            integer("CANDIDATES", "Candidates", 10, minimum=1, maximum=1000),
            "Draws of hyper-parameters in each repeat, equal ones once. 1: the defaults, or those given.",
        )
        self.add(
            text("CYCLIC", "Cyclic predictors"),
            "Predictors that start again after a period, as name:period: doy:365,longitude:360. Directions, "
            "day_of_year and month do so by themselves.",
            advanced=True,
        )
        self.add(
            field("CATEGORICAL", "Predictors that are classes", "TRAINING", optional=True, multiple=True),
            "Predictors that hold numbers of classes, such as land cover.",
            advanced=True,
        )
        add_scaling_parameters(self, "MODELS svr and mlp")
        self.add(
            number("TARGET_RMSE", "RMSE to be reached", 0.06, minimum=0),
            "In the unit of the observed values; the verdict says where it is met. 0.06 m³ m⁻³ is a usual one.",
        )
        self.add(
            QgsProcessingParameterFile("STATE", "File of finished trials", optional=True),
            "Finished trials are kept in it, a line of text each, whatever ends the run; with the same table and "
            "settings another run goes on from there, with more repeats, models or scenarios too. A name that is not "
            "there yet makes a new file.",
            advanced=True,
        )
        self.add(
            number("MAX_MINUTES", "Longest time [minutes]", None, minimum=0, optional=True),
            "After which no trial is begun, those that run are given up, and what is finished is told. Not set: until "
            "all are finished.",
            advanced=True,
        )
        self.add(
            integer("SEED", "Seed", 0, minimum=0, maximum=2**31 - 1),
            "Same seed, same data: the same numbers, on whatever number of threads.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(
            layer_output("OUTPUT", "Errors of all repeats", geometry=QgsProcessing.SourceType.TypeVector),
            "Table with scenario, size, repeat, model, tuning (nested, oracle; none for mean, climatology and line), "
            "bias, r, rmse, ubrmse, train_rows, test_rows.",
        )
        self.add(report_output(self.TITLE), "HTML page: the verdict, violins of each scenario, who differs from whom.")
        number_outputs(self, OPTIMISM="RMSE at other stations ÷ of random rows")
        self.addOutput(QgsProcessingOutputString("VERDICT", "Verdict in words"))

    def resolve(self, parameters, context):
        source = open_source(self, parameters, "TRAINING", context)
        origins = read_origins(parameters.get("TRAINING"), source.fields(), context)
        tests = None if parameters.get("TEST") is None else open_source(self, parameters, "TEST", context)
        return source, origins, tests

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.experiments.comparison import compare_scenarios, make_test_table
        from sm_toolbox.experiments.report import scenario_report
        from sm_toolbox.experiments.verdict import optimism, verdict

        source, origins, tests = inputs
        settings = self._settings(parameters, context)
        settings.check()
        layer = read_table(source, progress, points=False)
        prepared = self._prepare(layer, origins, parameters, context, progress)
        other = None
        if tests is not None:
            own = read_table(tests, progress, points=False)
            other = make_test_table(own.columns, prepared, own.name)
        minutes = parameters.get("MAX_MINUTES")
        result = compare_scenarios(
            prepared,
            settings,
            test=other,
            state=self.parameterAsFile(parameters, "STATE", context) or None,
            max_minutes=None if minutes is None else self.parameterAsDouble(parameters, "MAX_MINUTES", context),
            engine=engine_of(self, parameters, context, progress),
        )
        lines, found = verdict(result), optimism(result)
        for line in lines:
            progress.info(line)
        return {
            "OUTPUT": self._write_repeats(result, progress),
            "REPORT": write_report(self, lambda: scenario_report(result, layer.name, progress)),
            "VERDICT": " ".join(lines),
            **({} if found is None else {"OPTIMISM": found.ratio}),
        }

    def _settings(self, parameters, context):
        from sm_toolbox.experiments.settings import ScenarioSettings

        words = {key: tuple(self.parameterAsEnumStrings(parameters, key, context)) for key in ("SCENARIOS", "MODELS")}
        sizes = {
            key.lower(): self.parameterAsString(parameters, key, context)
            for key in ("SIZES_DEPENDENT", "SIZES_TEMPORAL", "SIZES_SPATIAL", "HYPERPARAMETERS")
        }
        year = parameters.get("TRAIN_YEAR")
        return ScenarioSettings(
            words["SCENARIOS"],
            words["MODELS"],
            train_year=None if year is None else self.parameterAsInt(parameters, "TRAIN_YEAR", context),
            repeats=whole_number(self, parameters, "REPEATS", context),
            candidates=whole_number(self, parameters, "CANDIDATES", context),
            target_rmse=self.parameterAsDouble(parameters, "TARGET_RMSE", context),
            seed=self.parameterAsInt(parameters, "SEED", context),
            **sizes,
        )

    def _prepare(self, layer, origins, parameters, context, progress):
        from sm_toolbox.models.preparation import SampledTable, prepare_training
        from sm_toolbox.models.table import Roles

        target, station, time, group = (
            self.parameterAsString(parameters, key, context) or None for key in ("TARGET", "STATION", "TIME", "GROUP")
        )
        layout = layout_of(layer)
        notes = {name: origin.as_dict() for name, origin in origins.items()}
        return prepare_training(
            SampledTable(layer.columns, layer.name, layout.positions if layout else None, notes),
            Roles(
                target or "",
                tuple(field_names(self, parameters, "PREDICTORS", context)),
                station,
                time,
                group=group,
            ),
            self.parameterAsString(parameters, "CYCLIC", context),
            progress=progress,
            categorical=tuple(field_names(self, parameters, "CATEGORICAL", context)),
            limits=read_limits(self, parameters, context, progress),
        )

    def _write_repeats(self, result, progress):
        from sm_toolbox.experiments.trials import METRICS_OF_TRIALS

        fields = QgsFields()
        for name, kind in (
            ("scenario", TEXT),
            ("size", NUMBER),
            ("repeat", INTEGER),
            ("model", TEXT),
            ("tuning", TEXT),
            *((name, NUMBER) for name in METRICS_OF_TRIALS),
            ("train_rows", INTEGER),
            ("test_rows", INTEGER),
        ):
            fields.append(QgsField(name, kind))
        return self.outputs.write_table(
            "OUTPUT", fields, result.records(), (), QgsCoordinateReferenceSystem(), progress
        )
