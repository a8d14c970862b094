"""Every kernel can be sent to another computer: plain, and with the same values after the way there."""

import io
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
import rasterio

from algorithms.provider import ALGORITHMS

cloudpickle = pytest.importorskip("cloudpickle", reason="dask.distributed is a development dependency")
# Their classes differ between versions, so that they must not travel.
FOREIGN = ("affine", "rasterio", "osgeo", "pyproj", "qgis")


def sent(thing):
    """Return a thing as it comes out at the other end, after a look at what it is made of."""
    payload = cloudpickle.dumps(thing)
    strings = [argument for operation, argument, _ in pickletools.genops(io.BytesIO(payload)) if "UNICODE" in operation.name]
    assert not [text for text in strings if text.partition(".")[0] in FOREIGN]
    return pickle.loads(payload)


@pytest.fixture(scope="module")
def scene(plugin, tmp_path_factory):
    import processing

    folder = tmp_path_factory.mktemp("kernels") / "scene"
    processing.run("smtoolbox:demodata", {"OUTPUT": str(folder)})
    return folder


@pytest.mark.parametrize("name", [module.partition(".")[2] for module in ALGORITHMS])
def test_a_kernel_that_was_sent_makes_the_same(run, provider, scene, tmp_path, monkeypatch, name):
    from sm_toolbox.raster import engine, streaming

    algorithm = provider.algorithm(name)
    if not any(d.name() == "SCHEDULER" for d in algorithm.parameterDefinitions()):
        pytest.skip("it writes no raster")
    if not algorithm.EXAMPLE:
        pytest.skip("it works on what others make; tests/core/models sends its kernel")

    def on_scene(value):
        if isinstance(value, list):
            return [on_scene(item) for item in value]
        return str(scene / value) if isinstance(value, str) and (scene / value).is_file() else value

    parameters = {key: on_scene(value) for key, value in algorithm.EXAMPLE.items()}
    rasters = [d.name() for d in algorithm.destinationParameterDefinitions() if d.type() == "rasterDestination"]
    kernels = []

    def sent_work(kernel, *others):
        kernels.append(kernel)
        return sent(work(kernel, *others))

    def in_order(reader, task, *others, **named):
        kernels.append(task)
        return streamed(sent(reader), sent(task), *others, **named)

    work, streamed = engine._Work, streaming.in_order
    for folder in ("here", "sent"):
        (tmp_path / folder).mkdir()
        run(name, **parameters, **{key: str(tmp_path / folder / f"{key}.tif") for key in rasters})
        monkeypatch.setattr(engine, "_Work", sent_work)
        monkeypatch.setattr(streaming, "in_order", in_order)
    assert kernels
    for key in rasters:
        with rasterio.open(Path(tmp_path / "here" / f"{key}.tif")) as here, rasterio.open(Path(tmp_path / "sent" / f"{key}.tif")) as there:
            assert here.descriptions == there.descriptions
            np.testing.assert_array_equal(here.read(), there.read())
