"""Every algorithm that has an example runs on the demo scene as the README says."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from algorithms.provider import ALGORITHMS

from .test_meaning import WORDS, Listening


@pytest.fixture(scope="module")
def scene(plugin, tmp_path_factory):
    import processing

    folder = tmp_path_factory.mktemp("examples") / "scene"
    processing.run("smtoolbox:demodata", {"OUTPUT": str(folder)})
    # Products as downloaded, where the scene has none.
    products = folder / "products"
    if not products.is_dir():
        products.mkdir()
        for day in (1, 2):
            with rasterio.open(
                products / f"chirps-v2.0.2019.05.{day:02d}.tif",
                "w",
                driver="GTiff",
                width=4,
                height=3,
                count=1,
                dtype="float32",
                crs="EPSG:4326",
                transform=from_origin(10, 46, 0.05, 0.05),
                nodata=-9999,
            ) as dataset:
                dataset.write(np.full((1, 3, 4), day, np.float32))
    return folder


@pytest.mark.parametrize("name", [module.partition(".")[2] for module in ALGORITHMS])
def test_the_example_runs(run, provider, scene, tmp_path, name):
    algorithm = provider.algorithm(name)
    if not algorithm.EXAMPLE:
        pytest.skip("it works on what others make, or on nothing")

    def on_scene(value):
        if isinstance(value, list):
            return [on_scene(item) for item in value]
        return str(scene / value) if isinstance(value, str) and value and (scene / value).exists() else value

    parameters = {key: on_scene(value) for key, value in algorithm.EXAMPLE.items()}
    outputs = {}
    for definition in algorithm.destinationParameterDefinitions():
        suffix = {"rasterDestination": "tif", "sink": "gpkg", "fileDestination": "html"}[definition.type()]
        outputs[definition.name()] = str(tmp_path / f"{definition.name()}.{suffix}")
    feedback = Listening()
    done = run(name, feedback, **parameters, **outputs)
    assert not [text for text in feedback.warned if any(words in text for words in WORDS)], "a false alarm"
    ends = [d.description() for d in algorithm.outputDefinitions() if d.type() in ("outputRaster", "outputNumber")]
    # Processing adds lines of its own.
    last = feedback.textLog().strip().splitlines()[-3:]
    assert any(line.startswith(tuple(ends)) for line in last), "the log ends with the result"
    for key in outputs:
        assert Path(done[key].split("|")[0]).stat().st_size > 0, key
        if outputs[key].endswith(".tif"):
            with rasterio.open(done[key]) as dataset:
                assert dataset.count > 0 and all(dataset.descriptions)
