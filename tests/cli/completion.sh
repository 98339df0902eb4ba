#!/bin/bash
# completion.sh -- what bash offers when weir is completed.

# shellcheck disable=SC2154

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

source=$(cd "${TEST_SOURCE_DIR:-$(dirname "$0")/../..}" && pwd)
# The file calls weir by its name, as whoever completes does.
mkdir "$work/bin"
ln -s "$WEIR" "$work/bin/weir"
PATH=$work/bin:$PATH
: >"$work/stderr"
# shellcheck source=completions/weir
. "$source/completions/weir"

# offers WORD...: sets status to 0 where completing the last word offers exactly what stdin has, sorted
offers()
{
	# shellcheck disable=SC2034 # read by _weir
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_weir
	printf '%s\n' "${COMPREPLY[@]}" | sort >"$work/stdout"
	sort | diff - "$work/stdout" >"$work/stderr"
	status=$?
}

"$WEIR" help | sed -n 's/^  \([a-z]*\) .*/\1/p' >"$work/verbs"
offers weir '' <"$work/verbs"
ok $status "every verb is offered"
test "$(wc -l <"$work/verbs")" -ge 5
ok $? "and there are some"
offers weir rep <<<report
ok $status "a verb is completed"
offers weir help op <<<options
ok $status "the verb that help is asked about is one"
offers weir report --pp <<<$'--pprof\n--pprof-lifetimes'
ok $status "options are those of the verb"
offers weir run --set max_b <<<$'max_buffer_size=\nmax_buffers='
ok $status "settings are offered after --set"
offers weir run --se <<<--set
ok $status "options of run come before its command"
touch "$work/a-dump.json"
offers weir report "$work/a-d" <<<"$work/a-dump.json"
ok $status "dumps are files"
offers weir run -- weir-none-such <<<""
ok $status "past -- it is a command that is completed"

finish
