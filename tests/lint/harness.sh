#!/bin/bash
# harness.sh -- the test suite itself can fail: every kind of test is judged by its
# TAP lines, and "not ok", a missing plan or a crash is a failure.
. "$(dirname "$0")/common.sh"

makefile=$build_dir/Makefile
driver=$source_dir/build-aux/tap-driver.sh
if [ ! -e "$makefile" ] || [ ! -e "$driver" ]; then
	echo "1..0 # SKIP there is no configured build directory"
	exit 0
fi

extensions=$(sed -n 's/^TEST_EXTENSIONS = //p' "$makefile")
for extension in "" $extensions; do
	variable=$(echo "${extension#.}" | tr '[:lower:]' '[:upper:]')
	variable=${variable:+${variable}_}LOG_DRIVER
	if grep -qE "^$variable = \\\$\(TAP_DRIVER\)$" "$makefile"; then
		ok "$variable is the TAP driver"
	else
		not_ok "$variable is the TAP driver"
	fi
done

# judge NAME RESULT: what standard input prints is judged as RESULT
judge()
{
	cat >"$scratch/test.sh"
	env AM_TAP_AWK="${AWK:-awk}" sh "$driver" --test-name x --log-file "$scratch/x.log" \
		--trs-file "$scratch/x.trs" --color-tests no --enable-hard-errors yes \
		--expect-failure no -- bash "$scratch/test.sh" >/dev/null 2>&1
	if grep -q "^:global-test-result: $2\$" "$scratch/x.trs"; then
		ok "$1"
	else
		not_ok "$1" "$scratch/x.trs"
	fi
}
judge "a test that passes passes" PASS <<<'echo "1..1"; echo "ok 1 - a"'
judge "\"not ok\" fails, whatever the exit status" FAIL <<<'echo "1..2"; echo "ok 1 - a"; echo "not ok 2 - b"; exit 0'
judge "fewer results than planned are an error" ERROR <<<'echo "1..2"; echo "ok 1 - a"'
judge "a test without a plan is an error" ERROR <<<'echo "ok 1 - a"'
judge "a crash after the last result is an error" ERROR <<<'echo "1..1"; echo "ok 1 - a"; kill -SEGV $$'

# Every test file is in a suite: one that nobody runs cannot fail.
unlisted()
{
	local file name
	for file in tests/unit/test_*.c tests/{cli,contract,preload,stress,programs,sabotage,lint}/*.sh \
		tests/sabotage/*.patch; do
		case $file in
		*/common.sh | */lib.sh | */tap.sh) continue ;;
		esac
		[ -e "$file" ] || continue
		name=${file%.c}
		grep -qF "$name" "${file%/*}/local.mk" || echo "$file is not in ${file%/*}/local.mk"
	done
}
quiet "every test is in its folder's local.mk" unlisted

# On a fresh machine the suite installs what this list says, and nothing else.
not_installed()
{
	sed -nE 's/^needs ([^ ]+) .*/\1/p' tests/programs/*.sh | sort -u | while read -r package; do
		grep -qE "^${package//+/\\+}(=|\$)" tests/programs/packages ||
			[ "$package" = bash ] || echo "$package is not in tests/programs/packages"
	done
}
quiet "every package that a program's test needs is in the list" not_installed

# The run of the patches says the same, a quarter of an hour later.
stale_patches()
{
	local patch
	for patch in tests/sabotage/*.patch; do
		patch -p1 --dry-run -s -f <"$patch" >/dev/null 2>&1 || echo "$patch does not apply"
	done
}
quiet "every sabotage patch applies" stale_patches
plan
