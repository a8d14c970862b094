"""The plugin as QGIS loads it, and Processing around it."""

import pytest


@pytest.fixture
def refused(run, tmp_path):
    """A function that runs an algorithm which must fail with certain words, and checks that it leaves no new file."""
    from qgis.core import QgsProcessingException

    def refused(words, name, **parameters):
        # QGIS itself may note statistics of an input beside it; that is no output of ours.
        own = (".aux.xml", "-wal", "-shm")
        before = {
            path: path.stat().st_mtime_ns
            for path in tmp_path.rglob("*")
            if path.is_file() and not path.name.endswith(own)
        }
        with pytest.raises(QgsProcessingException, match=words):
            run(name, **parameters)
        after = {
            path: path.stat().st_mtime_ns
            for path in tmp_path.rglob("*")
            if path.is_file() and not path.name.endswith(own)
        }
        assert {path: time for path, time in after.items() if path.suffix != ".gpkg"} == {
            path: time for path, time in before.items() if path.suffix != ".gpkg"
        }
        assert set(after) == set(before)

    return refused
