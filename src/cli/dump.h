/*
 * dump.h -- a dump as it was read and checked, and what is asked of one.
 *
 * What stands in these structs keeps its promises whatever the file held: texts
 * are UTF-8 without control characters, numbers are finite and in range, lists
 * are as long as their counts say. Not thread-safe; nothing global.
 */
#ifndef WEIR_CLI_DUMP_H
#define WEIR_CLI_DUMP_H

#include "base/compiler.h"

enum dump_level { LEVEL_UNKNOWN, LEVEL_LOW, LEVEL_MEDIUM, LEVEL_HIGH };

/* dump_fields.def says what the members mean. A section that may be missing has
 * ->is_there; a number that may be missing is NAN, or 0 where it is a count. */
#define DUMP_COUNT uint64_t
#define DUMP_REAL double
#define DUMP_SIGNED double
#define DUMP_SHARE double
#define DUMP_TEXT const char *
#define DUMP_TIME const char *
#define DUMP_LEVEL enum dump_level
#define DUMP_BOOL bool
#define DUMP_ADDRESS uint64_t
#define DUMP_NAME const char *
#define DUMP_MEMBER(name, type, when, unit, meaning) DUMP_##type name;

struct dump_metrics {
#define DUMP_METRICS DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_buffer {
#define DUMP_BUFFER DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_class {
#define DUMP_CLASS DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_heap {
#define DUMP_HEAP DUMP_MEMBER
#include "cli/dump_fields.def"
};
/* Of heap, in it as "apart". */
struct dump_apart {
#define DUMP_APART DUMP_MEMBER
#include "cli/dump_fields.def"
	bool is_there;
};
struct dump_risk {
#define DUMP_RISK DUMP_MEMBER
#include "cli/dump_fields.def"
	bool is_there;
};
struct dump_frame {
#define DUMP_FRAME DUMP_MEMBER
#include "cli/dump_fields.def"
	const char *build_id;  /* of the mapping of its module; "" where there is none */
	const char *generated; /* what a perf map calls a place in generated code; NULL: none does */
};
struct dump_site {
#define DUMP_SITE DUMP_MEMBER
#include "cli/dump_fields.def"
	struct dump_frame *frames; /* innermost first */
	size_t frame_count;
};
/* Buckets of ages, each from where the one before it ends. */
struct dump_lifetime {
#define DUMP_LIFETIME DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_by_size {
#define DUMP_BY_SIZE DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_not_listed {
#define DUMP_NOT_LISTED DUMP_MEMBER
#include "cli/dump_fields.def"
	bool is_there;
};
struct dump_tracking {
#define DUMP_TRACKING DUMP_MEMBER
#include "cli/dump_fields.def"
	bool is_there;
};
struct dump_pressure {
#define DUMP_PRESSURE DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_fallback {
#define DUMP_FALLBACK DUMP_MEMBER
#include "cli/dump_fields.def"
	bool is_there;
};
struct dump_process {
#define DUMP_PROCESS DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_mapping {
#define DUMP_MAPPING DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_advice {
#define DUMP_ADVICE DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_health {
#define DUMP_HEALTH DUMP_MEMBER
#include "cli/dump_fields.def"
};
struct dump_setting {
	const char *name, *value;
};

/* All that a dump holds goes at once. */
struct dump_block {
	struct dump_block *next;
	_Alignas(16) char bytes[];
};

struct dump {
#define DUMP_TOP DUMP_MEMBER
#include "cli/dump_fields.def"
	struct dump_metrics metrics;
	struct dump_heap heap;
	struct dump_apart apart;
	struct dump_risk risk;
	struct dump_pressure pressure;
	struct dump_fallback fallback;
	struct dump_process process;
	struct dump_health health;
	struct dump_tracking tracking;
	struct dump_not_listed not_listed;
	struct dump_buffer *buffers;
	size_t buffer_count;
	struct dump_class *classes;
	size_t class_count;
	struct dump_site *sites;
	size_t site_count;
	struct dump_lifetime *lifetimes;
	size_t lifetime_count;
	struct dump_by_size *lifetimes_by_size;
	size_t by_size_count;
	struct dump_mapping *mappings;
	size_t mapping_count;
	struct dump_advice *recommendations;
	size_t recommendation_count;
	struct dump_setting *config;
	size_t setting_count;

	bool has_sites;		   /* the dump has the list, be it empty */
	struct dump_block *blocks; /* all memory of the above */

	/* Beside what the dump says. */
	bool is_live;		/* it was made of process ->pid just now, from outside */
	uint32_t owner;		/* the user whose file it is, or whose process; 0 where that is not known */
	struct perf_map *names; /* what ->generated points into, or NULL: generated.c */
	size_t nameless;	/* frames of its sites in generated code without a name, */
	char why_nameless[128]; /* and why */
};

/* dump may be NULL. */
void dump_free(struct dump *dump);

/* "LOW"; "unknown" where the dump does not say. */
const char *dump_level_name(enum dump_level level);

/* A time of a dump as Unix time in nanoseconds; 0 where it is none. */
uint64_t dump_unix_ns(const char *time);

/* The setting of this name ("monitor_interval") as the dump has it, or NULL. */
const char *dump_setting(const struct dump *dump, const char *name);

#endif
