"""Workflows as the toolbox runs them."""

import pytest


@pytest.fixture
def workflow(run, provider, tmp_path):
    """A function that runs a workflow; outputs that may be skipped are, unless they are named in `wanted`."""

    def workflow(name, wanted=(), **inputs):
        given = {}
        for definition in provider.algorithm(name).parameterDefinitions():
            optional = definition.flags() & definition.Flag.FlagOptional
            label = definition.name().partition(":")[2]
            if definition.isDestination() and (not optional or label in wanted):
                ending = {"rasterDestination": ".tif", "fileDestination": ".smmodel"}.get(definition.type())
                if "eport" in label or label.startswith(
                    ("Map beside", "Coverage", "Fine map", "Merged product beside")
                ):
                    ending = ".html"
                file = tmp_path / (definition.name().replace(":", " ") + (ending or ""))
                given[definition.name()] = "memory:" if ending is None else str(file)
        results = run(name, **inputs, **given)
        return {key.partition(":")[2] or key: value for key, value in results.items()}

    return workflow
