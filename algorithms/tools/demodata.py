"""Create demo data."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsField,
    QgsFields,
    QgsProcessingParameterFolderDestination,
    QgsVectorFileWriter,
    QgsWkbTypes,
)
from sm_toolbox.errors import OutputError

from ..base import ToolboxAlgorithm
from ..layers import DATE, NUMBER, TEXT, attribute, point_geometry
from ..parameters import integer

_FIELDS = (("station", TEXT), ("time", DATE), ("soil_moisture", NUMBER), ("land_cover", TEXT))


class Algorithm(ToolboxAlgorithm):
    NAME = "demodata"
    TITLE = "Create demo data"
    GROUP = "tools"
    SUMMARY = "Writes a small complete scene with a known truth, on which every algorithm of the toolbox can be tried."
    DETAILS = (
        "<p>The terrain is real (SRTM, from matplotlib's sample data); <b>all moisture, soil, weather and satellite values are simulated</b>: a daily water balance in which hollows and shady slopes are wetter, "
        "sand drains faster, and the land dries after rain.</p><ul>"
        "<li>90 m: dem.tif, soil.tif (sand, clay), truth.tif (soil_moisture every eight days)</li>"
        "<li>450 m, every eight days: ndvi.tif, albedo.tif, lst_day.tif and lst_night.tif (with gaps under clouds)</li>"
        "<li>4.5 km, daily: rain.tif (rain_7d), api.tif, product_a.tif, product_b.tif, product_c.tif with known errors, product_truth.tif</li>"
        "<li>stations.gpkg: 45 stations with daily noisy observations; stations_validation.gpkg: 15 others to validate with</li>"
        "<li>README.txt: what each file is and which errors were put in</li></ul>"
    )
    TAGS = ("demo", "sample", "example", "tutorial", "simulated")
    NEEDS = ("rasterio", "pandas", "matplotlib", "scipy")

    def declare(self):
        self.add(
            QgsProcessingParameterFolderDestination("OUTPUT", "Folder"),
            "Folder for the scene. It must be new, empty, or hold an earlier demo scene, which is replaced.",
        )
        self.add(integer("SEED", "Seed", 0, minimum=0, maximum=2**31 - 1), "Same seed: same scene.", advanced=True)

    def prepare(self, parameters, context):
        return None

    def run(self, inputs, parameters, context, progress):
        from sm_toolbox.demo.write import write_demo_scene

        folder = self.parameterAsString(parameters, "OUTPUT", context)
        write_demo_scene(folder, self.parameterAsInt(parameters, "SEED", context), progress, _write_stations)
        progress.info(f"The scene is in {folder}; README.txt there says what each file is.")
        return {"OUTPUT": folder}


def _write_stations(table, path):
    """Write a station table (pandas.DataFrame) as a GeoPackage of points."""
    fields = QgsFields()
    for name, kind in _FIELDS:
        fields.append(QgsField(name, kind))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", path.stem
    crs = QgsCoordinateReferenceSystem("EPSG:4326")
    writer = QgsVectorFileWriter.create(str(path), fields, QgsWkbTypes.Type.Point, crs, QgsCoordinateTransformContext(), options)
    for row in table.itertuples(index=False):
        feature = QgsFeature(fields)
        feature.setAttributes([attribute(value) for value in (row.station, row.time.date(), row.soil_moisture, row.land_cover)])
        feature.setGeometry(point_geometry(row.lon, row.lat))
        writer.addFeature(feature)
    error, message = writer.hasError(), writer.errorMessage()
    # The file is complete only once the writer is gone.
    del writer
    if error != QgsVectorFileWriter.WriterError.NoError:
        raise OutputError(f"The stations could not be written to '{path}': {message}. Check the free space of the disk.")
