"""Rasters as users name them, and layers as users see them: archives, rasters within files, CRS and no data."""

import zipfile

import numpy as np
import pytest
import rasterio
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsRasterRange
from rasterio.transform import from_origin

VALUES = np.where(np.arange(48).reshape(1, 6, 8) < 16, 0, 0.4).astype(np.float32)


@pytest.fixture
def aligned(run, write_raster, tmp_path):
    """Bring a raster, as it is named, onto a grid of EPSG:32630; returns the values and the names of the bands."""
    grid = write_raster("grid.tif", VALUES, ["grid"])

    def align(item, name="out.tif"):
        output = str(tmp_path / name)
        run("alignrasters", INPUT=[item] if not isinstance(item, list) else item, GRID=grid.path, OUTPUT=output)
        with rasterio.open(output) as dataset:
            return dataset.read(), dataset.descriptions

    return align


def test_names_as_gdal_takes_them(aligned, write_raster, tmp_path):
    source = write_raster("ndvi_2018-06-10.tif", VALUES)
    archive = tmp_path / "scene.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(source.path, "in folder/ndvi_2018-06-10.tif")
    bar = write_raster("a|b_2018-06-10.tif", VALUES)
    for item, name in (
        (source.path, "ndvi@2018-06-10"),
        (f"/vsizip/{archive}/in folder/ndvi_2018-06-10.tif", "ndvi@2018-06-10"),
        (bar.path, "a|b@2018-06-10"),
    ):
        values, names = aligned(item)
        assert names == (name,)
        np.testing.assert_array_equal(values, VALUES)


def test_rasters_within_hdf5_and_geopackage(aligned, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "SMAP_L3_SM_P_20180601_R18290_001.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("AM/soil_moisture", data=np.full((406, 964), 0.25, np.float32))
        data.attrs["_FillValue"] = np.float32(-9999)
        file.create_dataset("AM/surface_flag", data=np.zeros((406, 964), np.uint16))
    values, names = aligned(f'HDF5:"{path}"://AM/soil_moisture')
    assert names == ("soil_moisture@2018-06-01",) and (values == 0.25).all()
    assert aligned(str(path))[1] == ("soil_moisture@2018-06-01", "surface_flag@2018-06-01")
    package = tmp_path / "two.gpkg"
    for table in ("ndvi", "other"):
        with rasterio.open(
            package, "w", driver="GPKG", width=8, height=6, count=1, dtype="float32", crs="EPSG:32630",
            transform=from_origin(500000, 4000000, 30, 30), RASTER_TABLE=table, APPEND_SUBDATASET="YES",
        ) as dataset:  # fmt: skip
            dataset.write(np.full((1, 6, 8), 7, np.float32))
    values, names = aligned(f"GPKG:{package}:other")
    assert names == ("other",) and (values == 7).all()


def test_an_output_never_replaces_the_archive_or_file_an_input_lies_in(refused, write_raster, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "sm.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("AM/soil_moisture", data=np.zeros((406, 964), np.float32))
    grid = write_raster("grid.tif", VALUES, ["grid"])
    before = path.read_bytes()
    refused("sm.nc", "alignrasters", INPUT=[f'HDF5:"{path}"://AM/soil_moisture'], GRID=grid.path, OUTPUT=str(path))
    assert path.read_bytes() == before


def test_crs_and_no_data_that_the_user_set_count(aligned, write_raster):
    source = write_raster("sm.tif", VALUES, ["sm"], crs=None)
    layer = QgsRasterLayer(source.path, "sm")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32630"))
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(0, 0)])
    QgsProject.instance().addMapLayer(layer)
    try:
        values, _ = aligned(layer)
        assert np.isnan(values).sum() == 16 and np.nanmin(values) == np.float32(0.4)
    finally:
        QgsProject.instance().removeMapLayer(layer.id())


def test_temporary_results_are_told_apart_by_the_names_of_their_layers(aligned, write_raster):
    layers = [
        QgsRasterLayer(write_raster(f"{folder}/OUTPUT.tif", VALUES + number).path, name)
        for number, (folder, name) in enumerate((("1a2b", "filled"), ("3c4d", "smoothed")))
    ]
    QgsProject.instance().addMapLayers(layers)
    try:
        assert aligned(layers)[1] == ("filled", "smoothed")
    finally:
        QgsProject.instance().removeMapLayers([layer.id() for layer in layers])


def test_temporary_rasters_of_a_workflow_are_called_by_their_variables(plugin, write_raster):
    """Processing calls all of them OUTPUT."""
    from soil_moisture_toolbox.algorithms.layers import source_of

    folder = "0123456789abcdef" * 2
    dated = write_raster(
        f"{folder}/OUTPUT.tif", VALUES.repeat(2, 0), [f"soil_moisture@2018-06-0{day}" for day in (1, 2)]
    )
    terrain = write_raster(f"a{folder[1:]}/OUTPUT.tif", VALUES.repeat(3, 0), ["elevation", "slope", "twi"])
    own = write_raster("OUTPUT.tif", VALUES, ["ndvi"])
    named = [(dated, "OUTPUT"), (terrain, "OUTPUT"), (own, "OUTPUT"), (dated, "June")]
    labels = [source_of(QgsRasterLayer(source.path, name), "INPUT").label for source, name in named]
    assert labels == ["soil_moisture", "elevation to twi", "OUTPUT", "June"]
