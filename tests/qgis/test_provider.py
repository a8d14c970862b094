"""The provider: what QGIS sees of every algorithm, and what happens where libraries are missing."""

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from qgis.core import QgsProcessingParameterDefinition
from qgis.PyQt.QtCore import QUrl

from sm_toolbox.libraries import package_of

ROOT = Path(__file__).parents[2]
COLLOCATION = [
    "PRODUCT_A",
    "PRODUCT_B",
    "PRODUCT_C",
    "PRODUCT_D",
    "PRODUCT_E",
    "CORRELATED",
    "MIN_SAMPLES",
    "ALPHA",
    "ANOMALIES",
    "BOOTSTRAP",
    "SCHEDULER",
]
CONTRACT = {
    "triplecollocation": ([*COLLOCATION, "OUTPUT", "REPORT"], ["OUTPUT", "REPORT", "RESOLVED_PERCENT"]),
    "tcmerge": (
        [*COLLOCATION, "REFERENCE", "FALLBACK", "WINDOW", "OUTPUT", "WEIGHTS", "REPORT"],
        ["OUTPUT", "WEIGHTS", "REPORT", "RESOLVED_PERCENT"],
    ),
    "temporalcomposite": (["INPUT", "PERIOD", "TRAILING_DAYS", "STATISTIC", "PRODUCT_DAYS", "OUTPUT"], ["OUTPUT"]),
    "temporalstatistics": (["INPUT", "STATISTICS", "OUTPUT"], ["OUTPUT"]),
    "antecedentindex": (["INPUT", "METHOD", "DECAY", "DAYS", "OUTPUT"], ["OUTPUT"]),
    "temporalanomaly": (
        ["INPUT", "REFERENCE", "METHOD", "WINDOW", "LEAVE_YEAR_OUT", "MIN_YEARS", "OUTPUT"],
        ["OUTPUT", "DRY_PERCENT"],
    ),
    "rootzone": (
        [
            "INPUT",
            "TIME_CONSTANT",
            "TIME_CONSTANT_RASTER",
            "MIN_OBSERVATIONS",
            "UNITS",
            "WILTING_POINT",
            "FIELD_CAPACITY",
            "OUTPUT",
        ],
        ["OUTPUT", "FITTED_DAYS"],
    ),
    "matchproduct": (["PRODUCT", "REFERENCE", "METHOD", "BY_MONTH", "MIN_SAMPLES", "OUTPUT"], ["OUTPUT", "SAMPLES"]),
    "regionalseries": (
        ["INPUT", "ZONES", "LATITUDE_BANDS", "OUTPUT", "REPORT"],
        ["OUTPUT", "REPORT", "ROWS", "COVERAGE_PERCENT"],
    ),
    "stationquality": (
        [
            "STATIONS",
            "STATION",
            "TIME",
            "VALUE",
            "PRODUCT_A",
            "PRODUCT_B",
            "MAX_TIME_GAP",
            "MIN_SAMPLES",
            "ALPHA",
            "ANOMALIES",
            "OUTPUT",
            "REPORT",
        ],
        ["OUTPUT", "REPORT", "REPRESENTATIVE_PERCENT"],
    ),
    "temporalgapfill": (["INPUT", "METHOD", "WINDOW", "ORDER", "MAX_GAP", "DATES", "OUTPUT"], ["OUTPUT"]),
    "temporaltrend": (["INPUT", "METHOD", "BY_MONTH", "OUTPUT"], ["OUTPUT"]),
    "sarpredictors": (["VV", "VH", "ANGLE", "GRID", "FILTER_SIZE", "OUTPUT", "STATISTICS"], ["OUTPUT", "STATISTICS"]),
    "spectralindices": (["INPUT", "SENSOR", "BANDS", "SCALE", "OFFSET", "INDICES", "OUTPUT"], ["OUTPUT"]),
    "alignrasters": (["INPUT", "GRID", "CELL_SIZE", "CRS", "RESAMPLING", "OUTPUT"], ["OUTPUT"]),
    "calculatebands": (["INPUT", "EXPRESSION", "GRID", "RESAMPLING", "MAX_TIME_GAP", "OUTPUT"], ["OUTPUT"]),
    "importproduct": (
        [
            "INPUT",
            "FOLDER",
            "PRODUCT_TYPE",
            "VARIABLES",
            "LEVEL",
            "OVERPASS",
            "LAYER_THICKNESS",
            "EXTENT",
            "START",
            "END",
            "OUTPUT",
            "REPORT",
        ],
        ["OUTPUT", "REPORT", "DATES", "MASKED_PERCENT"],
    ),
    "maskquality": (["INPUT", "QUALITY", "RULE", "LEVEL", "BITS", "OUTPUT"], ["OUTPUT", "MASKED_PERCENT"]),
    "soilindices": (["SAND", "CLAY", "SILT", "UNITS", "OUTPUT"], ["OUTPUT"]),
    "thermalinertia": (
        ["ALBEDO", "LST_DAY", "LST_NIGHT", "LST_SCALE", "SOLAR_CORRECTION", "MIN_RANGE", "OUTPUT"],
        ["OUTPUT"],
    ),
    "terrainindices": (["DEM", "INDICES", "FLOW_ROUTING", "GRID", "Z_FACTOR", "OUTPUT"], ["OUTPUT"]),
    "importismn": (
        [
            "INPUT",
            "VARIABLE",
            "DEPTH_FROM",
            "DEPTH_TO",
            "DEPTH_RULE",
            "FLAGS",
            "START",
            "END",
            "PERIOD",
            "MIN_COUNT",
            "SENSORS",
            "OUTPUT",
            "REPORT",
        ],
        ["OUTPUT", "REPORT", "STATIONS", "OBSERVATIONS"],
    ),
    "interpolatestations": (
        ["STATIONS", "TIME", "VALUE", "GRID", "METHOD", "VARIOGRAM", "DRIFT", "OUTPUT", "VARIANCE", "REPORT"],
        ["OUTPUT", "VARIANCE", "REPORT", "RMSE", "BIAS", "R", "DATES"],
    ),
    "aggregatestations": (
        ["INPUT", "STATION", "TIME", "VALUE", "PERIOD", "GRID", "MIN_COUNT", "OUTPUT"],
        ["OUTPUT", "STATIONS", "MEANS"],
    ),
    "samplepredictors": (
        ["STATIONS", "STATION", "TIME", "PREDICTORS", "MAX_TIME_GAP", "METHOD", "OUTPUT", "REPORT"],
        ["OUTPUT", "REPORT", "FIELDS", "ROWS", "COMPLETE_ROWS"],
    ),
    "splitstations": (
        [
            "INPUT",
            "STATION",
            "TIME",
            "METHOD",
            "SHARE",
            "STRATA",
            "DATE",
            "EXPRESSION",
            "SEED",
            "TRAINING",
            "VALIDATION",
        ],
        ["TRAINING", "VALIDATION"],
    ),
    "selectpredictors": (
        [
            "TRAINING",
            "TARGET",
            "PREDICTORS",
            "STATION",
            "TIME",
            "MODEL",
            "METHOD",
            "GROUPS",
            "SPLIT",
            "GROUP",
            "FOLDS",
            "IMPORTANCE",
            "OUTER_FOLDS",
            "SEED",
            "OUTPUT",
            "REPORT",
        ],
        ["OUTPUT", "REPORT", "SELECTED", "SELECTED_COUNT", "R2", "RMSE"],
    ),
    "trainmodel": (
        [
            "TRAINING",
            "TARGET",
            "PREDICTORS",
            "STATION",
            "TIME",
            "WEIGHT",
            "MODEL",
            "HYPERPARAMETERS",
            "TUNING",
            "CANDIDATES",
            "BASELINES",
            "HOLDOUT",
            "SCALING",
            "LIMITS",
            "SPLIT",
            "GROUP",
            "FOLDS",
            "BLOCK_SIZE",
            "CYCLIC",
            "SPIKE",
            "SPIKE_WEIGHT",
            "SEED",
            "MODEL_FILE",
            "REPORT",
            "PREDICTIONS",
        ],
        [
            "MODEL_FILE",
            "REPORT",
            "PREDICTIONS",
            "R",
            "R2",
            "RMSE",
            "UBRMSE",
            "BIAS",
            "N",
            "SKILL",
            "BASELINE_RMSE",
            "HOLDOUT_R",
            "HOLDOUT_RMSE",
            "HOLDOUT_N",
        ],
    ),
    "predictraster": (
        [
            "MODEL_FILE",
            "PREDICTORS",
            "FALLBACK_MODEL",
            "GRID",
            "MAX_TIME_GAP",
            "QUANTILES",
            "APPLICABILITY",
            "MEMORY",
            "SCHEDULER",
            "OUTPUT",
            "QUANTILES_OUTPUT",
            "APPLICABILITY_OUTPUT",
            "ERROR_OUTPUT",
            "SOURCE",
        ],
        [
            "OUTPUT",
            "QUANTILES_OUTPUT",
            "APPLICABILITY_OUTPUT",
            "ERROR_OUTPUT",
            "SOURCE",
            "COVERAGE_PERCENT",
            "APPLICABLE_PERCENT",
        ],
    ),
    "downscale": (
        [
            "COARSE",
            "COARSE_ERROR",
            "PREDICTORS",
            "GRID",
            "MODEL",
            "HYPERPARAMETERS",
            "TUNING",
            "CANDIDATES",
            "SPLIT",
            "FOLDS",
            "CATEGORICAL",
            "SEED",
            "RESIDUALS",
            "CONSERVE",
            "MASK",
            "MASK_VALUES",
            "MAX_MASKED_SHARE",
            "MAX_TIME_GAP",
            "TIME_GAPS",
            "STATIONS",
            "STATION",
            "TIME",
            "VALUE",
            "MEMORY",
            "SCHEDULER",
            "OUTPUT",
            "QUANTILES_OUTPUT",
            "APPLICABILITY_OUTPUT",
            "SOURCE",
            "MODEL_FILE",
            "PREDICTIONS",
            "REPORT",
        ],
        [
            "OUTPUT",
            "QUANTILES_OUTPUT",
            "APPLICABILITY_OUTPUT",
            "SOURCE",
            "MODEL_FILE",
            "PREDICTIONS",
            "REPORT",
            "R",
            "R2",
            "RMSE",
            "UBRMSE",
            "BIAS",
            "N",
            "SKILL",
            "BASELINE_RMSE",
            "BLOCK_ERROR",
            "GAIN_PERCENT",
        ],
    ),
    "predicttable": (
        [
            "MODEL_FILE",
            "INPUT",
            "OBSERVED",
            "STATION",
            "TIME",
            "GROUP",
            "QUANTILES",
            "OUTPUT",
            "REPORT",
        ],
        [
            "OUTPUT",
            "REPORT",
            "R",
            "R2",
            "RMSE",
            "UBRMSE",
            "BIAS",
            "N",
            "MEDIAN_R",
            "MEDIAN_UBRMSE",
            "MEDIAN_BIAS",
            "SKILL",
            "BASELINE_RMSE",
        ],
    ),
    "modelreport": (["MODEL_FILE", "REPORT"], ["REPORT"]),
    "validatestations": (
        [
            "PRODUCT",
            "PRODUCT_B",
            "PRODUCT_C",
            "PRODUCT_D",
            "PRODUCT_E",
            "LABELS",
            "COMMON_SAMPLE",
            "ANOMALIES",
            "RESAMPLING",
            "TIME_GAPS",
            "GROUP_TABLE",
            "STATIONS",
            "STATION",
            "TIME",
            "VALUE",
            "GROUP",
            "MAX_TIME_GAP",
            "MIN_SAMPLES",
            "METHOD",
            "OUTPUT",
            "MATCHES",
            "REPORT",
        ],
        [
            "OUTPUT",
            "MATCHES",
            "REPORT",
            "R",
            "R2",
            "RMSE",
            "UBRMSE",
            "BIAS",
            "N",
            "MEDIAN_R",
            "MEDIAN_UBRMSE",
            "MEDIAN_BIAS",
        ],
    ),
    "comparemaps": (
        [
            "PRODUCT",
            "REFERENCE",
            "COMPARE_ON",
            "RESAMPLING",
            "MASK",
            "ZONES",
            "BLOCK_GRID",
            "MAX_TIME_GAP",
            "SCHEDULER",
            "OUTPUT",
            "CELLS",
            "TABLE",
            "REPORT",
        ],
        ["OUTPUT", "CELLS", "TABLE", "REPORT", "R", "RMSE", "UBRMSE", "BIAS", "SPAEF", "EDGE_RATIO"],
    ),
    "comparescenarios": (
        [
            "TRAINING",
            "TARGET",
            "PREDICTORS",
            "STATION",
            "TIME",
            "GROUP",
            "TEST",
            "MODELS",
            "HYPERPARAMETERS",
            "SCENARIOS",
            "SIZES_DEPENDENT",
            "SIZES_TEMPORAL",
            "TRAIN_YEAR",
            "SIZES_SPATIAL",
            "REPEATS",
            "CANDIDATES",
            "CYCLIC",
            "CATEGORICAL",
            "SCALING",
            "LIMITS",
            "TARGET_RMSE",
            "STATE",
            "MAX_MINUTES",
            "SEED",
            "SCHEDULER",
            "OUTPUT",
            "REPORT",
        ],
        ["OUTPUT", "REPORT", "OPTIMISM", "VERDICT"],
    ),
    "checkinstallation": (["PREPARE", "REPORT"], ["REPORT", "READY"]),
    "demodata": (["SEED", "YEARS", "ADD_TO_PROJECT", "OUTPUT"], ["OUTPUT"]),
}


WORKFLOWS = {
    "stationmap",
    "quantilemap",
    "cloudgapmap",
    "monthlymap",
    "mergedmap",
    "scenarios",
    "droughtwatch",
}


def algorithms(provider):
    return [algorithm for algorithm in provider.algorithms() if algorithm.group() != "Workflows"]


def test_ids_parameters_and_outputs_are_those_that_scripts_depend_on(provider):
    assert provider.id() == "smtoolbox" and provider.name() == "Soil Moisture Toolbox"
    assert {algorithm.name() for algorithm in algorithms(provider)} == set(CONTRACT)
    for algorithm in algorithms(provider):
        parameters, outputs = CONTRACT[algorithm.name()]
        assert set(parameters) <= {d.name() for d in algorithm.parameterDefinitions()}, algorithm.name()
        assert set(outputs) <= {d.name() for d in algorithm.outputDefinitions()}, algorithm.name()


def test_every_algorithm_that_writes_rasters_takes_a_cluster(provider):
    """But for the import, whose work is to open files that others cannot; and the comparison of scenarios does, too."""
    for algorithm in algorithms(provider):
        if algorithm.name() in ("importproduct", "comparescenarios"):
            continue
        definitions = {d.name(): d for d in algorithm.parameterDefinitions()}
        assert ("SCHEDULER" in definitions) == any(d.type() == "rasterDestination" for d in definitions.values()), (
            algorithm.name()
        )
        assert "SCHEDULER" not in definitions or "exchanged with that address" in definitions["SCHEDULER"].help()


def test_every_algorithm_explains_itself(provider):
    for algorithm in algorithms(provider):
        assert algorithm.name().islower() and algorithm.name().isalpha()
        assert algorithm.displayName()[0].isupper() and algorithm.shortDescription().endswith(".")
        assert len(algorithm.tags()) >= 3 and not algorithm.icon().isNull() and Path(algorithm.svgIconPath()).is_file()
        help_text = algorithm.shortHelpString()
        for definition in algorithm.parameterDefinitions():
            assert len(definition.help()) > 10, f"{algorithm.name()} {definition.name()}"
            assert definition.help() in help_text and definition.name().isupper()
            assert definition.description() and definition.description()[0].isupper()
        assert algorithm.canExecute() == (True, "")
        assert algorithm.create().name() == algorithm.name()


@pytest.mark.parametrize("built", ["help", "build/site"])
def test_help_opens_the_built_page_of_every_algorithm_and_workflow(provider, tmp_path, monkeypatch, built):
    folder = tmp_path / "my plügins #1 100%20" / "smtoolbox"
    pages = folder / built / "docs" / "algorithms"
    pages.mkdir(parents=True)
    for source in ROOT.glob("docs/algorithms/*.md"):
        (pages / f"{source.stem}.html").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr("soil_moisture_toolbox.algorithms.pages.ROOT", folder)
    for algorithm in provider.algorithms():
        # As QGIS opens it.
        url = QUrl(algorithm.helpUrl())
        assert url.isLocalFile() and not url.hasFragment() and not url.hasQuery()
        page = Path(url.toLocalFile())
        assert page.parent == pages and page.read_text(encoding="utf-8").startswith(f"# {algorithm.displayName()}\n")


def test_help_opens_the_page_on_the_web_where_none_is_built(provider, monkeypatch):
    monkeypatch.setattr("soil_moisture_toolbox.algorithms.pages.BUILT", ())
    homepage = "https://github.com/soil-moisture-toolbox/soil-moisture-toolbox"
    for algorithm in provider.algorithms():
        leading, _, path = algorithm.helpUrl().partition("/blob/main/")
        assert leading == homepage and (ROOT / path).is_file()


def test_helps_become_markdown():
    """Tags are marks, entities are signs, in code as well; signs of Markdown stay signs, and a bar ends no cell."""
    spec = importlib.util.spec_from_file_location("docs", ROOT / "tools" / "docs.py")
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    html = (
        "<p>a * b,\n <code>a &lt;= b * c</code> <i>*:1</i> &amp; e<sup>x</sup> <path></p><ul><li><b>n</b>: 1<li>m</ul>"
    )
    assert docs.paragraphs(html) == [
        "a \\* b, `a <= b * c` *\\*:1* & e<sup>x</sup> &lt;path>",
        "",
        "- **n**: 1",
        "",
        "- m",
        "",
    ]
    assert docs.cell("1|2 <i>x</i>") == r"1\|2 *x*"


def test_no_two_labels_of_a_dialog_are_alike(provider):
    for algorithm in provider.algorithms():
        labels = [definition.description().casefold() for definition in algorithm.parameterDefinitions()]
        assert len(labels) == len(set(labels)), f"{algorithm.name()}: {sorted(labels)}"


def test_reports_are_named_after_their_algorithm_in_the_results_viewer(provider):
    pages = {}
    for algorithm in algorithms(provider):
        for output in algorithm.outputDefinitions():
            if output.type() == "outputHtml":
                pages[output.description()] = algorithm
    assert len(pages) >= 10 and all(algorithm.displayName() in name for name, algorithm in pages.items())


def test_help_has_no_line_breaks_in_sentences(provider):
    for algorithm in algorithms(provider):
        assert "\n" not in algorithm.shortHelpString(), algorithm.name()


def test_help_has_no_colour_that_a_dark_theme_swallows(provider):
    """QGIS draws <b> in #333333 on whatever ground there is."""
    for algorithm in algorithms(provider):
        assert "<b>" not in algorithm.shortHelpString() and "<strong>" in algorithm.shortHelpString()


def test_several_choices_are_boxes_to_tick(provider):
    """QGIS 3.22's other window for them has blank rows."""
    several = [
        d for a in algorithms(provider) for d in a.parameterDefinitions() if d.type() == "enum" and d.allowMultiple()
    ]
    assert several and all(d.metadata()["widget_wrapper"]["useCheckBoxes"] for d in several)


def test_enums_take_words(provider):
    found = 0
    for algorithm in algorithms(provider):
        for definition in algorithm.parameterDefinitions():
            if definition.type() == "enum":
                found += 1
                assert definition.usesStaticStrings(), f"{algorithm.name()} {definition.name()}"
    assert found >= 5


def test_optional_numbers_have_no_hidden_default(provider):
    memory = provider.algorithm("predictraster").parameterDefinition("MEMORY")
    assert memory.flags() & QgsProcessingParameterDefinition.Flag.FlagOptional and memory.defaultValue() is None


def python(code):
    """Run code in a Python of its own that knows the plugin's folder."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    head = f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from qgis.core import QgsApplication
        application = QgsApplication([], False)
        application.initQgis()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_loading_imports_nothing_heavy():
    out = python("""
        before = set(sys.modules)
        from algorithms.provider import register
        provider = register()
        print(len(provider.algorithms()))
        heavy = {"sklearn", "xgboost", "numba", "rasterio", "pandas", "scipy", "joblib", "matplotlib", "pyproj"}
        print(sorted(heavy & set(sys.modules) - before))
    """)
    count, heavy = out.split("\n")[:2]
    assert int(count) >= 8 and heavy == "[]"


@pytest.mark.parametrize("library", ["pandas", "sklearn", "numba"])
def test_a_missing_library_is_named_by_the_algorithms_that_need_it_and_hides_none(library):
    out = python(f"""
        import importlib.util
        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == {library!r}:
                    raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
        real = importlib.util.find_spec
        importlib.util.find_spec = lambda name, package=None: None if name == {library!r} else real(name, package)
        sys.meta_path.insert(0, Missing())
        from algorithms.provider import register
        provider = register()
        for algorithm in provider.algorithms():
            print(algorithm.name(), *algorithm.canExecute())
    """)
    lines = {line.split()[0]: line for line in out.strip().split("\n")}
    workflows = {name: lines.pop(name) for name in WORKFLOWS}
    assert set(lines) == set(CONTRACT)
    assert lines["checkinstallation"].split()[1] == "True"
    blocked = {name for name, line in lines.items() if line.split()[1] == "False"}
    expected = {
        "pandas": {
            "importismn",
            "interpolatestations",
            "samplepredictors",
            "selectpredictors",
            "stationquality",
            "trainmodel",
            "downscale",
            "validatestations",
        },
        "sklearn": {"selectpredictors", "trainmodel", "downscale", "comparescenarios"},
        "numba": {
            "selectpredictors",
            "trainmodel",
            "predictraster",
            "predicttable",
            "modelreport",
            "downscale",
            "interpolatestations",
            "sarpredictors",
            "tcmerge",
            "triplecollocation",
            "terrainindices",
            "temporalcomposite",
            "antecedentindex",
            "stationquality",
            "matchproduct",
            "regionalseries",
            "rootzone",
            "temporalanomaly",
            "temporalgapfill",
            "temporalstatistics",
            "temporaltrend",
            "comparemaps",
            "comparescenarios",
        },
    }
    assert expected[library] == blocked
    # A workflow can do what all its steps can.
    needing = WORKFLOWS if library == "numba" else WORKFLOWS - {"droughtwatch"}
    assert {name for name, line in workflows.items() if package_of(library) in line} == needing
    # As it is installed: scikit-learn, not sklearn.
    assert all(package_of(library) in lines[name] and "Check installation" in lines[name] for name in blocked)


def test_unload_takes_the_provider_away():
    out = python(f"""
        import importlib.util
        file, folders = {str(ROOT / "__init__.py")!r}, [{str(ROOT)!r}]
        spec = importlib.util.spec_from_file_location("soil_moisture_toolbox", file, submodule_search_locations=folders)
        sys.path.remove({str(ROOT)!r})
        module = sys.modules["soil_moisture_toolbox"] = importlib.util.module_from_spec(spec)
        before = list(sys.path)
        spec.loader.exec_module(module)
        plugin = module.classFactory(None)
        registry = QgsApplication.processingRegistry()
        plugin.initGui()
        print(registry.providerById("smtoolbox") is not None, sys.path == before)
        import sm_toolbox
        print(sm_toolbox.__name__)
        plugin.unload()
        print(registry.providerById("smtoolbox") is None)
    """)
    assert out.split() == ["True", "True", "sm_toolbox", "True"]


def test_a_plugin_that_is_loaded_again_is_the_new_one(tmp_path):
    """As after an upgrade: the files are others, the program is the same."""
    folder = tmp_path / "soil_moisture_toolbox"
    shutil.copytree(
        ROOT,
        folder,
        ignore=lambda _, names: [name for name in names if name.startswith(".") or name in ("tests", "demo", "dist")],
    )
    out = python(f"""
        import importlib
        sys.path = [path for path in sys.path if path != {str(ROOT)!r}]
        sys.path.insert(0, {str(tmp_path)!r})
        from pathlib import Path
        def start():
            importlib.invalidate_caches()
            module = importlib.import_module("soil_moisture_toolbox")
            plugin = module.classFactory(None)
            plugin.initProcessing()
            from sm_toolbox.files import check_output
            return plugin, plugin.provider.algorithm("alignrasters").displayName(), check_output.__doc__
        plugin, *before = start()
        folder = Path({str(folder)!r})
        changes = (
            ("algorithms/data/alignrasters.py", 'TITLE = "', 'TITLE = "New '),
            ("sm_toolbox/files.py", "Find out", "New: find out"),
        )
        for file, old, new in changes:
            (folder / file).write_text((folder / file).read_text().replace(old, new))
        plugin.unload()
        del sys.modules["soil_moisture_toolbox"]
        print([name for name in sys.modules if name.startswith(("sm_toolbox", "soil_moisture"))])
        plugin, title, doc = start()
        print(title, "|", doc[:9])
    """)
    left, new = out.strip().split("\n")
    assert left == "[]" and new.startswith("New ") and new.endswith("| New: find")


def test_long_runs_say_seldom_what_is_left(plugin, monkeypatch):
    from soil_moisture_toolbox.algorithms import base

    clock, said = [0.0], []

    class Feedback:
        def setProgress(self, percent):
            pass

        def pushInfo(self, text):
            said.append(text)

    monkeypatch.setattr(base.time, "monotonic", lambda: clock[0])
    progress = base.FeedbackProgress(Feedback())
    # An hour's work, heard every ten seconds; and one that is done before anybody asks.
    for second in range(0, 3600, 10):
        clock[0] = float(second)
        progress.set_fraction(second / 3600)
    assert said == [
        "1 % done; about 59 min left.",
        "3 % done; about 58 min left.",
        "17 % done; about 50 min left.",
        "50 % done; about 30 min left.",
    ]
    said.clear()
    clock[0], progress = 0.0, base.FeedbackProgress(Feedback())
    for clock[0] in (10.0, 40.0, 50.0):
        progress.set_fraction(clock[0] / 60)
    assert said == []
