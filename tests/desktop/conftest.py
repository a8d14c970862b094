"""What tests of windows need: the fixtures of the plugin."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("qgis_fixtures", Path(__file__).parents[1] / "qgis" / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
plugin, provider, point_layer = _fixtures.plugin, _fixtures.provider, _fixtures.point_layer
