"""Compare maps inside QGIS: its outputs, the demo scene's borders, and what it refuses."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsVectorLayer

NUMBERS = ("R", "RMSE", "UBRMSE", "BIAS", "SPAEF", "EDGE_RATIO")


def test_the_demo_scene(run, scene, tmp_path):
    """Truth against a coarse product: all outputs, the same numbers in table and results."""
    out = {key: str(tmp_path / f"{key}{end}") for key, end in
           (("OUTPUT", ".tif"), ("CELLS", ".tif"), ("TABLE", ".gpkg"), ("REPORT", ".html"))}  # fmt: skip
    results = run(
        "comparemaps",
        PRODUCT=[str(scene / "truth.tif")],
        REFERENCE=[str(scene / "product_b.tif")],
        COMPARE_ON="finer",
        RESAMPLING="nearest",
        ZONES=str(scene / "landcover.tif"),
        BLOCK_GRID=str(scene / "product_b.tif"),
        MAX_TIME_GAP=0,
        **out,
    )
    # The truth knows nothing of the cells of the product.
    assert results["EDGE_RATIO"] == pytest.approx(1.0, abs=0.05)
    table = QgsVectorLayer(results["TABLE"], "table", "ogr")
    assert [field.name() for field in table.fields()][1:] == [
        "date", "zone", "n", "r", "r2", "rmse", "ubrmse", "bias", "slope", "spaef",
    ]  # fmt: skip
    rows = list(table.getFeatures())
    pooled = [row for row in rows if (not row["date"] and row["zone"] in (None, "")) or str(row["zone"]) == "NULL"]
    assert pooled[0]["r"] == pytest.approx(results["R"]) and pooled[0]["spaef"] == pytest.approx(results["SPAEF"])
    with rasterio.open(results["OUTPUT"]) as difference, rasterio.open(results["CELLS"]) as cells:
        assert all(name.startswith("difference@") for name in difference.descriptions)
        assert cells.descriptions == ("r", "bias", "ubrmse", "n")
        values = difference.read().astype(float)
        values[values == difference.nodata] = np.nan
    assert np.nanmean(values) == pytest.approx(results["BIAS"], abs=1e-6)
    assert np.sqrt(np.nanmean(values**2)) == pytest.approx(results["RMSE"], abs=1e-6)
    html = (tmp_path / "REPORT.html").read_text(encoding="utf-8")
    assert "Edge ratio" in html and "SPAEF" in html and html.count("<img") >= 5


def test_coarse_cells_show_where_they_are_taken_nearest(run, scene, tmp_path):
    """NDVI of 450 m on the grid of the DEM: nearest shows its cells, bilinear does not."""
    found = {}
    for method in ("nearest", "bilinear"):
        where = {"GRID": str(scene / "dem.tif"), "RESAMPLING": method, "OUTPUT": str(tmp_path / f"{method}.tif")}
        aligned = run("alignrasters", INPUT=[str(scene / "ndvi.tif")], **where)["OUTPUT"]
        found[method] = run(
            "comparemaps",
            PRODUCT=[aligned],
            REFERENCE=[str(scene / "ndvi.tif")],
            BLOCK_GRID=str(scene / "ndvi.tif"),
            OUTPUT=str(tmp_path / "difference.tif"),
        )
    # Within cells taken nearest nothing changes at all; and the mean of their parts is the cell.
    assert found["nearest"]["EDGE_RATIO"] == np.inf and found["nearest"]["RMSE"] < 1e-6
    assert found["bilinear"]["EDGE_RATIO"] == pytest.approx(1, abs=0.05)
    assert all(np.isfinite(found["bilinear"][key]) for key in NUMBERS)


def test_undated_against_dated_is_refused(refused, scene, tmp_path):
    refused(
        r"'Product' \(PRODUCT\) .* has no dates, but 'Reference' \(REFERENCE\) .* has",
        "comparemaps",
        PRODUCT=[str(scene / "dem.tif")],
        REFERENCE=[str(scene / "truth.tif")],
        OUTPUT=str(tmp_path / "difference.tif"),
    )
