#!/bin/bash
# results.sh -- the tables of the benchmark are those of the figures that were kept.
. "$(dirname "$0")/common.sh"

if command -v python3 >/dev/null; then
	check "the benchmark's tables are what the figures kept with them give" python3 -B bench/publish.py --check
	sed 's/"ns": 1/"ns": 2/' bench/results/cells.json >"$scratch/cells.json"
	mkdir -p "$scratch/bench/results"
	cp bench/*.py bench/RESULTS.md bench/CELLS.md "$scratch/bench"
	cp bench/results/programs.json "$scratch/cells.json" "$scratch/bench/results"
	if python3 -B "$scratch/bench/publish.py" --check 2>"$scratch/why"; then
		not_ok "figures that were changed are noticed" "$scratch/why"
	else
		ok "figures that were changed are noticed"
	fi
else
	skip "the benchmark's tables are what the figures kept with them give" "there is no python3"
fi
plan
