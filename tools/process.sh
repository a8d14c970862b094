#!/usr/bin/env bash
# qgis_process with the plugin enabled in a profile of the project's own.
# usage: tools/process.sh [qgis_process arguments]
set -euo pipefail
. "$(dirname "$0")/environment.sh"
[ -n "$qgis_process" ] || { echo "qgis_process was not found. Run 'make setup'." >&2; exit 1; }
settings="$QGIS_CUSTOM_CONFIG_PATH/profiles/default/QGIS/QGIS3.ini"
if ! grep -qs 'soil_moisture_toolbox=true' "$settings"; then
    "$qgis_process" plugins enable soil_moisture_toolbox >/dev/null 2>&1 || true
fi
exec "$qgis_process" "$@"
