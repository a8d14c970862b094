"""Write the models that the provider offers: resources/models/*.model3. Run after a change: make models."""

import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QPointF

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
Source = QgsProcessingModelChildParameterSource
INDICES = ["elevation", "slope", "northness", "eastness", "profile_curvature", "tangential_curvature"]


def value(constant):
    """A value that the model fixes."""
    return [Source.fromStaticValue(constant)]


def given(name):
    """What the user of the model gives."""
    return [Source.fromModelParameter(name)]


def made(child, output):
    """What an earlier step makes."""
    return [Source.fromChildOutput(child, output)]


def station_map():
    """terrainindices → samplepredictors → trainmodel → predictraster → validatestations."""
    model = QgsProcessingModelAlgorithm("stationmap", "Workflows", "workflows")
    points = [QgsProcessing.SourceType.TypeVectorPoint]
    inputs = [
        (QgsProcessingParameterRasterLayer("dem", "Elevation"), "Digital elevation model; the map has its grid."),
        (
            QgsProcessingParameterMultipleLayers("predictors", "Other predictors", QgsProcessing.SourceType.TypeRaster),
            "Soil, vegetation, weather …: rasters with named bands.",
        ),
        (
            QgsProcessingParameterFeatureSource("stations", "Stations for training", points),
            "Point layer, one feature per station and time.",
        ),
        (QgsProcessingParameterField("station", "Station field", "station", "stations"), "Name of the station."),
        (QgsProcessingParameterField("time", "Time field", "time", "stations"), "Date of the observation."),
        (QgsProcessingParameterField("value", "Observed soil moisture", "soil_moisture", "stations"), "In m³ m⁻³."),
        (
            QgsProcessingParameterFeatureSource("validation", "Stations for validation", points),
            "Other stations with the same fields, which take no part in the training.",
        ),
        (
            QgsProcessingParameterNumber(
                "gap", "Largest gap in time [days]", QgsProcessingParameterNumber.Type.Double, 4
            ),
            (
                "Between an observation and a dated predictor of the training table. Maps are made for the dates on "
                "which all predictors have a band, and validated with observations of these dates."
            ),
        ),
        (
            QgsProcessingParameterString("fields", "Learn from these alone", None, False, True),
            (
                "Names of terrain indices and of bands of the other predictors, separated by semicolons "
                "(elevation;slope;ndvi). Empty: all of them. What is given and not used is said in the log."
            ),
        ),
    ]
    for row, (parameter, text) in enumerate(inputs):
        parameter.setHelp(text)
        component = QgsProcessingModelParameter(parameter.name())
        component.setPosition(QPointF(120, 80 + 90 * row))
        model.addModelParameter(parameter, component)
    model.setParameterOrder([parameter.name() for parameter, _ in inputs])

    steps = {
        "terrain": ("terrainindices", {"DEM": given("dem"), "INDICES": value(INDICES), "Z_FACTOR": value(1)}, {}),
        "sample": (
            "samplepredictors",
            {
                "STATIONS": given("stations"),
                "STATION": given("station"),
                "TIME": given("time"),
                "PREDICTORS": made("terrain", "OUTPUT") + given("predictors"),
                "MAX_TIME_GAP": given("gap"),
                "METHOD": value("nearest"),
            },
            {},
        ),
        "train": (
            "trainmodel",
            {
                "TRAINING": made("sample", "OUTPUT"),
                "TARGET": given("value"),
                "PREDICTORS": [
                    Source.fromExpression(
                        "if(coalesce(@fields, '') = '', @Sample_predictors_at_stations_FIELDS, @fields)"
                    )
                ],
                "STATION": given("station"),
                "TIME": given("time"),
                "MODEL": value("random_forest"),
                "SPLIT": value("station"),
                "FOLDS": value(5),
                "SEED": value(0),
            },
            {"MODEL_FILE": "Model file", "REPORT": "Training report"},
        ),
        "predict": (
            "predictraster",
            {
                "MODEL_FILE": made("train", "MODEL_FILE"),
                "PREDICTORS": made("terrain", "OUTPUT") + given("predictors"),
                "GRID": given("dem"),
            },
            {"OUTPUT": "Soil moisture"},
        ),
        "validate": (
            "validatestations",
            {
                "PRODUCT": made("predict", "OUTPUT"),
                "STATIONS": given("validation"),
                "STATION": given("station"),
                "TIME": given("time"),
                "VALUE": given("value"),
                "MIN_SAMPLES": value(10),
                "METHOD": value("nearest"),
            },
            {"OUTPUT": "Stations with metrics", "REPORT": "Validation report"},
        ),
    }
    for column, (child_id, (algorithm, parameters, outputs)) in enumerate(steps.items()):
        child = QgsProcessingModelChildAlgorithm(f"smtoolbox:{algorithm}")
        child.setChildId(child_id)
        child.setDescription(child.algorithm().displayName())
        child.setPosition(QPointF(420 + 260 * column, 200 + 80 * column))
        # QGIS 3.22 takes a model for invalid whose steps lack the value of a parameter, though it has a default.
        for definition in child.algorithm().parameterDefinitions():
            optional = definition.flags() & definition.Flag.FlagOptional
            if (
                not definition.isDestination()
                and not optional
                and definition.name() not in parameters
                and definition.defaultValue() is not None
            ):
                child.addParameterSources(definition.name(), value(definition.defaultValue()))
        for key, sources in parameters.items():
            child.addParameterSources(key, sources)
        final = {}
        for key, label in outputs.items():
            output = QgsProcessingModelOutput(label, label)
            output.setChildId(child_id)
            output.setChildOutputName(key)
            output.setPosition(QPointF(440 + 260 * column, 330 + 80 * column + 60 * len(final)))
            final[label] = output
        child.setModelOutputs(final)
        model.addChildAlgorithm(child)
    model.updateDestinationParameters()
    model.setHelpContent(
        {
            "ALG_TITLE": "Map soil moisture from stations",
            "ALG_DESC": (
                "From a DEM, other predictors and stations to maps of soil moisture, validated on stations that "
                "took no part in the training.\nTo change the workflow, open a copy of it: Processing > "
                "Graphical Modeler > Model > Open Model, file resources/models/station_map.model3 in the "
                "plugin's folder (Settings > User Profiles > Open Active Profile Folder, then "
                "python/plugins/soil_moisture_toolbox), and save it under a name of your own."
            ),
            "ALG_CREATOR": "Soil Moisture Toolbox",
            # From here QGIS takes the help of the inputs.
            **{parameter.name(): text for parameter, text in inputs},
        }
    )
    return model


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    from algorithms.provider import register

    provider = register()
    path = ROOT / "resources" / "models" / "station_map.model3"
    model = station_map()
    valid, issues = model.validate()
    if not valid:
        raise SystemExit("The model is not valid: " + "; ".join(issues))
    if not model.toFile(str(path)):
        raise SystemExit(f"{path} could not be written")
    print(f"Wrote {path.relative_to(ROOT)}")
    application.exitQgis()
