/*
 * snapshot.h -- one cut of everything that Weir knows, and what is written of it.
 *
 * The front end (the interposer, later the library) fills a snapshot: the pool's
 * part by pool_stats_collect(), the rest from the facts of its last monitor tick.
 * The writers only read it. Nothing here allocates, locks or uses stdio, so all of
 * it may run in a signal handler; a snapshot is large and lives in static memory.
 */
#ifndef WEIR_REPORT_SNAPSHOT_H
#define WEIR_REPORT_SNAPSHOT_H

#include "base/meminfo.h"
#include "base/options.h"
#include "base/out.h"
#include "pool/pressure.h"
#include "pool/stats.h"
#include "track/track.h"

#define SNAPSHOT_BUFFERS_MAX 64
#define SNAPSHOT_ADVICE_MAX 10

/* jemalloc's own figures, as of the last tick: mallctl takes locks. */
struct fallback_stats {
	bool is_known;
	uint64_t allocated_bytes, active_bytes, resident_bytes, retained_bytes, metadata_bytes;
};

enum dump_trigger { TRIGGER_SIGNAL, TRIGGER_EXIT, TRIGGER_COMMAND, TRIGGER_API, TRIGGER_INTERVAL };

struct advice {
	const char *code;     /* stable, upper case: POOL_LIMIT_NEAR */
	const char *severity; /* info, warning, critical */
	char text[256];	      /* one or two sentences, with the figures behind them and what to do */
};

struct snapshot {
	const struct settings *settings;
	const char *pool_name; /* of libweir, whose settings these are; NULL: the process's engine */
	uint64_t unknown_ids;  /* of libweir: calls with an id that named no buffer */
	uint32_t pid;
	char program[128]; /* as it was started, perhaps by a link; empty: not known */
	char exe[256];
	char boot_id[40];
	uint64_t started_at_ns; /* Unix time */
	uint64_t taken_at_ns;
	uint64_t uptime_ns; /* scaled by WEIR_TIME_SCALE, as every age is */
	uint64_t sequence;
	enum dump_trigger trigger;

	struct pool_stats pool;
	struct pool_buffer_info buffers[SNAPSHOT_BUFFERS_MAX];
	uint64_t buffer_sites[SNAPSHOT_BUFFERS_MAX]; /* ids; 0: not tracked */
	unsigned buffer_count;
	uint64_t now_ticks;

	struct track_snapshot track;
	struct pressure pressure;
	struct fallback_stats fallback;
	struct process_info process;
	const char *background; /* who does the maintenance: "thread", "inline" or "never" */

	struct advice advice[SNAPSHOT_ADVICE_MAX];
	unsigned advice_count;
};

/* Derive ->advice from the other members; each one only where the facts behind it hold. */
void advice_derive(struct snapshot *snapshot);

void write_text(struct out *out, const struct snapshot *snapshot);
void write_json(struct out *out, const struct snapshot *snapshot);
void write_openmetrics(struct out *out, const struct snapshot *snapshot);
/* The same for those who read Prometheus' text form, where a counter's type has _total in its name. */
void write_prometheus(struct out *out, const struct snapshot *snapshot);

#endif
