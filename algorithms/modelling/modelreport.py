"""Model report."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingParameterFile

from ..base import ToolboxAlgorithm
from ..layers import write_report
from ..parameters import report_output


class Algorithm(ToolboxAlgorithm):
    NAME = "modelreport"
    TITLE = "Model report"
    GROUP = "modelling"
    SUMMARY = (
        "Writes up a model from its file alone: data, errors, importance, effects, ranges, applicability and how it "
        "was made."
    )
    DETAILS = (
        "<p>For a model that came from somewhere else, or long ago. The effects of the predictors are computed anew, "
        "from some training rows that the file keeps. Reading a model file runs no code.</p>"
    )
    TAGS = ("machine learning", "importance", "partial dependence", "accumulated local effects", "documentation")
    NEEDS = ("numba", "matplotlib")

    def declare(self):
        self.add(
            QgsProcessingParameterFile("MODEL_FILE", "Model file", extension="smmodel"),
            "Model that 'Train model' made (.smmodel).",
        )
        self.add(report_output(self.TITLE), "HTML page with all that the file says about the model.")

    def resolve(self, parameters, context):
        return None

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.errors import ModelFileError
        from sm_toolbox.models.modelfile import load_model
        from sm_toolbox.models.reports.model import model_report

        path = self.parameterAsFile(parameters, "MODEL_FILE", context)
        model = load_model(path)
        try:
            page = model_report(model, Path(path).name, progress)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # Prediction needs little of the manifest; the rest may have been written by hand.
            raise ModelFileError(
                f"The model file '{path}' does not hold what a report needs ({error!r}). Train the model again."
            ) from error
        return {"REPORT": write_report(self, lambda: page)}
