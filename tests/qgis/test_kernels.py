"""Every kernel can be sent to another computer: plain, and with the same values after the way there."""

import io
import pickle
import pickletools

import pytest
import rasterio
from qgis.core import QgsProcessingFeedback

from algorithms.provider import ALGORITHMS

cloudpickle = pytest.importorskip("cloudpickle", reason="dask.distributed is a development dependency")
# Their classes differ between versions, so that they must not travel.
FOREIGN = ("affine", "rasterio", "osgeo", "pyproj", "qgis")


def sent(thing):
    """Return a thing as it comes out at the other end, after a look at what it is made of."""
    payload = cloudpickle.dumps(thing)
    strings = [
        argument for operation, argument, _ in pickletools.genops(io.BytesIO(payload)) if "UNICODE" in operation.name
    ]
    assert not [text for text in strings if text.partition(".")[0] in FOREIGN]
    return pickle.loads(payload)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is a development dependency")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("name", [module.partition(".")[2] for module in ALGORITHMS])
def test_a_kernel_that_was_sent_makes_the_same(run, provider, scene, cluster, tmp_path, monkeypatch, name):
    from sm_toolbox.raster import engine, streaming

    algorithm = provider.algorithm(name)
    kinds = {d.name(): d.type() for d in algorithm.parameterDefinitions()}
    if "SCHEDULER" not in kinds or "rasterDestination" not in kinds.values():
        pytest.skip("it writes no raster")
    if not algorithm.EXAMPLE:
        pytest.skip("it works on what others make; tests/core/models sends its kernel")

    def on_scene(value):
        if isinstance(value, list):
            return [on_scene(item) for item in value]
        return str(scene / value) if isinstance(value, str) and (scene / value).is_file() else value

    parameters = {key: on_scene(value) for key, value in algorithm.EXAMPLE.items()}
    if "MODEL_FILE" in kinds:
        parameters["MODEL_FILE"] = str(tmp_path / "model.smmodel")
    rasters = [d.name() for d in algorithm.destinationParameterDefinitions() if d.type() == "rasterDestination"]
    kernels = []

    def sent_work(kernel, *others):
        kernels.append(kernel)
        return sent(work(kernel, *others))

    def in_order(reader, task, *others, **named):
        kernels.append(task)
        return streamed(sent(reader), sent(task), *others, **named)

    work, streamed = engine._Work, streaming.stream_in_order
    for folder in ("here", "sent"):
        (tmp_path / folder).mkdir()
        run(name, **parameters, **{key: str(tmp_path / folder / f"{key}.tif") for key in rasters})
        monkeypatch.setattr(engine, "_Work", sent_work)
        monkeypatch.setattr(streaming, "stream_in_order", in_order)
    assert kernels
    monkeypatch.undo()
    (tmp_path / "there").mkdir()
    feedback = QgsProcessingFeedback()
    run(
        name,
        feedback,
        **parameters,
        **{key: str(tmp_path / "there" / f"{key}.tif") for key in rasters},
        SCHEDULER=cluster,
    )
    assert "2 threads of the cluster" in feedback.textLog()
    for key in rasters:
        with rasterio.open(tmp_path / "here" / f"{key}.tif") as here:
            for folder in ("sent", "there"):
                with rasterio.open(tmp_path / folder / f"{key}.tif") as other:
                    assert here.descriptions == other.descriptions
                    assert here.read().tobytes() == other.read().tobytes(), folder
