"""Check the installation."""

from __future__ import annotations

import os

from qgis.core import Qgis, QgsApplication, QgsProcessingOutputBoolean

from ..base import ToolboxAlgorithm
from ..layers import write_report
from ..parameters import report_output


class Algorithm(ToolboxAlgorithm):
    NAME = "checkinstallation"
    TITLE = "Check installation"
    GROUP = "tools"
    SUMMARY = "Says which Python libraries are there, which are missing or clash, and how to get them on this computer."
    DETAILS = "<p>The plugin never installs anything by itself. Run this first on a new computer, and whenever an algorithm says that a library is missing.</p>"
    TAGS = ("install", "dependencies", "versions", "troubleshooting")

    def declare(self):
        self.add(report_output(), "HTML page with versions, problems and their remedies.")
        self.addOutput(QgsProcessingOutputBoolean("READY", "All main algorithms can run"))

    def resolve(self, parameters, context):
        return None

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.installation import check_installation, installation_report

        found = check_installation(os.path.join(QgsApplication.qgisSettingsDirPath(), "python"), Qgis.QGIS_VERSION)
        for name, version, _ in found.versions:
            progress.info(f"{name}: {version}")
        for problem in found.problems:
            progress.warning(problem)
        for hint in found.hints:
            progress.info(hint)
        progress.info("Ready." if found.ready else "Not ready; see above.")
        return {"REPORT": write_report(self, lambda: installation_report(found)), "READY": found.ready}
