"""Create demo data: a small scene on which every algorithm can be tried."""

from __future__ import annotations

import contextlib

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsProcessingParameterFolderDestination,
    QgsVectorFileWriter,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate

from sm_toolbox.errors import OutputError
from sm_toolbox.progress import Progress

from ..base import ToolboxAlgorithm
from ..layers import DATE, NUMBER, TEXT, point_geometry
from ..parameters import integer, switch
from ..presentation import Grouped, write_style_beside

GROUP = "Soil Moisture Toolbox demo"
# From the top of the group.
LAYERS = (
    "stations",
    "stations_validation",
    "truth",
    "product_a",
    "product_b",
    "product_c",
    "product_truth",
    "ndvi",
    "albedo",
    "lst_day",
    "lst_night",
    "reflectance",
    "sentinel1",
    "rain",
    "api",
    "soil",
    "stations_networks",
    "stations_field",
    "rain_gauges",
    "field_truth",
    "field_radar",
    "landcover",
    "dem",
)
POINTS = ("stations", "rain_gauges")
SHOWN = ("stations", "stations_validation", "truth", "dem")


class Algorithm(ToolboxAlgorithm):
    """Wraps `sm_toolbox.demo`."""

    NAME = "demodata"
    TITLE = "Create demo data"
    GROUP = "tools"
    SUMMARY = (
        "Writes a small scene to try every algorithm on: real terrain, simulated soil moisture whose truth is known, "
        "stations, satellite layers, three coarse products and ten years of them, and files as providers ship them."
    )
    DETAILS = """
<p>Everything but the terrain is <b>simulated</b>: a daily water balance from April to September 2019 over 27 × 27 km \
near the Jacksboro fault,
Tennessee (SRTM elevation). The scene lets you see how near a map, an error estimate or a validation comes to a truth \
that is known.</p>
<ul>
<li><b>dem.tif</b>, <b>soil.tif</b>: elevation (m); sand and clay (percent), 90 m.</li>
<li><b>truth.tif</b>: true soil moisture (m³ m⁻³) every eight days, 90 m. Compare maps with it; never train on it.</li>
<li><b>ndvi.tif</b>, <b>albedo.tif</b>, <b>lst_day.tif</b>, <b>lst_night.tif</b>: 8-day composites, 450 m; \
the land surface temperatures (K) have gaps under clouds.</li>
<li><b>reflectance.tif</b>: 8-day surface reflectances in MODIS's seven bands, 450 m.</li>
<li><b>sentinel1.tif</b>: backscatter VV and VH (dB) every twelve days and local incidence angle, 90 m.</li>
<li><b>rain.tif</b>, <b>api.tif</b>: rain of seven days and antecedent precipitation index (mm), daily, 4.5 km.</li>
<li><b>product_a.tif</b>, <b>product_b.tif</b>, <b>product_c.tif</b>: three coarse products with known errors, \
daily, 4.5 km; <b>product_truth.tif</b>: what they should have shown.</li>
<li><b>stations.gpkg</b> (and .csv): 45 stations with daily soil moisture, for training.</li>
<li><b>stations_validation.gpkg</b> (and .csv): 15 other stations, for validation.</li>
<li><b>ismn.zip</b>: six of the stations as an archive of the International Soil Moisture Network, \
with quality flags.</li>
<li><b>smap_l3.zip</b>, <b>GLDAS_NOAH025_….nc4</b>: soil moisture as downloaded, mornings and evenings with quality \
flags, and in kg m⁻²; for <i>Import product</i>.</li>
<li><b>record_a.nc</b>, <b>record_b.nc</b>, <b>record_c.nc</b>, <b>record_truth.nc</b>: ten years of the coarse \
products up to the end of the season, with winters of frost and a dry spell; <b>record_weather.nc</b>: rain and soil \
temperature; <b>record_flag.nc</b>: quality flag.</li>
<li><b>reflectance_cloudy.tif</b> with <b>state.tif</b>, <b>sentinel2.tif</b> with <b>scl.tif</b>: reflectances under \
clouds and their quality layers; <b>sentinel2_truth.tif</b>.</li>
<li><b>landcover.tif</b>: classes as MODIS names them, with water and ice, 450 m; <b>landcover_truth.tif</b>, 90 m.</li>
<li><b>sand_0-5cm_mean.tif</b> and three others: files like those of SoilGrids, 270 m; <b>soil_truth.tif</b>: bulk \
density, organic carbon and water limits, 90 m.</li>
<li><b>stations_networks.gpkg</b>: two networks with calibrations of their own. <b>stations_field.gpkg</b>: 60 sensors \
in one field, with <b>field_radar.tif</b>, <b>field_dem.tif</b> and <b>field_truth.tif</b> of 10 m. \
<b>rain_gauges.gpkg</b>: daily rain, with <b>rain_truth.tif</b>.</li>
<li><b>README.txt</b>: the errors that were put in, and first steps.</li>
</ul>
<p>It takes some seconds and about 40 MB, and as much more for each of YEARS. The folder appears whole or not at \
all.</p>"""
    TAGS = ("example", "sample data", "tutorial", "simulation", "synthetic", "test data")
    NEEDS = ("matplotlib", "scipy")

    def declare(self):
        self.add(
            QgsProcessingParameterFolderDestination("OUTPUT", "Demo folder"),
            "A new or empty folder, or one with earlier demo data, which is replaced. A folder with anything "
            "else in it is refused.",
        )
        self.add(
            integer("SEED", "Seed", 0, minimum=0),
            "Start of the random numbers. The same seed gives the same weather, soil, stations and errors; "
            "another seed gives another scene on the same terrain.",
            advanced=True,
        )
        self.add(
            integer("YEARS", "Years after the season", 0, minimum=0, maximum=10),
            "Whole years from October 2019 on, with winters, that follow the season in the same files; 0 for the "
            "season, whose values are the same in any case. Field and cloudy layers have the season alone.",
            advanced=True,
        )
        self.add(
            switch("ADD_TO_PROJECT", "Add the layers to the project", True),
            "In QGIS's window: the layers are loaded into a group, in colours of their variables; stations, "
            "elevation and true soil moisture are visible. The styles lie beside the files in any case.",
        )

    def resolve(self, parameters, context):
        seed, years = (self.parameterAsInt(parameters, key, context) for key in ("SEED", "YEARS"))
        return self.parameterAsString(parameters, "OUTPUT", context), seed, years

    def compute(self, inputs, parameters, context, progress: Progress):
        from sm_toolbox.demo.write import write_demo_scene

        folder, seed, years = inputs

        def write_stations(table, path):
            _write_points(table, path, context.transformContext(), progress)

        scene = write_demo_scene(folder, seed, progress, write_stations, years)
        self._to_style = [scene.folder / name for name in scene.written if name.endswith((".tif", ".gpkg"))]
        layers = [scene.folder / f"{name}.{'gpkg' if name.startswith(POINTS) else 'tif'}" for name in LAYERS]
        # Scripts and qgis_process have no window, and load nothing.
        if context.project() is not None and self.parameterAsBool(parameters, "ADD_TO_PROJECT", context):
            Grouped.load(layers, SHOWN, GROUP, context)
        progress.info(
            f"The demo data are in '{scene.folder}'. Its README.txt names the files and suggests first steps."
        )
        return {"OUTPUT": str(scene.folder)}

    def postProcessAlgorithm(self, context, feedback):
        # In the main thread: in another, Python at times takes a layer's provider for that of the layer before, which
        # is deleted.
        for path in getattr(self, "_to_style", ()):
            with contextlib.suppress(RuntimeError):
                write_style_beside(path)
        return {}


def _write_points(table, path, transform_context, progress: Progress) -> None:
    """Write a station table, whose last columns are lon and lat, as a GeoPackage of points."""
    fields = QgsFields()
    kinds = {"M": DATE, "f": NUMBER}
    for name in table.dtype.names[:-2]:
        fields.append(QgsField(name, kinds.get(table.dtype[name].kind, TEXT)))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = path.stem
    writer = QgsVectorFileWriter.create(
        str(path), fields, QgsWkbTypes.Type.Point, QgsCoordinateReferenceSystem("EPSG:4326"), transform_context, options
    )
    try:
        for number, (station, time, *values, lon, lat) in enumerate(table.tolist()):
            if number % 500 == 0:
                progress.check()
            feature = QgsFeature(fields)
            feature.setAttributes([station, QDate(time.year, time.month, time.day), *values])
            feature.setGeometry(point_geometry(lon, lat))
            if not writer.addFeature(feature, QgsFeatureSink.Flag.FastInsert):
                break
        else:
            writer.flushBuffer()
        if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
            raise OutputError(
                f"The layer '{path.name}' could not be written: {writer.errorMessage()}. Check the free space of "
                "the disk."
            )
    finally:
        # The file is closed only when the writer is gone; until then it cannot be moved on Windows.
        del writer
