"""Coordinate reference systems that QGIS keeps for all threads, though they lose their definition with one."""

import threading

import numpy as np
import pytest
from qgis.core import QgsCoordinateReferenceSystem, QgsProcessingContext, QgsProcessingFeedback


class Lost(QgsCoordinateReferenceSystem):
    """As QGIS hands one out half a minute after the work of the thread that met it first."""

    def __init__(self, name, proj=""):
        super().__init__("EPSG:32616")
        self._name, self._proj = name, proj

    def toWkt(self, *_):
        return ""

    def authid(self):
        return self._name

    def toProj(self):
        return self._proj


@pytest.mark.parametrize("lost", [Lost("EPSG:32633"), Lost("", "+proj=utm +zone=33 +datum=WGS84")])
def test_a_definition_that_is_lost_is_looked_up_again(plugin, lost):
    from soil_moisture_toolbox.algorithms.crs import core_crs, whole_crs

    assert "15" in whole_crs(lost).toWkt() and core_crs(lost, "layer") is not None
    assert "33N" in whole_crs(lost).description() or "zone=33" in whole_crs(lost).toProj()


@pytest.mark.parametrize("lost", [QgsCoordinateReferenceSystem(), QgsCoordinateReferenceSystem("EPSG:3035")])
def test_others_stay_as_they_are(plugin, lost):
    from soil_moisture_toolbox.algorithms.crs import whole_crs

    assert whole_crs(lost) is lost


@pytest.mark.parametrize("background", [False, True])
def test_a_run_in_the_background_leaves_no_crs_to_other_threads(
    plugin, write_raster, tmp_path, monkeypatch, background
):
    from soil_moisture_toolbox.algorithms import crs

    forgotten, done = [], []
    monkeypatch.setattr(crs, "forget_crs", lambda: forgotten.append(True))
    source = write_raster("in.tif", np.ones((1, 4, 5), np.float32), ["ndvi@2018-06-01"])
    algorithm = plugin.provider.algorithm("temporalcomposite").create()

    def work():
        parameters = {"INPUT": [source.path], "OUTPUT": str(tmp_path / "out.tif")}
        done.append(algorithm.run(parameters, QgsProcessingContext(), QgsProcessingFeedback())[1])

    thread = threading.Thread(target=work) if background else None
    if background:
        thread.start()
        thread.join()
    else:
        work()
    assert done == [True] and bool(forgotten) == background
