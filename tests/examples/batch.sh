#!/bin/bash
# batch.sh -- examples/batch: what comes in goes out, in fewer writes, whoever is slow.
# Environment: see common/tap.sh.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

program=$build_dir/examples/batch
[ -x "$program" ] || skip_all 'examples/batch is not built'

# A reader that begins late: by then more waits than pipe and backlog hold.
slow_reader()
{
	head -c 3000000 /dev/urandom >"$scratch/in"
	"$program" <"$scratch/in" | { sleep 0.3; cat; } >"$scratch/out"
	cmp "$scratch/in" "$scratch/out"
}

# 200 lines, each written by itself: a hundred of them in one batch or more.
fewer_writes()
{
	python3 -uc 'for i in range(200): print("token", i)' | "$program" | python3 -c '
import os, sys
reads, data = 0, b""
while got := os.read(0, 65536):
    reads, data = reads + 1, data + got
print(reads, "reads")
sys.exit(reads > 100 or data != b"".join(b"token %d\n" % i for i in range(200)))'
}

expect 'what comes in goes out, though the reader is slow' slow_reader
expect 'many small writes become few' fewer_writes
expect 'nothing in, nothing out' test -z "$("$program" </dev/null)"
plan
