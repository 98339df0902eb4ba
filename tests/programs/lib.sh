# shellcheck shell=bash
# lib.sh -- what the tests of real programs share; sourced by them, never run.
#
# A test runs one program of Debian with and without the preload object and
# compares. It is called with
#
#   TEST_OBJECT    the object to preload, an absolute path.
#                  Any allocator will do to prove the test itself; what only Weir
#                  can do (a dump) is skipped unless it is called libweir-preload.so.
#   CI=true        a program that is not installed is a failure, not a skip.
#   WEIR_KEEP_TMP  set: the temporary directory stays.
#
# and says what it found in TAP on stdout. Its shape:
#
#   . "$(dirname "$0")/lib.sh"
#   needs PACKAGE COMMAND...
#   check "a fact" COMMAND...
#   finish
#
# Invariants: every process that runs in the foreground has a time limit; every
# one in the background is ended by its own pid at the latest when the script
# ends, and by the kernel if the script is killed; servers listen on 127.0.0.1 at
# ports that were free; nothing is written outside $TMP.

set -u -o pipefail

export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin
export LC_ALL=C.UTF-8
unset LD_PRELOAD

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHON=/usr/bin/python3
LIMIT=${LIMIT:-240} # seconds for one foreground command, which is then taken to hang

TEST_OBJECT=${TEST_OBJECT:-}
case $TEST_OBJECT in
/*) ;;
*) echo "Bail out! TEST_OBJECT is not an absolute path: '$TEST_OBJECT'" && exit 1 ;;
esac
[ -r "$TEST_OBJECT" ] || { echo "Bail out! cannot read $TEST_OBJECT" && exit 1; }

# Others may have to enter (servers that give up root) but never to list or change what is there.
TMP=$(mktemp -d "${TMPDIR:-/tmp}/weir-programs.XXXXXX") || exit 1
DUMPS=$TMP/dumps
chmod 0711 "$TMP"
mkdir -m 1777 "$DUMPS"

# Read through a name reference by in_mode(): a mode is "plain" or "under".
# shellcheck disable=SC2034
plain_env=(env -u LD_PRELOAD)
# shellcheck disable=SC2034
under_env=(env "LD_PRELOAD=$TEST_OBJECT" "WEIR_DUMP=$DUMPS/%e.%p.%n" "WEIR_DUMP_FORMAT=json,text")

is_weir() { [ "${TEST_OBJECT##*/}" = libweir-preload.so ]; }

# ---- TAP ----

checks=0
failures=0

ok() { # FACT
	checks=$((checks + 1))
	echo "ok $checks - $1"
}

not_ok() { # FACT [FILE...]: the ends of the files say why
	local file
	checks=$((checks + 1))
	failures=$((failures + 1))
	echo "not ok $checks - $1"
	shift
	for file; do
		echo "# the end of ${file##*/}:"
		tail -n 15 "$file" 2>&1 | sed 's/^/#   /'
	done
}

skip() { # FACT REASON
	checks=$((checks + 1))
	echo "ok $checks - $1 # SKIP $2"
}

note() { echo "# $*"; }

check() { # FACT COMMAND...: the command succeeds
	local fact=$1
	shift
	if "$@" >"$TMP/check.out" 2>&1; then
		ok "$fact"
	else
		not_ok "$fact" "$TMP/check.out"
		return 1
	fi
}

nothing=$(sha256sum </dev/null)
nothing=${nothing%% *}

same() { # FACT A B: two texts are equal, and there is something to compare
	if [ -n "$2" ] && [ "$2" = "$3" ] && [[ $2 != *"$nothing"* ]]; then
		ok "$1"
	else
		{ printf '%s\n' "$2" >"$TMP/same.a"; printf '%s\n' "$3" >"$TMP/same.b"; }
		diff "$TMP/same.a" "$TMP/same.b" >"$TMP/same.diff" && echo "both are nothing" >>"$TMP/same.diff"
		not_ok "$1" "$TMP/same.diff"
		return 1
	fi
}

finish() {
	local file
	if [ "$failures" != 0 ]; then
		for file in "$TMP"/*.err; do
			[ -s "$file" ] || continue
			echo "# the end of ${file##*/}:"
			tail -n 10 "$file" | sed 's/^/#   /'
		done
	fi
	echo "1..$checks"
	[ "$failures" = 0 ]
	exit
}

needs() { # PACKAGE COMMAND...
	local package=$1 command
	shift
	for command; do
		[ -n "$(type -P "$command")" ] && continue
		if [ "${CI:-}" = true ]; then
			not_ok "$command of the package $package is installed"
			finish
		fi
		echo "1..0 # SKIP $command of the package $package is not installed"
		exit 0
	done
}

# ---- running ----

# In the foreground, with a time limit. exit status 124: it did not end.
plain() { timeout -k 5 "$LIMIT" "${plain_env[@]}" "$@"; }
under() { timeout -k 5 "$LIMIT" "${under_env[@]}" "$@"; }

# In the background; its pid is in $STARTED, its output in $TMP/NAME.out and .err.
running=()
start() { # NAME plain|under COMMAND...
	local name=$1
	local -n mode_env=${2}_env
	shift 2
	(exec setpriv --pdeathsig TERM "${mode_env[@]}" "$@") \
		</dev/null >"$TMP/$name.out" 2>"$TMP/$name.err" &
	STARTED=$!
	running+=("$STARTED")
}

# Wait until one of our background processes has ended; returns its exit status.
end_of() { # PID SECONDS
	local tries=$(($2 * 20))
	while kill -0 "$1" 2>/dev/null; do
		if ((tries-- == 0)); then
			note "process $1 did not end within $2 s and is killed"
			kill -KILL "$1"
		fi
		sleep 0.05
	done
	wait "$1" 2>/dev/null
}

until_true() { # SECONDS COMMAND...
	local tries=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		((tries-- == 0)) && return 1
		sleep 0.05
	done
}

free_port() {
	"$PYTHON" -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])'
}

can_connect() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

until_listening() { # PORT PID
	local tries=200
	until can_connect "$1"; do
		if ! kill -0 "$2" 2>/dev/null || ((tries-- == 0)); then
			return 1
		fi
		sleep 0.05
	done
}

children_of() { pgrep -P "$1" | sort -n | tr '\n' ' '; }

sha() { sha256sum "$@" | cut -d' ' -f1; } # FILE...
sha_in() { sha256sum | cut -d' ' -f1; }

# Names and hashes of the files in a folder, the same wherever the folder stands.
tree_sha() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

# ---- what Weir says ----

# Nothing but announcements of dumps may come from Weir while all settings are right.
is_quiet() { # FILE...
	local lines
	lines=$(grep -ahoE 'weir\[[0-9]+\]: .*' "$@" | grep -vE '^weir\[[0-9]+\]: dump [0-9]+ \([a-z]+\): .*\.(txt|json|om) *$') # git pads what its server says
	[ -z "$lines" ] || { echo "$lines" && return 1; }
}

check_quiet() { # FILE...
	check "Weir says nothing but which dumps it wrote" is_quiet "$@"
}

# COUNT dumps are there, whole, in both formats, and tell of at least so many allocations together.
check_dump() { # FACT TRIGGER NAME PID|'*' COUNT ALLOCATIONS
	if is_weir; then
		check "$1" "$PYTHON" "$here/dump_check.py" "$DUMPS" "${@:2}"
	else
		skip "$1" "the object is not Weir"
	fi
}

# ---- the end ----

clean_up() {
	local pid
	for pid in ${running[@]+"${running[@]}"}; do
		kill -0 "$pid" 2>/dev/null || continue
		kill -TERM "$pid"
		until_true 3 eval "! kill -0 $pid" || kill -KILL "$pid"
	done
	if [ -n "${WEIR_KEEP_TMP:-}" ]; then
		note "kept: $TMP"
	else
		rm -rf "$TMP"
	fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP
