import pytest

from sm_toolbox.raster import choice

# What reads and writes rasters is tested through both drivers.
BOTH = {"test_bands", "test_align", "test_grid", "test_points", "test_origins", "test_meaning"}


def use(monkeypatch, name):
    """Let a driver serve until the test ends."""
    monkeypatch.setenv(choice.DRIVER_VARIABLE, name)
    choice.driver.cache_clear()
    choice.driver_for_points.cache_clear()


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.rpartition(".")[2] in BOTH:
        metafunc.parametrize("served_by", ["rasterio", "gdal"], indirect=True)


@pytest.fixture(autouse=True)
def served_by(request, monkeypatch):
    name = getattr(request, "param", None)
    if name:
        if name == "gdal":
            pytest.importorskip("osgeo")
        use(monkeypatch, name)
    yield name
    choice.driver.cache_clear()
    choice.driver_for_points.cache_clear()
