"""Write resources/styles/*.qml from the table in algorithms/styles.py. Run after a change: make styles.

Styles that take their range from the data have no file: a file would bring another raster's range.
"""

import sys
import tempfile
from pathlib import Path

from osgeo import gdal
from qgis.core import QgsApplication, QgsMapLayer, QgsRasterLayer, QgsVectorLayer

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "resources" / "styles"


def main() -> None:
    """Write all of them anew."""
    from algorithms.presentation import present_points
    from algorithms.styles import STYLES, renderer

    symbology = QgsMapLayer.StyleCategory.Symbology
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.qml"):
        old.unlink()
    with tempfile.TemporaryDirectory() as work:
        path = f"{work}/cell.tif"
        gdal.GetDriverByName("GTiff").Create(path, 1, 1, 1, gdal.GDT_Float32).FlushCache()
        layer = QgsRasterLayer(path, "cell")
        for style in STYLES:
            if style.classes or (style.low is not None and style.high is not None):
                layer.setRenderer(renderer(style, None, [1]))
                layer.saveNamedStyle(str(FOLDER / f"{style.name}.qml"), symbology)
        for name, field in (("stations_ubrmse", "ubrmse"), ("stations_soil_moisture", "soil_moisture")):
            points = QgsVectorLayer(f"Point?field={field}:double", name, "memory")
            present_points(points)
            points.saveNamedStyle(str(FOLDER / f"{name}.qml"), symbology)
        del layer


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    main()
    print(f"Wrote {len(list(FOLDER.glob('*.qml')))} styles into {FOLDER.relative_to(ROOT)}")
    application.exitQgis()
