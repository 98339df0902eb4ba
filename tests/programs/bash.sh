#!/bin/bash
# bash.sh -- a shell under the preload object runs a hundred children at once,
# pipelines, substitutions and subshells, and sees each one's own exit status; large
# strings and arrays come out right; its trap for SIGUSR1 is still called.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs bash bash

cat >"$TMP/work.sh" <<'END'
set -u
pids=()
for i in {1..100}; do
	(sleep 0.0$((i % 7)); exit $((i % 50))) &
	pids+=($!)
done
wrong=0
for i in {1..100}; do
	wait "${pids[i - 1]}"
	[ $? = $((i % 50)) ] || wrong=$((wrong + 1))
done
echo "$wrong of 100 children ended with a wrong status"
for i in {1..40}; do
	/bin/sh -c "exit $i" | cat | (cat; exit 3)
	echo "${PIPESTATUS[*]}"
done
seq 1 200000 | sort -rn | awk '{ s += $1 } END { print s, NR }' | tr ' ' '-'
big=$(seq 1 60000)
echo "${#big}" "$(printf %s "$big" | cksum)"
joined=
for i in {1..60}; do joined+=${big:$i:2000}; done
echo "${#joined}" "$(printf %s "${joined//1/one}" | cksum)"
declare -A table
for i in {1..20000}; do table[key$i]=$((i * i)); done
sum=0
for key in "${!table[@]}"; do sum=$((sum + table[$key])); done
echo "${#table[@]}" "$sum"
echo "$(echo "$(echo "$(echo "$(echo deep)")")")"
diff <(seq 1 5000) <(seq 1 5000 | tac | sort -n) && echo equal
END

run() { "$1" bash "$TMP/work.sh" >"$TMP/$1.out" 2>"$TMP/$1.err"; }
run plain
same "the shell works here without the object" 0 "$?"
run under
same "it ends with status 0" 0 "$?"
same "and prints the same" "$(cat "$TMP/plain.out")" "$(cat "$TMP/under.out")"
check "a hundred children had the status that they should" grep -q '^0 of 100' "$TMP/under.out"
under bash -c 'kill -SEGV $$' 2>/dev/null
same "a shell that dies by a signal dies by that signal" $((128 + 11)) "$?"
under bash -c 'exec /bin/sh -c "exit 7"' 2>>"$TMP/under.err"
same "exec passes the status on" 7 "$?"

# shellcheck disable=SC2016 # expanded by the shell that is started
start trap under bash -c 'count=0; trap "count=\$((count + 1)); echo \$count" USR1; echo ready
	while [ $count -lt 3 ]; do big=$(seq 1 20000); done; exit $((40 + count))'
until_true 10 grep -q ready "$TMP/trap.out"
for count in 1 2 3; do
	kill -USR1 "$STARTED"
	until_true 10 grep -qx "$count" "$TMP/trap.out"
done
check_dump "its trap for SIGUSR1 is called, and each signal leaves a dump" signal bash "$STARTED" 3 10
end_of "$STARTED" 10
same "three times" 43 "$?"

check_quiet "$TMP/under.err" "$TMP/trap.err"
finish
