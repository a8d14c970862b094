"""Import product."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
)

from sm_toolbox.errors import InputError
from sm_toolbox.products.importing import AUTO, IMPORT_LEVELS, IMPORT_OVERPASSES
from sm_toolbox.sensors.catalogue import CATALOGUE

from ..base import ToolboxAlgorithm
from ..crs import core_crs
from ..layers import write_report
from ..parameters import add_update, choice, moment, number, number_outputs, raster_output, report_output, text


class Algorithm(ToolboxAlgorithm):
    NAME = "importproduct"
    TITLE = "Import product"
    GROUP = "data"
    SUMMARY = (
        "Reads products as downloaded from NASA, ESA and Copernicus: named and dated bands in physical units, tiles of "
        "a date in one mosaic, without the cells that quality layers rule out."
    )
    DETAILS = (
        "<p>Takes files, folders and archives (zip, tar) as they are; what is in which file is found out by its "
        "names and layers. Quality layers in the files, or beside them, are applied; the report counts what was left "
        "out for which reason, and names files that were skipped. A damaged file is skipped. A date of which nothing "
        "is left is not written.</p><p>Products, with their variables (those in brackets only where VARIABLES asks for "
        "them; layers by their names in the files are taken, too):</p><ul>"
        + "".join(
            f"<li><b>{row.key}</b> {row.label}: "
            + ", ".join(dict.fromkeys(each.name if each.is_main else f"[{each.name}]" for each in row.variables))
            + f". {row.source}. Tried on: {row.tried}.</li>"
            for row in CATALOGUE.values()
        )
        + "</ul><p>SMAP and ASCAT: where the cells that were seen lie within 3 hours, as on a regional extent, a band "
        "has the median time (UTC) of these; of wider ones it has the day, and morning and evening are two variables "
        "(_am, _pm). HDF4 files (MODIS) need a GDAL with HDF4, which QGIS has on Windows and Linux; on macOS take "
        "GeoTIFF from AppEEARS.</p>"
    )
    TAGS = (
        *("SMAP", "SMOS", "ASCAT", "CCI", "C3S", "CGLS", "GLDAS", "ERA5", "MODIS", "VIIRS", "Landsat", "Sentinel-2"),
        *("HLS", "SoilGrids", "CHIRPS", "IMERG", "HDF", "NetCDF", "GRIB", "SAFE", "download", "mosaic"),
    )
    EXAMPLE = {"INPUT": ["smap_l3.zip"], "OVERPASS": "am"}

    def declare(self):
        self.add(
            QgsProcessingParameterMultipleLayers("INPUT", "Files", QgsProcessing.SourceType.TypeFile, optional=True),
            "Files as downloaded, with their names; zips and tars, too.",
        )
        self.add(
            QgsProcessingParameterFile("FOLDER", "Folder", QgsProcessingParameterFile.Behavior.Folder, optional=True),
            "Instead of files, or besides them: a folder with all that is in it.",
        )
        self.add(
            choice("PRODUCT_TYPE", "Product", [AUTO, *CATALOGUE], AUTO),
            "auto: each file is recognised by its name and its layers.",
        )
        self.add(
            text("VARIABLES", "Variables"),
            "Comma list of names from the list above, or of layers in the files. Empty: the main ones.",
        )
        self.add(
            choice("LEVEL", "Quality", IMPORT_LEVELS, IMPORT_LEVELS[0]),
            "recommended: what the provider recommends. strict: without what is doubtful. all: whatever has a value.",
        )
        self.add(
            choice("OVERPASS", "Overpass", IMPORT_OVERPASSES, IMPORT_OVERPASSES[0]),
            "Of products that are seen in the morning and in the evening: both, one of them, or the mean of a day.",
        )
        self.add(
            number("LAYER_THICKNESS", "Thickness of the layer [m]", minimum=0, optional=True),
            "For soil moisture in kg m⁻² whose product does not say of how thick a layer it is; m³ m⁻³ = kg m⁻² / "
            "(1000 · thickness).",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterExtent("EXTENT", "Extent", optional=True),
            "Only cells that touch it. Not set: all of the files.",
        )
        self.add(
            QgsProcessingParameterDateTime("START", "Start", optional=True),
            "First moment (UTC). Not set: from the beginning.",
        )
        self.add(
            QgsProcessingParameterDateTime("END", "End", optional=True),
            "Last moment (UTC); 00:00 stands for the whole of that day. Not set: to the end.",
        )
        add_update(
            self,
            "Files of which all dates are there are not read but for their dates, and need not be there. A file that "
            "cannot be read whole, such as one that is still on its way, is waited for; the log names files that come "
            "too late for a date that is there.",
        )
        self.add(raster_output("OUTPUT", "Imported bands"), "Bands variable@time in physical units.")
        self.add(
            report_output(self.TITLE), "HTML page: bands, what was left out for which reason, files taken and skipped."
        )
        number_outputs(self, DATES="Dates imported", MASKED_PERCENT="Masked cells (percent of those with values)")

    def resolve(self, parameters, context):
        paths = [str(path) for path in self.parameterAsFileList(parameters, "INPUT", context) if path]
        folder = self.parameterAsString(parameters, "FOLDER", context)
        if folder:
            if not Path(folder).is_dir():
                raise InputError(f"FOLDER: '{folder}' is no folder. Choose one that exists, or give files as INPUT.")
            paths.append(folder)
        if not paths:
            raise InputError("Neither INPUT nor FOLDER is set. Choose files, or a folder with them.")
        extent = None
        if parameters.get("EXTENT"):
            box = self.parameterAsExtent(parameters, "EXTENT", context)
            crs = self.parameterAsExtentCrs(parameters, "EXTENT", context)
            if box.isEmpty() or not crs.isValid():
                raise InputError(
                    f"EXTENT: '{parameters['EXTENT']}' is no extent. Write west, east, south, north and the CRS: "
                    "8,9,45,46 [EPSG:4326]."
                )
            edges = box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()
            extent = edges, core_crs(crs, "EXTENT")
        start, end = (moment(self, parameters, key, context) for key in ("START", "END"))
        return paths, extent, start, end

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.products.importing import Request, import_product
        from sm_toolbox.products.report import product_report
        from sm_toolbox.raster.times import Time

        paths, extent, start, end = inputs
        if end is not None and end.time() == end.min.time():
            end += timedelta(days=1, seconds=-1)
        names = self.parameterAsString(parameters, "VARIABLES", context)
        thickness = parameters.get("LAYER_THICKNESS")
        request = Request(
            product_type=self.parameterAsString(parameters, "PRODUCT_TYPE", context),
            variables=[name.strip() for name in names.split(",") if name.strip()],
            level=self.parameterAsString(parameters, "LEVEL", context),
            overpass=self.parameterAsString(parameters, "OVERPASS", context),
            layer_thickness=0 if thickness is None else self.parameterAsDouble(parameters, "LAYER_THICKNESS", context),
            extent=extent,
            start=None if start is None else Time(start, "second"),
            end=None if end is None else Time(end, "second"),
            update=self.parameterAsBool(parameters, "UPDATE", context),
        )
        output = self.outputs.path("OUTPUT")
        result = import_product(paths, output, request, progress, self.outputs.final("OUTPUT"))
        return {
            "OUTPUT": output,
            "REPORT": write_report(self, lambda: product_report(result, request, progress)),
            "DATES": result.dates,
            **({"MASKED_PERCENT": result.masked_percent} if result.bands else {}),
        }
