#!/usr/bin/env bash
# From demo data to a validated soil-moisture map: every step a run of qgis_process, files in and files out.
# usage: tools/demo.sh [folder, default demo]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-demo}
mkdir -p "$out"
out=$(cd "$out" && pwd)
scene="$out/scene"

step() {  # step "what it does" algorithm parameters…
    printf '\n== %s\n   smtoolbox:%s\n' "$1" "$2"
    local log="$out/$2.log" algorithm="smtoolbox:$2"
    shift 2
    if ! tools/process.sh run "$algorithm" "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "This step failed; its whole output is in $log." >&2
        exit 1
    fi
    sed -n '/^Results$/,$p' "$log" | grep -E '^[A-Z0-9_]+:' | sed 's/^/   /'
}

predictors=("--PREDICTORS=$out/terrain.tif" "--PREDICTORS=$scene/soil.tif" "--PREDICTORS=$scene/ndvi.tif" "--PREDICTORS=$scene/albedo.tif" "--PREDICTORS=$scene/rain.tif" "--PREDICTORS=$scene/api.tif")
fields=(elevation slope northness eastness profile_curvature tangential_curvature sand clay ndvi albedo rain_7d api)

step "1/6 A scene on real terrain with simulated moisture" demodata --OUTPUT="$scene"
step "2/6 Terrain indices" terrainindices --DEM="$scene/dem.tif" --OUTPUT="$out/terrain.tif"
step "3/6 Predictors at the stations, matched in place and time" samplepredictors --STATIONS="$scene/stations.gpkg" --STATION=station --TIME=time \
    "${predictors[@]}" --MAX_TIME_GAP=4 --OUTPUT="$out/training.gpkg" --REPORT="$out/sampling_report.html"
step "4/6 Random forest, validated on stations it has not seen" trainmodel --TRAINING="$out/training.gpkg" --TARGET=soil_moisture $(printf -- '--PREDICTORS=%s ' "${fields[@]}") \
    --STATION=station --TIME=time --MODEL=random_forest --SPLIT=station --MODEL_FILE="$out/model.smmodel" --REPORT="$out/training_report.html" --PREDICTIONS="$out/out_of_fold.gpkg"
step "5/6 Maps of 90 m for the dates of the satellite composites" predictraster --MODEL_FILE="$out/model.smmodel" "${predictors[@]}" --GRID="$scene/dem.tif" --OUTPUT="$out/soil_moisture.tif"
step "6/6 Against stations that took no part in the training" validatestations --PRODUCT="$out/soil_moisture.tif" --STATIONS="$scene/stations_validation.gpkg" --STATION=station --TIME=time \
    --VALUE=soil_moisture --GROUP=land_cover --OUTPUT="$out/stations_rated.gpkg" --MATCHES="$out/pairs.gpkg" --REPORT="$out/validation_report.html"

. tools/environment.sh
/usr/bin/python3 tools/demo_map.py "$out/soil_moisture.tif" "$scene/truth.tif" "$out/soil_moisture.png"
cat <<TEXT

Map (m³ m⁻³, a band for each date):  $out/soil_moisture.tif
Picture of it beside the truth:      $out/soil_moisture.png
Report on the training:              $out/training_report.html
Report on the validation:            $out/validation_report.html
TEXT
