# tap.sh -- what the tests of the command share; sourced by each of them.
# shellcheck shell=sh
#
# WEIR names the command under test and CC the compiler; in `make check` TEST_WEIR
# and TEST_CC do, and TEST_SOURCE_DIR the source tree. Results go to stdout as
# TAP; the plan stands at the end, so that a test which stops early has none
# and fails.

WEIR=${WEIR:-${TEST_WEIR:-./weir}}
CC=${CC:-${TEST_CC:-cc}}
case $WEIR in
/*) ;;
*) WEIR=$PWD/$WEIR ;;
esac
if ! test -x "$WEIR"; then
	echo "Bail out! $WEIR is not there: WEIR says where the command is"
	exit 1
fi
unset WEIR_OBJECT LD_PRELOAD COLUMNS WEIR_LOG

tap_count=0
tap_failed=0
work=$(mktemp -d) || exit 1
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# ok STATUS NAME
ok()
{
	tap_count=$((tap_count + 1))
	if test "$1" -eq 0; then
		echo "ok $tap_count - $2"
	else
		echo "not ok $tap_count - $2"
		tap_failed=1
		sed 's/^/# stdout: /' "$work/stdout"
		sed 's/^/# stderr: /' "$work/stderr"
		echo "# status: $status"
	fi
}

# skip NAME REASON
skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# Run a command; leaves $status, $work/stdout and $work/stderr.
try()
{
	"$@" >"$work/stdout" 2>"$work/stderr"
	status=$?
}

# gives NAME STATUS STDOUT: what the last try gave.
gives()
{
	test "$status" -eq "$2" && test "$(cat "$work/stdout")" = "$3"
	ok $? "$1"
}

# says NAME STATUS PATTERN: the exit status, nothing on stdout, and an extended pattern on stderr.
says()
{
	test "$status" -eq "$2" && ! test -s "$work/stdout" && grep -Eq -e "$3" "$work/stderr"
	ok $? "$1"
}

finish()
{
	echo "1..$tap_count"
	exit $tap_failed
}
