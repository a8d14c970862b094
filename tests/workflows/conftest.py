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
                if definition.type() == "sink":
                    given[definition.name()] = "memory:"
                else:
                    ending = definition.defaultFileExtension()
                    given[definition.name()] = str(tmp_path / f"{definition.name().replace(':', ' ')}.{ending}")
        results = run(name, **inputs, **given)
        return {key.partition(":")[2] or key: value for key, value in results.items()}

    return workflow
