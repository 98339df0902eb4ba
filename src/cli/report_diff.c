/*
 * report_diff.c -- what grew from one dump to a later one, by site and size class.
 *
 * Sites are matched by their id, which is made of modules and offsets, and where
 * that fails by their frames; so two runs of the same program compare as well.
 * Dumps of different programs are refused: nothing in them would match.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"

#define SITES_SHOWN 20
#define BUCKETS 1024

struct change {
	const struct dump_site *before, *after; /* one may be NULL */
	double bytes;
};

static double live_bytes(const struct dump_site *site)
{
	return site != NULL ? site->live_bytes : 0;
}

static double live_objects(const struct dump_site *site)
{
	return site != NULL ? site->live_objects : 0;
}

static int by_growth(const void *a, const void *b)
{
	double x = ((const struct change *)a)->bytes, y = ((const struct change *)b)->bytes;

	return (x < y) - (x > y);
}

static size_t bucket_of(const char *id)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *id != '\0'; id++)
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	return hash % BUCKETS;
}

/*
 * The sites of both, each once; to be freed. A site's id is found by a chain of
 * those of the same hash; only where it is not there are frames compared, among
 * those that nobody has claimed.
 */
static struct change *match(const struct dump *before, const struct dump *after, size_t *count)
{
	struct change *changes = calloc(before->site_count + after->site_count + 1, sizeof *changes);
	size_t *next = calloc(before->site_count + 1, sizeof *next), heads[BUCKETS] = {0};
	bool *is_claimed = calloc(before->site_count + 1, sizeof *is_claimed);
	size_t left = before->site_count;

	*count = 0;
	if (changes == NULL || next == NULL || is_claimed == NULL) {
		free(changes);
		changes = NULL;
		goto out;
	}
	for (size_t i = 0; i < before->site_count; i++) {
		size_t bucket = bucket_of(before->sites[i].id);

		next[i] = heads[bucket];
		heads[bucket] = i + 1;
	}
	for (size_t i = 0; i < after->site_count; i++) {
		const struct dump_site *site = &after->sites[i];
		size_t at = heads[bucket_of(site->id)];

		while (at != 0 && (is_claimed[at - 1] || strcmp(before->sites[at - 1].id, site->id) != 0))
			at = next[at - 1];
		for (size_t k = 0; at == 0 && left > 0 && k < MIN(before->site_count, (size_t)BUCKETS); k++)
			if (!is_claimed[k] && site_is_same(&before->sites[k], site))
				at = k + 1;
		changes[*count].after = site;
		if (at != 0) {
			changes[*count].before = &before->sites[at - 1];
			is_claimed[at - 1] = true;
			left--;
		}
		(*count)++;
	}
	for (size_t i = 0; i < before->site_count; i++)
		if (!is_claimed[i])
			changes[(*count)++].before = &before->sites[i];
	for (size_t i = 0; i < *count; i++)
		changes[i].bytes = live_bytes(changes[i].after) - live_bytes(changes[i].before);
	qsort(changes, *count, sizeof *changes, by_growth);
out:
	free(next);
	free(is_claimed);
	return changes;
}

/* NAN where one of them does not say when it was taken. */
static double seconds_between(const struct dump *before, const struct dump *after)
{
	uint64_t a = dump_unix_ns(before->taken_at), b = dump_unix_ns(after->taken_at);

	return a != 0 && b != 0 ? ((double)b - (double)a) / (double)SECOND : NAN;
}

static void put_row(const struct report *r, const char *name, double before, double after, bool is_bytes)
{
	char a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX], c[TEXT_FIGURE_MAX], sign[TEXT_FIGURE_MAX + 1];

	if (is_bytes) {
		fprintf(r->to, "  %-20s %11s %11s %11s\n", name, text_bytes(a, before), text_bytes(b, after),
		    text_bytes_signed(c, after - before));
		return;
	}
	snprintf(sign, sizeof sign, "%s%s", after > before ? "+" : "", text_count(c, after - before));
	fprintf(r->to, "  %-20s %11s %11s %11s\n", name, text_count(a, before), text_count(b, after), sign);
}

static void put_totals(const struct report *r, const struct dump *a, const struct dump *b)
{
	fprintf(r->to, "\n  %-20s %11s %11s %11s\n", "", "before", "after", "change");
	put_row(r, "pool, in use", (double)a->metrics.total_used_bytes, (double)b->metrics.total_used_bytes,
	    true);
	put_row(r, "pool, held", (double)a->metrics.total_allocated_bytes,
	    (double)b->metrics.total_allocated_bytes, true);
	put_row(
	    r, "buffers in use", (double)a->metrics.buffers_in_use, (double)b->metrics.buffers_in_use, false);
	if (a->fallback.is_there && b->fallback.is_there)
		put_row(r, "jemalloc, allocated", (double)a->fallback.allocated,
		    (double)b->fallback.allocated, true);
	if (a->process.rss_bytes != 0 && b->process.rss_bytes != 0)
		put_row(
		    r, "process, resident", (double)a->process.rss_bytes, (double)b->process.rss_bytes, true);
	if (a->risk.is_there && b->risk.is_there)
		fprintf(r->to, "  %-20s %11s %11s\n", "risk of a leak", dump_level_name(a->risk.level),
		    dump_level_name(b->risk.level));
}

static void put_sites(const struct report *r, const struct change *changes, size_t count)
{
	size_t shown = 0, grown = 0;

	fputs("\nSites, by growth of what is alive\n", r->to);
	for (size_t i = 0; i < count; i++) {
		const struct change *change = &changes[i];
		const struct dump_site *site = change->after != NULL ? change->after : change->before;
		char name[REPORT_NAME_MAX], a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX];
		double objects = live_objects(change->after) - live_objects(change->before);

		if (change->bytes == 0 && objects == 0)
			continue;
		grown++;
		if (shown >= SITES_SHOWN && !r->is_long)
			continue;
		shown++;
		fprintf(r->to, "  %12s %10s%s objects  ", text_bytes_signed(a, change->bytes),
		    objects > 0 ? "+" : "", text_count(b, objects));
		if (change->before == NULL)
			fputs("new: ", r->to);
		if (change->after == NULL)
			fputs("no longer listed: ", r->to);
		text_wrap(r->to, site_name(r->symbols, site, name, sizeof name), 34, r->columns, 34);
	}
	if (grown == 0)
		fputs("  none has changed\n", r->to);
	if (shown < grown)
		fprintf(r->to, "  and %zu more (--all)\n", grown - shown);
}

static const struct dump_class *class_of(const struct dump *dump, uint64_t size_bytes)
{
	for (size_t i = 0; i < dump->class_count; i++)
		if (dump->classes[i].size_bytes == size_bytes)
			return &dump->classes[i];
	return NULL;
}

static void put_classes(const struct report *r, const struct dump *before, const struct dump *after)
{
	bool is_any = false;

	fputs("\nSize classes, buffers in use\n", r->to);
	for (unsigned pass = 0; pass < 2; pass++) {
		const struct dump *of = pass == 0 ? after : before, *other = pass == 0 ? before : after;

		for (size_t i = 0; i < of->class_count; i++) {
			const struct dump_class *mine = &of->classes[i];
			const struct dump_class *theirs = class_of(other, mine->size_bytes);
			double in_use = (double)mine->in_use;
			double elsewhere = theirs != NULL ? (double)theirs->in_use : 0;
			char size[TEXT_FIGURE_MAX];

			/* Those of both are shown in the first pass. */
			if (in_use == elsewhere || (pass == 1 && theirs != NULL))
				continue;
			is_any = true;
			put_row(r, text_bytes(size, (double)mine->size_bytes), pass == 0 ? elsewhere : in_use,
			    pass == 0 ? in_use : elsewhere, false);
		}
	}
	if (!is_any)
		fputs("  none has changed\n", r->to);
}

static const char *program_build_id(const struct dump *dump)
{
	for (size_t i = 0; i < dump->mapping_count; i++)
		if (strcmp(dump->mappings[i].path, dump->exe) == 0)
			return dump->mappings[i].build_id;
	return "";
}

static void put_title(const struct report *r, const struct dump *before, const struct dump *after)
{
	bool is_one_process = before->pid == after->pid && strcmp(before->started_at, after->started_at) == 0;
	const char *a = program_build_id(before), *b = program_build_id(after);
	char figure[TEXT_FIGURE_MAX], text[REPORT_SENTENCE_MAX], from[64], to[64];
	double seconds = seconds_between(before, after);

	snprintf(text, sizeof text, "%s: from %s (%s) to %s (%s)", after->program, before->taken_at,
	    report_origin(before, from, sizeof from), after->taken_at, report_origin(after, to, sizeof to));
	if (seconds >= 0)
		text_append(text, sizeof text, ", %s", text_duration(figure, seconds));
	text_wrap(r->to, text, 2, r->columns, 0);
	if (seconds < 0)
		fputs("The first dump is the later one: what fell has grown.\n", r->to);
	if (!is_one_process)
		fputs("These are two runs of it.\n", r->to);
	if (strcmp(a, b) != 0 && a[0] != '\0' && b[0] != '\0')
		fputs("The program was rebuilt in between: its own sites cannot be matched.\n", r->to);
}

bool report_diff(const struct report *report, const struct dump *before, char *why, size_t why_size)
{
	const struct dump *after = report->dump;
	struct change *changes;
	size_t count;

	if (strcmp(before->program, after->program) != 0) {
		snprintf(why, why_size,
		    "these are dumps of different programs, %.80s and %.80s: nothing to compare",
		    before->program, after->program);
		return false;
	}
	changes = match(before, after, &count);
	if (changes == NULL) {
		snprintf(why, why_size, "there is no memory to compare them");
		return false;
	}
	put_title(report, before, after);
	put_totals(report, before, after);
	if (before->has_sites || after->has_sites)
		put_sites(report, changes, count);
	put_classes(report, before, after);
	free(changes);
	return true;
}
