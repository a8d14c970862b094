"""Windows of algorithms, as the toolbox opens them."""

import pytest
from qgis.core import QgsProject
from qgis.gui import QgsBrowserGuiModel
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QTextEdit


@pytest.fixture
def windows(plugin, qgis_iface, monkeypatch):
    """A list of windows, which are closed in the end; the project is empty afterwards."""
    from processing.gui import ParametersPanel

    model = QgsBrowserGuiModel()
    monkeypatch.setattr(ParametersPanel.iface, "browserModel", lambda: model)
    opened = []
    yield opened
    for window in opened:
        window.close()
    QgsProject.instance().removeAllMapLayers()


@pytest.fixture
def dialog(windows, provider):
    """A function that opens the window of an algorithm, with values in its widgets."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    def dialog(name, **values):
        window = AlgorithmDialog(provider.algorithm(name).create(), False, None)
        windows.append(window)
        window.setParameters(values)
        return window

    return dialog


@pytest.fixture
def batch(windows, provider):
    """A function that opens the batch window of an algorithm."""
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog

    def batch(name):
        window = BatchAlgorithmDialog(provider.algorithm(name).create(), None)
        windows.append(window)
        return window

    return batch


@pytest.fixture
def run_in(monkeypatch, no_main_window):
    """A function that presses Run in a window, waits for the work in its thread, and returns the log as HTML."""
    from processing.core.ProcessingConfig import ProcessingConfig

    monkeypatch.setattr(ProcessingConfig.settings[ProcessingConfig.KEEP_DIALOG_OPEN], "value", True)

    def run_in(window):
        ended = []
        # One that is not seen when the work ends is taken for closed.
        window.show()
        window.algorithmFinished.connect(lambda *outcome: ended.append(outcome))
        window.runAlgorithm()
        log = window.findChild(QTextEdit, "txtLog")
        for _ in range(1200):
            # A batch has no such signal; it ends before `runAlgorithm` does.
            if ended or "Batch execution completed" in log.toPlainText():
                break
            QTest.qWait(50)
        QTest.qWait(50)
        assert not ended or ended[0][0], log.toPlainText()
        return log.toHtml()

    return run_in
