#!/bin/sh
# perf_map.sh -- frames in generated code have the names that a perf map gives them, if it is the process's own.
# shellcheck disable=SC2016

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/cli/live.sh
. "$(dirname "$0")/live.sh"

source=$(cd "${TEST_SOURCE_DIR:-$(dirname "$0")/../..}" && pwd)
unset DEBUGINFOD_URLS NO_COLOR
export COLUMNS=100
cd "$work" || exit 1

# Processes of this test have no such maps of their own: their pids are free for made ones.
sleep 1000 &
other=$!
maps="/tmp/perf-$$.map /tmp/perf-$other.map"
trap 'kill $other 2>/dev/null; end_all; rm -rf "$work" $maps' EXIT
map=/tmp/perf-$$.map
boot=$(cat /proc/sys/kernel/random/boot_id)

# dump FILE PID BOOT STARTED CHANGE...: two sites in generated code, after that command of sed
python3 "$source/tests/cli/make_dump.py" >made.json
python3 -c '
import json
dump = json.load(open("made.json"))
dump["sites"][0]["frames"] = [{"pc": "0x7e0000001010"}, {"pc": "0x7e0000002020"}] + dump["sites"][0]["frames"][2:]
dump["sites"][1]["frames"] = [{"pc": "0x7e0000003030"}]
json.dump(dump, open("generated.json", "w"), indent=1)
'
dump()
{
	sed "s/\"pid\": 4711/\"pid\": $2/; s/\"boot_id\": \"[^\"]*\"/\"boot_id\": \"$3\"/
		s/\"started_at\": \"[^\"]*\"/\"started_at\": \"$4\"/; ${5:-}" generated.json >"$1"
}
long_ago=2001-01-01T00:00:00.000Z
dump elsewhere.json 4711 0b2f7c1e-0000-4000-8000-0123456789ab $long_ago
dump here.json $$ "$boot" $long_ago
cat >map <<'M'
7e0000001000 100 LazyCompile:~was here before /srv/old.js:1:1
7e0000001000 40 LazyCompile:*handler file:///srv/app.js:12:8
0x7e0000002000 0x40 Builtin:ArrayPrototypePush
7e0000003000 40 py::push:/srv/relay.py
M

report()
{
	try "$WEIR" report "$@"
}

# In all forms

report --perf-map map elsewhere.json
test "$status" -eq 0 && grep -qx '         handler (app.js:12)' stdout && grep -qx '         Builtin:ArrayPrototypePush \[generated code\]' stdout &&
	grep -q 'push (relay.py)' stdout && ! grep -q 'generated code have' stdout
ok $? "frames in generated code are named by the map that is given"
grep -q '^The site to look at is handler (app.js:12): ' stdout
ok $? "and so is the site to look at"
report --perf-map map --folded elsewhere.json
grep -q ';Builtin:ArrayPrototypePush;handler 98304000$' stdout
ok $? "folded stacks have the names"
report --perf-map map --html elsewhere.json
grep -q '<code>handler</code> <span class="dim">app.js:12</span>' stdout && grep -q 'data-n="handler"' stdout
ok $? "the page and its flame graph have them"
report --perf-map map --pprof profile.pb.gz elsewhere.json
test "$status" -eq 0 && gunzip -c profile.pb.gz >profile.pb && grep -qa handler profile.pb && grep -qa /srv/app.js profile.pb
ok $? "a profile has functions and files"
report --perf-map map --diff elsewhere.json elsewhere.json
test "$status" -eq 0
ok $? "a difference takes a map"
sed 's/"live_bytes": 98304000/"live_bytes": 99304000/' elsewhere.json >later.json
report --perf-map map --diff elsewhere.json later.json
grep -q 'handler (app.js:12)' stdout
ok $? "and has the names"

# What a site is called

# called FRAME...: the site's name, where its stack is these, as JSON
called()
{
	python3 -c '
import json, sys
dump = json.load(open("elsewhere.json"))
dump["sites"][0]["frames"] = [{"pc": hex(0x5000 + i), **json.loads(frame)} for i, frame in enumerate(sys.argv[1:])]
json.dump(dump, open("called.json", "w"))' "$@"
	report --perf-map map called.json
	sed -n 's/^The site to look at is \(.*\): .*/\1/p' stdout
}
nameless='{"module": "/no/libruntime.so", "offset": 256, "build_id": ""}'
libc='{"module": "/no/libc.so.6", "offset": 256, "build_id": ""}'
unmapped='{"pc": "0x7e0000009990"}'
mapped='{"pc": "0x7e0000001010"}'
test "handler (app.js:12)" = "$(called "$nameless" "$unmapped" "$mapped")"
ok $? "a site is called by generated code that has a name, where what that called has none"
test "generated code under libruntime.so+0x100" = "$(called "$unmapped" "$nameless" "$unmapped")"
ok $? "generated code without a name is called by who called it"
test "handler (app.js:12)" = "$(called "$libc" "$mapped" "$nameless")"
ok $? "nor is libc"
test "libruntime.so+0x100" = "$(called "$libc" "$nameless" "$libc")"
ok $? "which comes last"

# Which map

cp map "$map"
report here.json
test "$status" -eq 0 && grep -q '^The site to look at is handler (app.js:12): ' stdout
ok $? "without an option it is the map of the dump's pid"
report elsewhere.json
! grep -q handler stdout && test "$(grep -c '^  3 frames in generated code have no name: --perf-map FILE names them, by the map of that machine\.$' stdout)" = 1
ok $? "but not for a dump of another machine or boot, and what would name its frames is said once"
if strace true 2>/dev/null; then
	sed "s/\"pid\": 4711/\"pid\": $$/; s/\"boot_id\": \"[^\"]*\"/\"boot_id\": \"$boot\"/" made.json >whole.json
	try strace -qq -e trace=openat -o opened "$WEIR" report whole.json
	test "$status" -eq 0 && grep -q whole.json opened && ! grep -q 'perf-[0-9]' opened
	ok $? "where all frames are of files no map is opened"
else
	skip "where all frames are of files no map is opened" "strace is not installed or not allowed"
fi
dump other_boot.json $$ 0b2f7c1e-0000-4000-8000-0123456789ab $long_ago
report other_boot.json
! grep -q handler stdout
ok $? "not even where the pid is the same"
report --no-symbols here.json
! grep -q handler stdout && grep -q 0x7e0000001010 stdout && ! grep -q 'have no name' stdout
ok $? "--no-symbols leaves them out, and says nothing of it"
dump young.json $$ "$boot" "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%S.000Z)"
report young.json
! grep -q handler stdout && grep -q "$map is older than the process\.$" stdout
ok $? "a map that is older than the process is not used, and that is said"
dump undated.json $$ "$boot" 'some day'
report undated.json
! grep -q handler stdout
ok $? "nor any where it is not known how old the process is"
if test "$(id -u)" -eq 0 && chown 65534 "$map"; then
	report here.json
	! grep -q handler stdout && grep -q "$map belongs to another user\.$" stdout
	ok $? "a map of somebody else's is not used, and that is said"
	cp here.json theirs.json
	chown 65534 theirs.json
	report theirs.json
	grep -q 'is handler (app.js:12)' stdout
	ok $? "for root it is where the dump is by the same user"
	cp theirs.json nobodys.json
	chown 65533 nobodys.json
	report nobodys.json
	! grep -q handler stdout
	ok $? "but not where that is by a third one"
	chown 0 "$map"
else
	skip "a map of somebody else's is not used, and that is said" "only root can give files away"
fi
rm "$map"
ln -s "$work/map" "$map"
report here.json
! grep -q handler stdout && grep -q "$map is no file" stdout
ok $? "a link is not followed"
rm "$map"
mkfifo "$map"
try timeout 10 "$WEIR" report here.json
test "$status" -eq 0 && ! grep -q handler stdout
ok $? "a pipe is not waited for"
rm "$map"
report here.json
test "$(grep -c "^  3 frames in generated code have no name: node --perf-basic-prof, say, writes $map\.\$" stdout)" = 1
ok $? "where there is no map it is said once what would write one"
report --html here.json
grep -q '<p class="note">3 frames in generated code have no name: ' stdout
ok $? "on the page, too"
head -n 2 map >"$map"
report here.json
grep -q 'is handler (app.js:12)' stdout && grep -q '^  2 frames in generated code have no name: not all is in ' stdout
ok $? "frames that the map does not have are counted"
: >"$map"
report here.json
test "$status" -eq 0 && grep -q '^  3 frames in generated code have no name: not all is in ' stdout
ok $? "an empty map has none"
head -c 4096 /dev/zero >"$map"
report here.json
test "$status" -eq 0 && grep -q "^  3 frames in generated code have no name: $map is no file" stdout
ok $? "what is no map is not used"
printf '7e0000001000 40 evil\033[2J\342\200\256<b>\n' >"$map"
report here.json
test "$status" -eq 0 && grep -q 'evil?\[2J?<b>' stdout && ! grep -qP '\x1b|\xe2\x80\xae' stdout
ok $? "what a terminal would obey is shown as question marks"
report --html here.json
grep -q 'evil?\[2J?&lt;b&gt;' stdout && ! grep -q 'evil.*<b>' stdout
ok $? "what a page would obey is text in it"

# Two processes, each with its own map
echo '7e0000001000 40 LazyCompile:*before /srv/app.js:1:1' >"$map"
echo '7e0000001000 40 LazyCompile:*after /srv/app.js:2:1' >"/tmp/perf-$other.map"
dump then.json $$ "$boot" $long_ago
dump now.json "$other" "$boot" $long_ago 's/"0x9e3779b97f4a7c15"/"0x1"/'
report --diff then.json now.json
grep -q 'new: after (app.js:2)' stdout && grep -q 'no longer listed: before (app.js:1)' stdout
ok $? "each dump of a difference has its own process's map"
rm "$map" "/tmp/perf-$other.map"

# What is asked for wrongly

report --perf-map absent here.json
says "a map that is not there" 1 '^weir: absent: No such file'
report --perf-map "$source/tests/cli/tap.sh" here.json
says "a map that is none" 1 'tap.sh: is no perf map$'
report --perf-map . here.json
says "a folder" 1 '^weir: \.: is no perf map$'
report --perf-map map --no-symbols here.json
says "a map and no symbols" 2 'wants none'

# Of a program that generates code, while it runs

if ! [ -d /proc/self/root ] || test -n "${TEST_EMULATOR:-}"; then
	skip "of a process" "another machine's program"
	finish
fi
start WEIR_MONITOR_INTERVAL=100ms WEIR_DUMP_FORMAT=json generated "$work/address"
address=$(cat address)
maps="$maps /tmp/perf-$pid.map"
# shellcheck disable=SC2317 # called by until_true
has_site()
{
	report "$pid"
	grep -q 'keep_buffer\|live[0-9]*+0x' stdout && grep -q '^  [0-9]* frames\{0,1\} in generated code ha[a-z]* no name: ' stdout
}
until_true has_site
ok $? "a live process has a frame in generated code"
echo "$address LazyCompile:*handler /srv/app.js:12:8" >"/tmp/perf-$pid.map"
report "$pid"
grep -qx '         handler (app.js:12)' stdout && ! grep -q 'no name:' stdout
ok $? "which the map that it writes names"
kill -USR1 "$pid"
until_true test -s "dump.$pid.1.json"
report "dump.$pid.1.json"
grep -qx '         handler (app.js:12)' stdout
ok $? "in the dump that it makes itself, too"
touch -d '-1 day' "/tmp/perf-$pid.map"
report "$pid"
! grep -q handler stdout && grep -q 'older than the process' stdout
ok $? "but not where the map is one of an earlier process"

if test "$(id -u)" -eq 0; then
	watched=$pid
	mkdir -p root/tmp
	start WEIR_MONITOR_INTERVAL=100ms generated "$work/address2" "$work/root"
	echo "$(cat address2) LazyCompile:*handler /srv/app.js:12:8" >"root/tmp/perf-$pid.map"
	# shellcheck disable=SC2317 # called by until_true
	has_handler()
	{
		report "$pid"
		grep -qx '         handler (app.js:12)' stdout
	}
	chown 65533 "root/tmp/perf-$pid.map"
	report "$pid"
	! grep -q handler stdout
	ok $? "of a process that has another root and user, it is no map of a third one's"
	chown 65534 "root/tmp/perf-$pid.map"
	until_true has_handler
	ok $? "but the map there, of that user"
	pid=$watched
else
	skip "of a process that has another root and user, it is the map there" "needs root"
fi

if ! command -v tmux >/dev/null; then
	skip "in weir top" "tmux is not installed"
	finish
fi
unset TMUX
mux()
{
	tmux -S "$work/tmux" -f /dev/null "$@"
}
trap 'mux kill-server 2>/dev/null; kill $other 2>/dev/null; end_all; rm -rf "$work" $maps' EXIT
# shellcheck disable=SC2317 # called by until_true
is_shown()
{
	mux capture-pane -p >stdout
	grep -Eq -e "$1" stdout
}
shows()
{
	until_true is_shown "$2"
	ok $? "$1"
}
mux new-session -d -x 132 -y 60 "LC_ALL=C.UTF-8 '$WEIR' top --delay 0.1 $pid; sleep 60"
until_true is_shown "process $pid"
mux send-keys 2
until_true is_shown 'WHERE'
# By live bytes: those that are kept come first.
mux send-keys s s
until_true is_shown 'WHERE'
mux send-keys Enter
shows "weir top shows the address where no map is new enough" '#1 +0x[0-9a-f]+'
echo "$address LazyCompile:~handler /srv/app.js:12:8" >"/tmp/perf-$pid.map"
shows "and the name once there is one" '#1 +handler \(app\.js:12\)'
echo "$address LazyCompile:*newer /srv/app.js:13:8" >>"/tmp/perf-$pid.map"
shows "and another one when the map has grown" '#1 +newer \(app\.js:13\)'

finish
