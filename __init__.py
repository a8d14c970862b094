"""Soil Moisture Toolbox: a QGIS Processing provider."""

import importlib.util
import sys
from pathlib import Path


def _load_science() -> None:
    """Make `sm_toolbox` importable under its own name, wherever the plugin's folder lies and whatever it is called."""
    if "sm_toolbox" in sys.modules:
        return
    folder = Path(__file__).parent / "sm_toolbox"
    spec = importlib.util.spec_from_file_location(
        "sm_toolbox", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["sm_toolbox"] = module
    spec.loader.exec_module(module)


def classFactory(iface):
    """Return the plugin; called by QGIS."""
    _load_science()
    from .plugin import SoilMoistureToolboxPlugin

    return SoilMoistureToolboxPlugin(iface)
