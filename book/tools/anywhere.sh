#!/usr/bin/env bash
# Run chapters (all, or those named) from empty folders, with what is installed and a wheel in dist.
# Nothing is written into the repository. Used by .github/workflows/anywhere.yml.
set -euo pipefail
course=$(cd "$(dirname "$0")/../.." && pwd)
STOMPP_LITE_SOURCE=$(ls "$course"/dist/stompp_lite-*.whl)
export STOMPP_LITE_SOURCE
python3 -c 'import sys, torch; print(sys.version, torch.__version__)'
test $# -gt 0 || set -- "$course"/notebooks/*.ipynb
failed=()
for path in "$@"; do
    folder=$(mktemp -d)
    cp "$path" "$folder"
    if (cd "$folder" && python3 -m jupyter nbconvert --to notebook --execute --output done \
            --ExecutePreprocessor.timeout=900 --log-level WARN "$(basename "$path")"); then
        echo "runs: $(basename "$path")"
    else
        failed+=("$(basename "$path")")
    fi
done
echo "$# chapters, failed: ${#failed[@]} ${failed[*]:-}"
test ${#failed[@]} -eq 0
