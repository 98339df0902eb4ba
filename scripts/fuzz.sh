#!/bin/bash
# fuzz.sh -- hostile dumps for weir report, for as long as one likes: fuzz.sh BUILD_DIR MINUTES [JOBS]
#
# JOBS processes, each with another seed, which is said first; FUZZ_SEED is the first one's. A
# mutant that is not survived stays in fuzz_dump.bad in the directory that is named.
set -euo pipefail
build_dir=$1 minutes=$2 jobs=${3:-1} top=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
seed=${FUZZ_SEED:-$(date +%s)}
cd "$scratch"
# An input takes less than a megabyte: what it frees is held back until the next one, not longer.
export ASAN_OPTIONS="malloc_context_size=8:quarantine_size_mb=1:thread_local_quarantine_size_kb=64${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
for kind in "" --grown --plain; do
	# shellcheck disable=SC2086
	python3 "$top/tests/cli/make_dump.py" --small $kind >"dump$kind.json"
done
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
for ((job = 0; job < jobs; job++)); do
	mkdir "$job"
	echo "fuzz: seed $((seed + job)), in $scratch/$job"
	(
		cd "$job"
		exec "$build_dir/tests/fuzz/fuzz_dump" --seconds "$((minutes * 60))" --seed "$((seed + job))" \
			../dump.json ../dump--plain.json ../dump--grown.json
	) &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
rm -rf "$scratch"
