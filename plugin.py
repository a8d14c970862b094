"""The plugin object: it registers the Processing provider and nothing else."""

from qgis.core import QgsApplication

from .algorithms.provider import register


class SoilMoistureToolboxPlugin:
    """Adds the provider `smtoolbox` to the Processing toolbox, the modeler and `qgis_process`."""

    def __init__(self, iface):
        self.iface = iface
        self.provider = None

    def initProcessing(self):
        """Register the provider; all that `qgis_process` calls."""
        self.provider = register()

    def initGui(self):
        """Called by the desktop application."""
        self.initProcessing()

    def unload(self):
        """Take the provider away again."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
