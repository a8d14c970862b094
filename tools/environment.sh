# Sourced by the other scripts: QGIS's own Python with the project's libraries, and a QGIS profile of the project's own.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# QGIS started from an activated virtual environment looks for PROJ's data there and fails.
unset VIRTUAL_ENV PYTHONHOME CONDA_PREFIX PROJ_LIB PROJ_DATA GDAL_DATA
export PATH="/usr/bin:/bin:$PATH"
export PYTHONPATH
PYTHONPATH=$(echo "$root"/.venv/lib/python3*/site-packages)
export QT_QPA_PLATFORM=${QT_QPA_PLATFORM:-offscreen}
export QGIS_CUSTOM_CONFIG_PATH="$root/${SM_PROFILE:-.qgis}"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-"$root/.qgis/runtime"}
mkdir -p "$QGIS_CUSTOM_CONFIG_PATH/profiles/default/python/plugins" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR" 2>/dev/null || true
ln -sfn "$root" "$QGIS_CUSTOM_CONFIG_PATH/profiles/default/python/plugins/soil_moisture_toolbox"
# Debian's wrapper of QGIS 3.22 fails ("Command --noversioncheck not known!"); the program behind it works.
qgis_process=$(command -v qgis_process.bin || command -v qgis_process || true)
