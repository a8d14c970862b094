"""Write the models that the provider offers: resources/models/*.model3. Run after a change: make models."""

import sys
from importlib import import_module
from pathlib import Path

from qgis.core import QgsApplication

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
MODULES = sorted(
    path.stem for path in (ROOT / "tools" / "workflows").glob("*.py") if path.stem not in ("__init__", "build")
)


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    from qgis.analysis import QgsNativeAlgorithms

    from algorithms.provider import register

    QgsApplication.processingRegistry().addProvider(QgsNativeAlgorithms())
    provider = register()
    from workflows.build import build, write

    for module in sys.argv[1:] or MODULES:
        workflow = import_module(f"workflows.{module}").WORKFLOW
        model = build(workflow)
        valid, issues = model.validate()
        if not valid:
            raise SystemExit(f"The workflow {workflow.name} is not valid: " + "; ".join(issues))
        path = ROOT / "resources" / "models" / workflow.file
        kept = path.read_bytes() if path.exists() else None
        write(model, path)
        if '"Version2"' in path.read_text("utf-8"):
            path.unlink() if kept is None else path.write_bytes(kept)
            raise SystemExit("This QGIS names the outputs of models otherwise, on which scripts rely: take QGIS 3.22.")
        print(f"Wrote {path.relative_to(ROOT)}")
    application.exitQgis()
