"""The core names its arguments; the log, the errors and the reports in QGIS name parameters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from algorithms.base import with_keys, with_labels

CORE = Path(__file__).parents[2] / "sm_toolbox"
NAMED = sorted(
    {
        argument
        for path in CORE.rglob("*.py")
        for line in re.sub(r'"""(.|\n)*?"""|#.*', "", path.read_text(encoding="utf-8")).splitlines()
        for argument in re.findall(r"`([a-z]\w*(?:\[\d\])?)`", line)
    }
)


def own(provider):
    """Return the provider's algorithms without its models."""
    return [algorithm for algorithm in provider.algorithms() if hasattr(algorithm, "ARGUMENTS")]


def test_each_argument_is_a_parameter(provider):
    """Of some algorithm, in the words of each, whether or not it is the one that the message is about."""
    algorithms = own(provider)
    known = {definition.name() for algorithm in algorithms for definition in algorithm.parameterDefinitions()}
    assert len(NAMED) > 80
    for algorithm in algorithms:
        strangers = {argument for argument in NAMED if with_keys(f"`{argument}`", algorithm.ARGUMENTS) not in known}
        assert not strangers, algorithm.name()


def test_exceptions_are_parameters_of_their_algorithm(provider):
    for algorithm in own(provider):
        keys = {definition.name() for definition in algorithm.parameterDefinitions()}
        assert set(algorithm.ARGUMENTS.values()) <= keys, algorithm.name()


@pytest.mark.parametrize(
    ("name", "message", "shown"),
    [
        ("tcmerge", "`sources[1]` and `sources[2]` hold the same.", "PRODUCT_B and PRODUCT_C hold the same."),
        ("temporalstatistics", "`names`: mode.", "STATISTICS: mode."),
        ("spectralindices", "Leave it out of `names`; no band of `sources` is red.",
         "Leave it out of INDICES; no band of INPUT is red."),
        ("validatestations", "`sources` must hold one variable.", "PRODUCT must hold one variable."),
        ("aggregatestations", "without the `names` and `times` fields", "without the STATION and TIME fields"),
        ("predictraster", "`fallback` predicts; a larger `max_gap_days` (`gaps`)",
         "FALLBACK_MODEL predicts; a larger MAX_TIME_GAP (TIME_GAPS)"),
        ("trainmodel", "more than `count`: choose `method` random", "more than CANDIDATES: choose TUNING random"),
        ("selectpredictors", "`method` 'groups' needs `groups`", "METHOD 'groups' needs GROUPS"),
    ],
)  # fmt: skip
def test_an_algorithm_names_its_own_parameters(provider, name, message, shown):
    algorithm = provider.algorithm(name)
    assert algorithm.in_keys(message) == shown


def test_the_first_mention_has_the_label():
    labels = {"VV": "VV", "MAX_TIME_GAP": "Largest gap", "OUTPUT": "Map"}
    message = "Give a larger `max_gap_days`, not `max_gap_days` 0; `vv` and `power` and `a.b` stay."
    assert with_labels(message, labels) == (
        "Give a larger 'Largest gap' (MAX_TIME_GAP), not MAX_TIME_GAP 0; 'VV' (VV) and POWER and `a.b` stay."
    )
    assert with_labels("OUTPUT is `of_it`.", labels, {"of_it": "OUTPUT"}) == "'Map' (OUTPUT) is OUTPUT."
