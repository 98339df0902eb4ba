/*
 * report.h -- what the writers of `weir report` share.
 *
 * Each writer turns a checked dump into one form. They print with stdio, never
 * fail but by the stream's own error, and keep nothing.
 */
#ifndef WEIR_CLI_REPORT_H
#define WEIR_CLI_REPORT_H

#include <stdio.h>

#include "cli/dump.h"
#include "cli/symbols.h"

#define REPORT_NAME_MAX 512
#define REPORT_SENTENCE_MAX 1024

struct report {
	FILE *to;
	const struct dump *dump;
	struct symbols *symbols;
	size_t columns;	 /* of the terminal, for the forms that people read */
	bool has_colour; /* escape sequences may be used */
	bool is_long;	 /* every site and every frame, however many */
};

/* Whether an argument of weir report is no file, but may be a process. */
bool report_is_process(const char *name);
/* Its dump, made from outside, to be freed by dump_free(). NULL, with a line in why or after a complaint. */
struct dump *report_live(const char *name, char *why, size_t size);

/* For people at a terminal: the verdict first. */
void report_text(const struct report *report);

/*
 * What grew between two dumps of one program. False, with a line in why, where they are of
 * different programs. report->dump is the later one.
 */
bool report_diff(const struct report *report, const struct dump *before, char *why, size_t why_size);

/* One page that needs nothing else. */
void report_html(const struct report *report);

/* Stacks with live bytes, outermost frame first: what flamegraph.pl and speedscope read. */
void report_folded(const struct report *report);

/* The same metrics as WEIR_METRICS_FILE has. */
void report_openmetrics(const struct report *report);

/*
 * profile.proto, gzip: live and allocated objects and space; or, with is_lifetimes, what was
 * allocated, freed, and is alive still (right-censored) under the names of tcmalloc's
 * lifetime profile. False with errno where there is no memory or the file cannot be written.
 */
bool report_pprof(const struct report *report, bool is_lifetimes);

/* --- the verdict, as sentences: report_verdict.c ------------------------------------ */

/* "dump 2 of pid 4711", or that it was read from outside; returns text. */
const char *report_origin(const struct dump *dump, char *text, size_t size);

/* "1 h 30 m", and how much faster time ran for the process where WEIR_TIME_SCALE rehearsed; returns text. */
const char *report_uptime(const struct dump *dump, char *text, size_t size);

/* Is it a leak, why, how long until the limit; returns text. */
const char *report_verdict(const struct dump *dump, char *text, size_t size);
/* Where; false where no site is under suspicion. */
bool report_guilty(const struct report *report, char *text, size_t size);

/* The buckets of ages that hold anything: [*first, *last); false where none does. */
bool report_lifetimes(const struct dump *dump, size_t *first, size_t *last);

/* Where a duration stands on the line of time that all forms draw: 0, 10 ms, to 1, 30 days; as its logarithm. */
double report_time_place(double seconds);

/* --- a site, as all forms name it: report_site.c ---------------------------------- */

/* "relay_push (queue.c:112)", or what is known of it; returns name. */
char *site_name(struct symbols *symbols, const struct dump_site *site, char *name, size_t size);

/* "queue.c:112" of one function, or "" ; returns place. */
char *symbol_place(const struct symbol *symbol, char *place, size_t size);

/* Call call with each function of the stack, outermost first, inlined ones included; with "[site
 * ID]" where there is no stack. */
void site_each_function(struct symbols *symbols, const struct dump_site *site,
    void (*call)(void *context, const char *name), void *context);

/* What the sites past the bound of the dump's list hold, as a site of no place; false: nothing. */
bool site_not_listed(const struct dump *dump, struct dump_site *site);

/* Do two dumps mean the same place in the same program? */
bool site_is_same(const struct dump_site *a, const struct dump_site *b);

/* A sentence on a reason of the risk model, or NULL for one that is not known. */
const char *reason_text(const char *reason);

#endif
