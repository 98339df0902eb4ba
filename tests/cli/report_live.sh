#!/bin/bash
# report_live.sh -- dumps of real processes: they keep to the schema, and weir report reads each of them.

# shellcheck disable=SC2016,SC2154

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

build=$(cd "${TEST_BUILD_DIR:-$(dirname "$WEIR")}" && pwd)
object=${TEST_OBJECT:?the object to preload}
cd "$work" || exit 1
: >stdout
: >stderr
status=0

# dump_of NAME SETTING... -- COMMAND...: its dumps are NAME.1.json and so on
dump_of()
{
	local name=$1 settings=()
	shift
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	shift
	env "${settings[@]}" WEIR_DUMP="$work/$name.%n" WEIR_DUMP_FORMAT=json,openmetrics LD_PRELOAD="$object" "$@" \
		>stdout 2>stderr
	status=$?
}

keeps_to_the_schema()
{
	# Members that the schema does not name must not be there either: a reader may skip them, our own writer may not
	# write what no page describes.
	python3 - "$build/man/weir-dump.schema.json" "$@" >stdout 2>stderr <<'P'
import json, sys
import jsonschema

def closed(node):
    if isinstance(node, dict):
        node = {name: closed(value) for name, value in node.items()}
        if "properties" in node:
            node["additionalProperties"] = False
    elif isinstance(node, list):
        node = [closed(value) for value in node]
    return node

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(closed(schema))
faults = 0
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        dump = json.load(file)
    for error in validator.iter_errors(dump):
        faults += 1
        print(path, error.json_path, error.message[:200])
# The check itself sees what is wrong.
dump["metrics"]["gc_count"] = -1
assert not validator.is_valid(dump)
sys.exit(faults != 0)
P
	status=$?
}

dump_of shell -- bash -c 'a=$(seq 100000); kill -USR1 $$; kill -USR1 $$; echo "${#a}"'
test "$status" -eq 0 && [ -s shell.1.json ] && [ -s shell.2.json ]
ok $? "a shell leaves two dumps"
dump_of threads WEIR_MONITOR_INTERVAL=100ms WEIR_BACKGROUND=always WEIR_DUMP_AT_EXIT=on -- /usr/bin/python3 -c '
import os, signal, threading, time
kept = []
def work():
    for i in range(4000):
        b = bytearray(4096 + i * 16 % 200000)
        if i % 10 == 0:
            kept.append(b)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGUSR1)
'
test "$status" -eq 0 && [ -s threads.1.json ] && [ -s threads.2.json ]
ok $? "a program with threads leaves one more at its exit"
dump_of off WEIR_ENABLE=off -- bash -c 'kill -USR1 $$; :'
test "$status" -eq 0 && [ -s off.1.json ]
ok $? "and one whose pool is off leaves one"

mapfile -t dumps < <(ls ./*.json)
if python3 -c 'import jsonschema; jsonschema.Draft202012Validator' 2>/dev/null; then
	keeps_to_the_schema "${dumps[@]}"
	ok $status "they keep to the schema, and have nothing that it does not know"
else
	skip "they keep to the schema" "python3-jsonschema is not installed"
fi
for file in "${dumps[@]}"; do
	try "$WEIR" report "$file"
	test "$status" -eq 0 && ! [ -s stderr ] && grep -q '^Size classes\|^Memory' stdout
	ok $? "weir report reads ${file#./}"
	try "$WEIR" report --openmetrics "$file"
	# A dump has times to the millisecond, cut off where the metrics are rounded.
	diff <(grep -v '_time_seconds{' stdout) <(grep -v '_time_seconds{' "${file%.json}.om") >stderr
	ok $? "its metrics from ${file#./} are those that the process wrote"
	try "$WEIR" report --html "$file"
	test "$status" -eq 0 && grep -q '</html>' stdout
	ok $? "and there is a page of it"
done
try "$WEIR" report --diff shell.1.json shell.2.json
test "$status" -eq 0 && grep -q '^Size classes, buffers in use' stdout
ok $? "two dumps of one process compare"

finish
