"""qgis_process as batch users call it: every step a process of its own, files in and files out."""

import pytest


@pytest.fixture(scope="session")
def scene(headless, tmp_path_factory):
    """A demo scene made by qgis_process."""
    folder = tmp_path_factory.mktemp("headless") / "scene"
    headless.run("demodata", OUTPUT=folder)
    return folder
