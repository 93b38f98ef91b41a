#!/usr/bin/env bash
# Build the wheel, install it in an empty environment, run the demo from outside the source tree.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" wheel --quiet --no-deps --wheel-dir "$work/dist" "$tree"
"$work/venv/bin/pip" install --quiet --constraint "$tree/constraints.txt" "$work"/dist/alquimia_lab-*.whl
cd "$work"
"$work/venv/bin/alquimia" run thin_film --store "sqlite:///$work/run/log.db" --set budget.experiments=20
"$work/venv/bin/alquimia" report --store "sqlite:///$work/run/log.db"
"$work/venv/bin/pip" check
ls -l "$work"/dist
echo "the wheel works outside the source tree"
