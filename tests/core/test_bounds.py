"""Values past what makes sense are refused with the bound, before they take all memory; what is infinite is never
written.
"""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sm_toolbox.errors import InputError
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.models.assessment.tuning import make_candidates
from sm_toolbox.models.learners.hyperparameters import NoConvergence
from sm_toolbox.models.learners.mlp import NeuralNetwork
from sm_toolbox.predictors.sar import sar_predictors
from sm_toolbox.progress import SILENT
from sm_toolbox.raster.align import align_rasters
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.engine import run_blocks
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.origins import read_predictors
from sm_toolbox.raster.outputs import RasterOutput
from sm_toolbox.stations.interpolation.maps import interpolate_stations
from sm_toolbox.stations.interpolation.result import InterpolationSettings
from sm_toolbox.stations.pixels import sample_pixels


@pytest.fixture
def million(write_raster, tmp_path):
    """A product of 10⁶ × 10⁶ cells over 6 × 6 cells of 30 m, in a file of a kilobyte."""
    six = write_raster("six.tif", np.random.default_rng(0).random((6, 6)), ["a"])
    with rasterio.open(six.path) as dataset:
        crs = dataset.crs.to_wkt().replace('"', "&quot;")
    path = tmp_path / "million.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="1000000" rasterYSize="1000000"><SRS>{crs}</SRS><GeoTransform>500000, 0.00018, '
        '0, 4000000, 0, -0.00018</GeoTransform><VRTRasterBand dataType="Float32" '
        f'band="1"><Description>sm</Description><SimpleSource><SourceFilename>{six.path}</SourceFilename><SourceBand>1</SourceBand>'
        '<SrcRect xOff="0" yOff="0" xSize="6" ySize="6"/><DstRect xOff="0" yOff="0" xSize="1000000" '
        'ySize="1000000"/></SimpleSource></VRTRasterBand></VRTDataset>'
    )
    return Source(str(path)), six


@pytest.mark.parametrize("method", ["average", "nearest"])
def test_a_million_cells_for_one(million, tmp_path, method):
    with pytest.raises(
        InputError,
        match=r"'million.vrt' has cells of 0.00018 × 0.00018 m \(1,000,000 × 1,000,000\), "
        r"but the grid of the output 30 × 30 m.*at most",
    ):
        align_rasters([million[0]], million[1], str(tmp_path / "out.tif"), method)


def test_pixels_that_are_finer_than_the_predictors(million):
    with pytest.raises(
        InputError,
        match="`product` has 1,000,000 × 1,000,000 pixels over the predictors.*coarser cells than the predictors",
    ):
        sample_pixels([million[0]], read_predictors([million[1]]))


def test_a_grid_whose_cells_are_wider_than_the_earth(write_raster, tmp_path):
    wide = write_raster("wide.tif", np.ones((6, 6)), ["a"], transform=from_origin(-3e9, 3e9, 1e9, 1e9))
    with pytest.raises(
        InputError, match=r"'a.tif' has cells of 30 × 30 m .* but the grid of the output 1e\+09 × 1e\+09 m"
    ):
        align_rasters([write_raster("a.tif", np.ones((6, 6)), ["a"])], wide, str(tmp_path / "out.tif"), "average")


def test_a_window_beyond_the_raster(write_raster, tmp_path):
    vv = write_raster("vv.tif", np.full((20, 30), -12.0), ["vv"])
    with pytest.raises(InputError, match=r"`filter_size` is 99,999, but may be up to 61 for a raster of 30 × 20 cells"):
        sar_predictors([vv], [], [], str(tmp_path / "out.tif"), filter_size=99_999)


@pytest.mark.parametrize("key", ["sill", "range", "mean"])
def test_numbers_whose_squares_are_none(write_raster, tmp_path, key):
    settings = InterpolationSettings(method="simple_kriging", **{key: 1e308})
    with pytest.raises(InputError, match=rf"`{key}` is 1e\+308, but may be up to 1e\+15"):
        interpolate_stations(
            None, np.zeros(3), "v", write_raster("g.tif", np.ones((6, 6))), str(tmp_path / "out.tif"), settings=settings
        )


def test_thirty_million_candidates():
    with pytest.raises(InputError, match="`count` is 30,000,000, but may be up to 10,000"):
        make_candidates("random_forest", None, "random", 30_000_000, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replicates": 10**7}, "`replicates` is 10,000,000, but may be up to 100,000"),
        ({"anomaly_window": 1e308}, "up to 36,525"),
    ],
)
def test_settings_of_a_collocation(changes, words):
    with pytest.raises(InputError, match=words):
        CollocationSettings(**changes).check()


@pytest.mark.parametrize("rate", [3.0, 1e6])
def test_a_network_that_runs_away_is_no_model(rate):
    rng = np.random.default_rng(0)
    features = rng.random((200, 4)).astype(np.float32)
    target = features @ np.array([1, 2, 3, 4.0])
    with pytest.raises(NoConvergence, match="did not converge.*learning_rate_init"):
        NeuralNetwork(learning_rate_init=rate, hidden_layer_sizes=[60, 60, 60], max_iter=30).fit(
            features, target, None, 0, SILENT
        )
    NeuralNetwork(max_iter=30).fit(features, target, None, 0, SILENT)


@pytest.mark.parametrize("suffix", ["tif", "nc"])
def test_infinities_are_not_written(write_raster, tmp_path, suffix):
    given = write_raster("a.tif", np.array([[0.0, 1.0], [2.0, -1.0]]), ["a"])
    (band,) = read_bands([given])

    def kernel(blocks, window):
        with np.errstate(divide="ignore"):
            return np.where(blocks["a"] == 2, -np.inf, 1 / blocks["a"]).astype(np.float32)

    run_blocks(kernel, {"a": [band]}, [RasterOutput(str(tmp_path / f"out.{suffix}"), ["b"])], band.grid)
    with rasterio.open(tmp_path / f"out.{suffix}") as dataset:
        values = dataset.read(1)
    assert np.isnan(values[0, 0]) and np.isnan(values[1, 0]) and values[0, 1] == 1 and values[1, 1] == -1


def test_values_that_no_station_measures(write_raster, tmp_path):
    with pytest.raises(InputError, match=r"`values` holds 1e\+300, but may hold up to 1e\+15"):
        interpolate_stations(
            None, np.array([1, 1e300, np.nan]), "v", write_raster("g.tif", np.ones((6, 6))), str(tmp_path / "out.tif")
        )


def test_a_reference_system_without_a_unit_is_none_of_the_earth(write_raster):
    with pytest.raises(
        InputError, match="raster 'site.tif' has .* a local one that does not say where .*'Assign projection'"
    ):
        _ = read_bands([write_raster("site.tif", np.ones((4, 4)), ["a"], crs="EPSG:4978")])[0].grid


def test_no_raster_at_all():
    with pytest.raises(InputError, match="No raster is given"):
        read_bands([])
