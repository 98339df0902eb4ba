#!/bin/bash
# screenshot.sh -- docs/report.png anew: the page of weir report on a program that loses buffers.
#
#   scripts/screenshot.sh BUILD_DIR
#
# To be run after a change of the page. Needs chromium and a C compiler.
set -euo pipefail
build=$(cd "$1" && pwd) top=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
columns=1000

# A relay that answers from a table, and forgets one in twenty of the buffers that it queues.
cat >"$scratch/relay.c" <<'C'
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUED 64
#define NOINLINE __attribute__((noinline))

static void *volatile queue[QUEUED], *volatile config[40];

NOINLINE void load_config(void)
{
	for (int i = 0; i < 40; i++)
		config[i] = memset(malloc(4096), 1, 4096);
}

NOINLINE void queue_push(int n)
{
	void *buffer = memset(malloc(65536), n, 65536);

	if (n % 20 != 0)
		free(queue[n % QUEUED]);
	queue[n % QUEUED] = buffer;
}

NOINLINE void client_send(int n)
{
	char *volatile header = malloc(8192 + (size_t)(n % 7) * 1024);

	header[0] = 1;
	usleep(500);
	free(header);
}

NOINLINE void serve_client(int n)
{
	queue_push(n);
	client_send(n);
	__asm__ volatile("");
}

int main(void)
{
	load_config();
	for (int n = 1; n < 16000; n++)
		serve_client(n);
	return raise(SIGUSR1);
}
C
"${CC:-cc}" -g -O1 -o "$scratch/relay" "$scratch/relay.c"
(
	cd "$scratch"
	LD_PRELOAD=$build/libweir-preload.so WEIR_DUMP=dump.json WEIR_DUMP_FORMAT=json WEIR_LOG=off \
		WEIR_MEMORY_LIMIT=256M WEIR_TIME_SCALE=200 WEIR_MONITOR_INTERVAL=10s ./relay
)
"$build/weir" report --html --output "$scratch/page.html" "$scratch/dump.json"

browse() # FILE OPTION...
{
	timeout 60 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run \
		--user-data-dir="$scratch/profile" --window-size="$columns,${lines:-1000}" "${@:2}" "file://$1" 2>"$scratch/log"
}
# How tall the page is, as the browser lays it out.
sed 's|</body>|<script>document.title="tall "+document.documentElement.scrollHeight</script></body>|' \
	"$scratch/page.html" >"$scratch/tall.html"
lines=$(browse "$scratch/tall.html" --dump-dom | sed -n 's/.*<title>tall \([0-9]*\)<.*/\1/p')
browse "$scratch/page.html" --screenshot="$scratch/report.png" >/dev/null
mv "$scratch/report.png" "$top/docs/report.png"
