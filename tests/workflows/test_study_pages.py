"""The pages of the studies: their commands are those of the workflows and the scene, and their steps are all told."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    "quantilemap": "study_quantile_map",
    "cloudgapmap": "study_cloud_gap_map",
    "monthlymap": "study_monthly_map",
    "mergedmap": "study_merged_map",
    "scenarios": "study_scenarios",
}


@pytest.fixture
def pictures(monkeypatch):
    """The tool that draws the pages' pictures."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import make_pictures_of_studies

    return make_pictures_of_studies


def steps(page):
    """Return number and the cells of each row of a page's table."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return [(row[0], row[1:]) for row in re.findall(r"^\| (S\d\.\d+) \| (.*) \| (.*) \| (.*) \|$", text, re.M)]


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_fit_the_algorithms_and_the_scene(name, pictures, provider, scene):
    made = {path.name for path in scene.iterdir()}
    seen = []
    for algorithm, given in pictures.commands(ROOT / "docs" / f"{PAGES[name]}.md"):
        if algorithm == "cd":
            continue
        definitions = {d.name(): d for d in provider.algorithm(algorithm.partition(":")[2]).parameterDefinitions()}
        assert set(given) <= set(definitions), "no such parameter"
        seen.append(algorithm)
        outputs = {key for key in given if definitions[key].isDestination()}
        for key, definition in definitions.items():
            needed = not definition.flags() & definition.Flag.FlagOptional
            # qgis_process takes the default of numbers and choices, not of fields.
            if needed and (definition.isDestination() or not definition.checkValueIsAcceptable(None)):
                assert key in given, f"{algorithm} needs {key}"
        for key in set(given) - outputs:
            for value in given[key] if isinstance(given[key], list) else [given[key]]:
                if re.fullmatch(r"[\w-]+\.(tif|nc|gpkg)", value):
                    assert value in made, f"{value} is not there"
        made |= {given[key] for key in outputs if isinstance(given[key], str)}
    assert f"smtoolbox:{name}" in seen and name in pictures.STUDIES
    assert pictures.STUDIES[name].page == PAGES[name]


@pytest.mark.parametrize("name", PAGES)
def test_the_steps_of_a_page_are_counted_and_name_inputs_that_are_there(name, provider):
    found = steps(PAGES[name])
    study = found[0][0][:2]
    assert [number for number, _ in found] == [f"{study}.{i}" for i in range(1, len(found) + 1)]
    inputs = {definition.name() for definition in provider.algorithm(name).parameterDefinitions()}
    for number, (_, carried, _) in found:
        named = re.findall(r"`(\w+)`", carried.partition("; ")[2])
        assert set(named) <= inputs, number


def test_the_overview_has_every_step():
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (S\d\.\d+) \| ([^|]+) \| [^|]+ \| .* \|$", text, re.M)
    assert [number for number, _ in listed] == [number for page in PAGES.values() for number, _ in steps(page)]
    assert all(len(words.split()) <= 5 for _, words in listed)
    assert f"| all | {len(listed)} |" in text
