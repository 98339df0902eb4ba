#!/bin/bash
# fuzz.sh -- hostile dumps for weir report, for as long as one likes: fuzz.sh BUILD_DIR MINUTES
#
# Another seed each time, which is said first. A mutant that is not survived stays in
# fuzz_dump.bad in the directory that is named.
set -euo pipefail
build_dir=$1 minutes=$2 top=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
seed=${FUZZ_SEED:-$(date +%s)}
cd "$scratch"
for kind in "" --grown --plain; do
	# shellcheck disable=SC2086
	python3 "$top/tests/cli/make_dump.py" $kind | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)))' \
		>"dump$kind.json"
done
echo "fuzz: seed $seed, in $scratch"
"$build_dir/tests/fuzz/fuzz_dump" --seconds "$((minutes * 60))" --seed "$seed" dump.json dump--plain.json dump--grown.json
rm -rf "$scratch"
