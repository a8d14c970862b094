"""The plugin object: it registers the Processing provider and nothing else."""

import sys

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
        """Take the provider away again, and the modules with it: after an upgrade the next start must not find those of
        the old version.
        """
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
        for name in list(sys.modules):
            # QGIS forgets what the plugin imported from its own package, but not the science, which has a name of its
            # own.
            if name == "sm_toolbox" or name.startswith(("sm_toolbox.", f"{__package__}.")):
                del sys.modules[name]
