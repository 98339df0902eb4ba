#!/bin/sh
# report.sh -- weir report: each form of it, on dumps of a made-up relay and of a program built here.
# shellcheck disable=SC2016

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

source=$(cd "${TEST_SOURCE_DIR:-$(dirname "$0")/../..}" && pwd)
unset DEBUGINFOD_URLS NO_COLOR
export COLUMNS=100
cd "$work" || exit 1

dump()
{
	file=$1
	shift
	python3 "$source/tests/cli/make_dump.py" "$@" >"$file" || exit 1
}
dump a.json
dump b.json --grown
dump plain.json --plain

report()
{
	try "$WEIR" report --no-symbols "$@"
}

is_golden()
{
	test "$status" -eq 0 && ! test -s "$work/stderr" && diff "$source/tests/cli/golden/$1" "$work/stdout" >"$work/difference"
	ok $? "$2"
	sed 's/^/# /' "$work/difference"
}

# For people

report a.json
is_golden report.txt "a dump of a leak is a report that begins with the verdict"
report --diff a.json b.json
is_golden diff.txt "a difference has what grew, by site and class"
report --folded a.json
is_golden folded.txt "folded stacks are outermost first, with live bytes"
report --openmetrics a.json
test "$status" -eq 0 && grep -qx 'weir_pool_in_use_bytes{program="relay",pid="4711"} 198967296' stdout &&
	grep -qx 'weir_leak_risk_ratio{program="relay",pid="4711"} 0.9300' stdout && test "$(tail -n 1 stdout)" = '# EOF'
ok $? "a dump as metrics has what it says of pool and risk"

report plain.json
grep -q 'does not say whether the program leaks' stdout && ! grep -q Sites stdout
ok $? "a dump without tracking says that it says nothing of leaks"
sed 's/"reason": "MIXTURE_LEAK"/"reason": "INSUFFICIENT_DATA"/; s/"level": "HIGH"/"level": "LOW"/' a.json >early.json
report early.json
grep -q '^Too little to say whether it leaks: in 1 h ' stdout && sed 's/"uptime_seconds": [0-9.]*/"uptime_seconds": 42/' early.json >young.json &&
	report young.json && grep -q '^Too early to say whether it leaks: it has run for 42 s. Look again after an hour' stdout
ok $? "too little data is said to be too little"
sed 's/"score": 0.93/"score": 0.31/; s/MIXTURE_LEAK/FILLING_CACHE/; s/"level": "[HM][A-Z]*"/"level": "LOW"/' a.json >fills.json
report fills.json
grep -q '^A leak or a store that fills, which cannot be told yet: LOW (risk 0.31' stdout && grep -q '^What grows is ' stdout
ok $? "what grows and was never freed is named before it can be told from a leak"
printf 'Weir 0.1.0: relay, pid 1, dump 1 by signal\n' >text.txt
report text.txt
test "$status" -eq 1 && grep -q 'a dump as text.*WEIR_DUMP_FORMAT=json' stderr
ok $? "a dump as text is told from a damaged one, and how to get the other is said"
sed 's/"time_scale": "1"/"time_scale": "96"/' a.json >fast.json
report fast.json
grep -q 'up [^,]* (time runs 96 times as fast), dump' stdout
ok $? "a rehearsal is said to be one"
sed 's/"score": 0.93/"score": 0.03/; s/"reason": "MIXTURE_LEAK"/"reason": "START_UP"/; s/"level": "[HM][A-Z]*"/"level": "LOW"/' \
	a.json >low.json
report low.json
grep -q '^No sign of a leak: LOW' stdout && ! grep -q 'The site to look at' stdout
ok $? "where there is no sign of a leak no site is accused"
sed 's/"score": 0.03/"score": 0.25/' low.json >doubt.json
report doubt.json
grep -q '^Hardly a sign of a leak: LOW (risk 0.25' stdout && ! grep -q 'The site to look at' stdout
ok $? "a doubt is said to be one, and no site is accused"
sed '/"risk": {/,/}/s/"level": "HIGH"/"level": "LOW"/' a.json >small.json
report small.json
grep -q '^It leaks, very likely, but next to nothing: LOW' stdout && grep -q 'The site to look at' stdout
ok $? "a leak that does not matter is called one, and its site is named"
sed '/"risk": {/,/}/s/"level": "HIGH"/"level": "MEDIUM"/' a.json >some.json
report some.json
grep -q '^It leaks, very likely, but little beside the memory limit: MEDIUM' stdout
ok $? "a leak that is little is called one"

for width in 60 80 100 200; do
	for of in "a.json" "--diff a.json b.json"; do
		# shellcheck disable=SC2086
		COLUMNS=$width report $of
		test "$status" -eq 0 && test "$(wc -L <stdout)" -le $width
		ok $? "at $width columns no line of weir report $of is longer"
	done
done
report a.json
! grep -q "$(printf '\033')" stdout
ok $? "without a terminal there is no colour"
if script --version >/dev/null 2>&1; then
	try env TERM=xterm script -qec "'$WEIR' report --no-symbols a.json" /dev/null
	grep -q "$(printf '\033\\[31;1m')It leaks" stdout
	ok $? "on a terminal HIGH is red"
	try env TERM=xterm NO_COLOR=1 script -qec "'$WEIR' report --no-symbols a.json" /dev/null
	! grep -q "$(printf '\033')" stdout
	ok $? "NO_COLOR takes the colour away"
else
	skip "on a terminal HIGH is red" "no script(1) to make a terminal"
	skip "NO_COLOR takes the colour away" "no script(1) to make a terminal"
fi

report a.json plain.json b.json
test "$(grep '^==>' stdout | tr '\n' ' ')" = "==> a.json <== ==> plain.json <== ==> b.json <== "
ok $? "several dumps come in order, each under its name"
report a.json absent.json b.json
test "$status" -eq 1 && grep -q '^weir: absent.json: cannot be opened' stderr && test "$(grep -c '^==>' stdout)" = 2
ok $? "one that cannot be read does not keep the others back"
try sh -c '"$0" report --no-symbols - <a.json' "$WEIR"
is_golden report.txt "- is standard input"

# refuses NAME CHANGE PATTERN: a dump with what that command of sed makes of it
refuses()
{
	sed "$2" a.json >wrong.json
	report wrong.json
	says "$1" 1 "$3"
}

# Packed

report a.json
mv stdout whole.txt
gzip -c a.json >a.json.gz
report a.json.gz
test "$status" -eq 0 && cmp -s stdout whole.txt
ok $? "a dump that gzip packed is read as it is"
try sh -c '"$0" report --no-symbols - <a.json.gz' "$WEIR"
test "$status" -eq 0 && cmp -s stdout whole.txt
ok $? "also from standard input"
head -c 1000 a.json.gz >cut.json.gz
report cut.json.gz
says "a packed dump that is cut off" 1 '^weir: cut\.json\.gz: (cannot be read: .*unexpected end of file|is not a whole JSON text)'
head -c 70000000 /dev/zero | gzip -1 >bomb.json.gz
report bomb.json.gz
says "a packed file that is larger than any dump" 1 'is larger than any dump$'

# What is no dump

report absent.json
says "a file that is not there" 1 '^weir: absent\.json: cannot be opened: No such file'
report no-such-thing
says "neither a process nor a file" 1 '^weir: nor is there a file no-such-thing$'
report /dev/null
says "an empty file" 1 'is empty$'
head -c 5000 a.json >cut.json
report cut.json
says "a dump that is cut off" 1 '^weir: cut\.json: is not a whole JSON text: line [0-9]+'
echo '{"schema": "other"}' >other.json
report other.json
says "JSON that is no dump" 1 'is JSON, but no dump of Weir'
sed 's/"schema_version": 1/"schema_version": 2/' a.json >later.json
report later.json
says "a dump of another schema version" 1 'has schema version 2, and this weir reads version 1$'
refuses "a member of a wrong type is named" 's/"gc_count": 120/"gc_count": "120"/' \
	'wrong\.json: metrics\.gc_count should be a whole number.*, and is a text$'
refuses "a number out of range is named" 's/"score": 0.93/"score": 1.5/' \
	'risk\.score should be a number from 0 to 1, and is another number$'
refuses "a number that no counter holds is named" 's/"allocations": 1000000/"allocations": 1e300/' \
	'metrics\.allocations should be a whole number'
refuses "an address that is none is named with its place" '0,/"offset"/s/"pc": "0x[0-9a-f]*"/"pc": "0xgg"/' \
	'sites\[0\]\.frames\[0\]\.pc should be an address'
refuses "lifetimes with a gap are refused" '0,/"to_seconds": 0.015625/s//"to_seconds": 5/' \
	'lifetimes\[0\] does not end where the next begins$'
python3 -c 'import sys; sys.stdout.write("[" * 100000)' >deep.json
report deep.json
says "a text that is nested too deep" 1 'is not a whole JSON text'
try sh -c 'yes "      " | head -c 70000000 | "$0" report -' "$WEIR"
says "a file that is larger than any dump" 1 'is larger than any dump$'
report .
says "a folder" 1 'cannot be read: Is a directory$'

sed 's|"program": ".*"|"program": "\\u001b[2J\\u202e<img src=x>%s%n"|; s|START_UP|\\u009b31m<b>|' a.json >hostile.json
report hostile.json
test "$status" -eq 0 && ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' stdout && grep -q '%s%n' stdout
ok $? "what a terminal would obey is shown as question marks"
report --html hostile.json
test "$status" -eq 0 && ! grep -q '<img' stdout && grep -q '&lt;img src=x&gt;' stdout
ok $? "what a page would obey is text in it"

# What is asked for wrongly

report
says "no dump is a wrong use" 2 'report wants a dump'
report --diff a.json
says "a difference takes two" 2 'takes two dumps'
report --html a.json b.json
says "a page is of one dump" 2 'takes several dumps'
report --html --folded a.json
says "one form at a time" 2 'one form at a time'
report --frobnicate a.json
says "an unknown option" 2 'frobnicate'
report --output absent/x a.json
says "an output that cannot be made" 125 'cannot write absent/x: No such file'
try sh -c '"$0" report --html -o /dev/full a.json' "$WEIR"
says "an output that cannot be written" 125 'cannot write /dev/full: No space'
try sh -c '"$0" report a.json >/dev/full' "$WEIR"
says "standard output that cannot be written" 125 'cannot write the output: No space'

# Differences

report --diff a.json a.json
test "$status" -eq 0 && test "$(grep -c 'none has changed' stdout)" = 2
ok $? "a dump does not differ from itself"
dump ffmpeg.json --exe /usr/bin/ffmpeg
report --diff a.json ffmpeg.json
says "dumps of different programs are refused" 1 '^weir: these are dumps of different programs, relay and ffmpeg: nothing to compare$'
sed 's/"0x9e3779b97f4a7c15"/"0x1"/; s/"pid": 4711/"pid": 5000/' b.json >other_run.json
report --diff a.json other_run.json
grep -q 'two runs' stdout && ! grep -qE 'new:|no longer' stdout && grep -Eq '\+93\.8 MiB +\+1,500 objects +relay' stdout
ok $? "sites are matched by their frames where the ids differ"
sed 's/6f1d2c3b4a59687786958473625140312f1e0d0c/0f1d2c3b4a59687786958473625140312f1e0d0c/' other_run.json >rebuilt.json
report --diff a.json rebuilt.json
grep -q 'was rebuilt' stdout && grep -q 'new: relay' stdout
ok $? "but not those of a program that was rebuilt"
report --diff b.json a.json
grep -q '^The first dump is the later one' stdout
ok $? "a difference backwards is said to be one"

# A page

report --html --output page.html a.json
test "$status" -eq 0 && ! test -s stdout && grep -q "default-src 'none'" page.html &&
	! grep -qiE '(src|href|action)="?(https?:)?//|url\(|@import' page.html
ok $? "a page refers to nothing outside of itself"
python3 - page.html >stdout 2>stderr <<'P'
import html.parser, sys
class Check(html.parser.HTMLParser):
    void = {"meta", "link", "br", "img"}
    def __init__(self):
        super().__init__()
        self.open, self.headings, self.bars = [], [], 0
    def handle_starttag(self, tag, attrs):
        if tag not in self.void:
            self.open.append(tag)
        self.bars += tag == "rect"
    def handle_startendtag(self, tag, attrs):
        self.bars += tag == "rect"
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open, self.getpos())
        self.open.pop()
    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
check = Check()
check.feed(open(sys.argv[1], encoding="utf-8").read())
assert not check.open, check.open
wanted = ["What to do", "Memory", "Sites, most at risk first", "Lifetimes against ages", "Use over size classes", "Live bytes by stack"]
assert check.headings == wanted, check.headings
assert check.bars > 20, check.bars
P
status=$?
ok $status "its elements are closed in order, and every chart is there"

python3 - a.json >deep.json <<'P'
import json, sys
dump = json.load(open(sys.argv[1]))
frame = dump["sites"][0]["frames"][0]
dump["sites"][0]["frames"] = [frame | {"offset": hex(i), "pc": hex(1 << 32 | i)} for i in range(90)]
json.dump(dump, sys.stdout)
P
try timeout 20 "$WEIR" report --html --no-symbols deep.json
test "$status" -eq 0 && test "$(grep -c 'data-n="relay+0x' stdout)" -ge 90
ok $? "a stack of 90 frames is drawn, and at once"

# Functions and lines

if ! "$CC" -g -O2 -o relay "$source/tests/cli/report_program.c" 2>stderr; then
	status=1
	ok 1 "a program with symbols can be built"
elif test -n "${TEST_EMULATOR:-}"; then
	skip "functions and lines are found" "another machine's program"
elif try "$WEIR" report --help && "$WEIR" version | grep -q 'without symbols'; then
	skip "functions and lines are found" "built without elfutils"
else
	dump s.json --exe "$work/relay" --site xmalloc@malloc,relay_push@xmalloc,relay_serve@relay_push,main@relay_serve
	try "$WEIR" report s.json
	grep -q '^The site to look at is push_inlined (report_program.c:[0-9]*): ' stdout
	ok $? "the site is named by the function beyond those that only hand on, inlined as it is"
	python3 -c '
import json, sys
dump = json.load(open("s.json"))
for name in "libc.so.6", "libstdc++.so.6.0.30":
    dump["sites"][0]["frames"].insert(0, {"pc": "0x10", "module": "/lib/" + name, "offset": "0x10"})
json.dump(dump, open("libc.json", "w"))
'
	try "$WEIR" report libc.json
	grep -q '^The site to look at is push_inlined (report_program.c:[0-9]*): ' stdout
	ok $? "and beyond what is of libc and libstdc++"
	try "$WEIR" report s.json
	sed -n 's/^         \([a-z_]* (.*)\(, inlined\)\{0,1\}\)$/\1/p' stdout >stack
	line_of()
	{
		grep -nF "$1" "$source/tests/cli/report_program.c" | head -n 1 | cut -d : -f 1
	}
	{
		echo "xmalloc (report_program.c:$(line_of 'p = malloc(size)'))"
		echo "push_inlined (report_program.c:$(line_of '= xmalloc(')), inlined"
		echo "relay_push (report_program.c:$(line_of 'push_inlined(i);'))"
		echo "relay_serve (report_program.c:$(line_of 'sum += relay_push(i)'))"
		echo "main (report_program.c:$(line_of 'return relay_serve'))"
	} | diff - stack >stdout
	status=$?
	ok $status "a stack has its functions with file and line, inlined ones too"
	try "$WEIR" report --folded s.json
	grep -qx 'main;relay_serve;relay_push;push_inlined;xmalloc 98304000' stdout
	ok $? "folded stacks have them"
	try "$WEIR" report --no-symbols s.json
	! grep -q push_inlined stdout
	ok $? "--no-symbols leaves them out"
	build_id=$(sed -n 's/.*"build_id": "\(.*\)".*/\1/p' s.json | tail -n 1)
	mkdir -p "server/buildid/$build_id"
	cp relay "server/buildid/$build_id/executable"
	cp relay "server/buildid/$build_id/debuginfo"
	"$CC" -g -O0 -Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567 -o relay "$source/tests/cli/report_program.c"
	try "$WEIR" report s.json
	grep -q 'relay here is another file than the one that ran' stdout && ! grep -q push_inlined stdout
	ok $? "a file with another build-id is not looked into, and that is said"
	if ldconfig -p 2>/dev/null | grep -q libdebuginfod; then
		try env HOME="$work" DEBUGINFOD_CACHE_PATH="$work/cache" DEBUGINFOD_URLS="file://$work/server" "$WEIR" report s.json
		grep -q 'The site to look at is push_inlined (report_program.c' stdout && ! grep -q 'another file' stdout
		ok $? "debuginfod gives them where DEBUGINFOD_URLS says so"
	else
		skip "debuginfod gives them where DEBUGINFOD_URLS says so" "libdebuginfod is not installed"
	fi
	mkfifo pipe
	sed "s|$work/relay|$work/pipe|" s.json >pipe.json
	try timeout 10 "$WEIR" report pipe.json
	test "$status" -eq 0
	ok $? "a path that is a pipe is not waited for"
fi

finish
