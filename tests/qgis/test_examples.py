"""Every algorithm that has an example runs on the demo scene as the README says."""

from pathlib import Path

import pytest
import rasterio

from algorithms.provider import ALGORITHMS

from .test_meaning import WORDS, Listening


@pytest.mark.parametrize("name", [module.partition(".")[2] for module in ALGORITHMS])
def test_the_example_runs(run, provider, scene, tmp_path, name):
    algorithm = provider.algorithm(name)
    if not algorithm.EXAMPLE:
        pytest.skip("it works on what others make, or on nothing")

    def on_scene(value):
        if isinstance(value, list):
            return [on_scene(item) for item in value]
        return str(scene / value) if isinstance(value, str) and (scene / value).is_file() else value

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
