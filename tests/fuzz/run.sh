#!/bin/bash
# run.sh -- hostile dumps, the short form: 6,000 mutants and every cut of small dumps.
#
# The long form: ./dev fuzz MINUTES.
set -u
source_dir=${TEST_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build_dir=${TEST_BUILD_DIR:-$source_dir/build}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

for kind in "" --grown --plain; do
	# shellcheck disable=SC2086
	python3 "$source_dir/tests/cli/make_dump.py" --small $kind >"small$kind.json" || exit 1
done
echo 1..1
# EMULATOR runs a cross-compiled program.
# shellcheck disable=SC2086
if ${TEST_EMULATOR:-} "$build_dir/tests/fuzz/fuzz_dump" --inputs "${FUZZ_INPUTS:-6000}" --seed "${FUZZ_SEED:-1}" \
	small.json small--plain.json small--grown.json >out 2>&1; then
	echo "ok 1 - hostile dumps are refused with one line, or shown harmlessly: $(tail -n 1 out)"
else
	tail -n 40 out | sed 's/^/# /'
	echo "not ok 1 - hostile dumps are refused with one line, or shown harmlessly"
	exit 1
fi
