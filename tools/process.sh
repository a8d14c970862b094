#!/usr/bin/env bash
# qgis_process with the plugin enabled in a profile of the project's own.
# usage: tools/process.sh [qgis_process arguments]
set -euo pipefail
. "$(dirname "$0")/environment.sh"
[ -n "$qgis_process" ] || { echo "qgis_process was not found. Run 'make setup'." >&2; exit 1; }
# QGIS 3 keeps its settings in QGIS3.ini, QGIS 4 in QGIS4.ini; one that runs for the first time has none of its own.
version=$(/usr/bin/python3 -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION.split(".")[0])' 2>/dev/null || echo 3)
if ! grep -qs 'soil_moisture_toolbox=true' "$QGIS_CUSTOM_CONFIG_PATH/profiles/default/QGIS/QGIS$version.ini"; then
    "$qgis_process" plugins enable soil_moisture_toolbox >/dev/null 2>&1 || true
fi
exec "$qgis_process" "$@"
