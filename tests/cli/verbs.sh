#!/bin/sh
# verbs.sh -- the command line of weir itself, and weir options.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

try "$WEIR"
says "weir without a verb says what there is" 2 '^  run '
try "$WEIR" frobnicate
says "an unknown verb is named" 2 "no verb 'frobnicate'"
try "$WEIR" version
grep -Eqx 'weir [0-9]+\.[0-9]+.*' "$work/stdout" && test "$status" -eq 0
ok $? "weir version is the name and a number"
cp "$work/stdout" "$work/version"
try "$WEIR" --version
cmp -s "$work/stdout" "$work/version"
ok $? "weir --version is weir version"
try "$WEIR" -V
cmp -s "$work/stdout" "$work/version"
ok $? "and so is weir -V"
try "$WEIR" -h
test "$status" -eq 0 && grep -q '^usage: weir VERB' "$work/stdout"
ok $? "weir -h is weir help"
for verb in run list top dump gc trim options version help; do
	try "$WEIR" "$verb" --help
	test "$status" -eq 0 && ! test -s "$work/stderr" && grep -q '^usage: weir ' "$work/stdout"
	ok $? "weir $verb --help explains itself"
	cp "$work/stdout" "$work/help"
	try "$WEIR" help "$verb"
	cmp -s "$work/stdout" "$work/help"
	ok $? "weir help $verb is weir $verb --help"
	try "$WEIR" "$verb" -h
	test "$status" -eq 0 && cmp -s "$work/stdout" "$work/help"
	ok $? "and so is weir $verb -h"
done
try "$WEIR" help frobnicate
says "help on an unknown verb is a wrong use" 2 "no verb 'frobnicate'"
try "$WEIR" version now
says "version takes no argument" 2 now

# weir options

def=${TEST_SOURCE_DIR:-$(dirname "$0")/../..}/src/base/options.def
sed -n 's/^WEIR_OPTION(\([a-z_]*\),.*/WEIR_\1/p' "$def" | tr '[:lower:]' '[:upper:]' >"$work/wanted"

try "$WEIR" options
sed -n '2,$s/ .*//p' "$work/stdout" >"$work/listed"
test -s "$work/wanted" && cmp -s "$work/wanted" "$work/listed"
ok $? "every setting has one line where the output is no terminal"
grep -Eq '^WEIR_GC_INTERVAL +30s +100ms to 24h +a collection' "$work/stdout"
ok $? "a line has the variable, its default, what is allowed and what it does"
tr -s ' ' '\n' <"$work/stdout" | sort >"$work/words"

for width in 64 80 100 132 200 400; do
	try env COLUMNS=$width "$WEIR" options
	test "$(wc -L <"$work/stdout")" -le $width
	ok $? "at $width columns no line is longer"
	! grep -q ' $' "$work/stdout"
	ok $? "at $width columns no line ends in a space"
	sed 's/^WHAT$//' "$work/stdout" | tr -s ' ' '\n' | sed '/^$/d; /^WHAT$/d' | sort >"$work/wrapped"
	sed '/^$/d; /^WHAT$/d' "$work/words" | cmp -s - "$work/wrapped"
	ok $? "at $width columns no word is lost"
done
if script --version >/dev/null 2>&1; then
	try script -qec "stty cols 100; '$WEIR' options" /dev/null
	test "$(tr -d '\r' <"$work/stdout" | wc -L)" -le 100 && grep -q WEIR_ENABLE "$work/stdout"
	ok $? "on a terminal the lines are as wide as it is"
else
	skip "on a terminal the lines are as wide as it is" "no script(1) to make a terminal"
fi

try "$WEIR" options --mdoc
sed -n 's/^\.It Ev //p' "$work/stdout" | cmp -s - "$work/wanted"
ok $? "the man page's table has every setting"
if command -v mandoc >/dev/null; then
	{
		printf '%s\n' '.Dd January 1, 2026' '.Dt TABLE 7' '.Os' '.Sh NAME' '.Nm table' '.Nd a table' '.Sh ENVIRONMENT'
		cat "$work/stdout"
	} >"$work/table.7"
	try mandoc -Tlint -W style "$work/table.7"
	gives "mandoc has nothing to say against the man page's table" 0 ""
else
	skip "mandoc has nothing to say against the man page's table" "mandoc is not installed"
fi
try "$WEIR" options --frobnicate
says "an unknown option of options is a wrong use" 2 frobnicate
# shellcheck disable=SC2016
try sh -c '"$0" options >/dev/full' "$WEIR"
says "output that cannot be written is a failure" 125 'cannot write'

finish
