/*
 * report_verdict.c -- the first sentences of a report: is it a leak, why, where, how long.
 *
 * What is not known is said to be so; nothing is worked out here that the dump
 * does not say.
 */
#include <math.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"

/* Below, nothing that is growing is worth a word. */
#define SCORE_OF_SOMETHING 0.1
#define EARLY 3600.0			  /* seconds of running, before which little can be told */
#define OUT_OF_SIGHT (10 * 365 * 86400.0) /* seconds: a limit beyond is no fact even of one that does */
#define FAR_OFF (7 * 86400.0) /* seconds: a limit beyond worries nobody whose program does not leak */

/* The one that the process's risk comes from, else the first of the list; NULL where none is at risk. */
static const struct dump_site *guilty_site(const struct dump *dump)
{
	const struct dump_site *site = dump->site_count > 0 ? &dump->sites[0] : NULL;

	if (!dump->risk.is_there)
		return NULL;
	for (size_t i = 0; i < dump->site_count; i++)
		if (strcmp(dump->sites[i].id, dump->risk.site) == 0)
			site = &dump->sites[i];
	/* The level of the process may be held down by how little it is, or up by what was. */
	return site != NULL && MAX(site->level, dump->risk.level) >= LEVEL_MEDIUM ? site : NULL;
}

/* What grows and was never freed so far; NULL where nothing does, or it counts for a suspect already. */
static const struct dump_site *growing_site(const struct dump *dump)
{
	if (!dump->risk.is_there || guilty_site(dump) != NULL || dump->risk.score < SCORE_OF_SOMETHING)
		return NULL;
	for (size_t i = 0; i < dump->site_count; i++)
		if (strcmp(dump->sites[i].reason, "FILLING_CACHE") == 0)
			return &dump->sites[i];
	return NULL;
}

static const char *say_level(const struct dump *dump)
{
	const struct dump_site *site = guilty_site(dump);
	enum dump_level of_site = site != NULL ? site->level : LEVEL_LOW;

	switch (dump->risk.level) {
	case LEVEL_HIGH:
		return "It leaks, very likely: HIGH";
	case LEVEL_MEDIUM:
		return of_site == LEVEL_HIGH
			   ? "It leaks, very likely, but little beside the memory limit: MEDIUM"
			   : "It may be leaking: MEDIUM";
	default:
		return of_site == LEVEL_HIGH	 ? "It leaks, very likely, but next to nothing: LOW"
		       : of_site == LEVEL_MEDIUM ? "It may be leaking, but next to nothing: LOW"
		       : growing_site(dump) != NULL
			   ? "A leak or a store that fills, which cannot be told yet: LOW"
		       : dump->risk.score >= SCORE_OF_SOMETHING ? "Hardly a sign of a leak: LOW"
								: "No sign of a leak: LOW";
	}
}

const char *report_verdict(const struct dump *dump, char *text, size_t size)
{
	const struct dump_risk *risk = &dump->risk;
	bool is_suspect = risk->level >= LEVEL_MEDIUM || guilty_site(dump) != NULL;
	char figure[TEXT_FIGURE_MAX];
	const char *why = is_suspect ? reason_text(risk->reason) : NULL;

	if (!risk->is_there) {
		snprintf(text, size,
		    "This dump does not say whether the program leaks: leaks were not "
		    "followed (WEIR_TRACK off, or a Weir that cannot).");
		return text;
	}
	if (!isfinite(dump->metrics.memory_leak_risk)) {
		snprintf(text, size, "Not judged yet: the first look is a monitor interval after the start.");
		return text;
	}
	if (!is_suspect && strcmp(risk->reason, "INSUFFICIENT_DATA") == 0) {
		snprintf(text, size,
		    dump->uptime_seconds < EARLY
			? "Too early to say whether it leaks: it has run for %s. Look again after an hour."
			: "Too little to say whether it leaks: in %s too few objects have stayed to judge by.",
		    text_duration(figure, dump->uptime_seconds));
		return text;
	}
	snprintf(text, size, "%s (risk %.2f, confidence %.2f%s%.80s)%s%s.", say_level(dump), risk->score,
	    risk->confidence, is_suspect ? ", " : "", is_suspect ? risk->reason : "", why != NULL ? ": " : "",
	    why != NULL ? why : "");
	if (risk->is_fragmenting)
		text_append(text, size, "%s",
		    is_suspect ? " Besides, resident memory grows faster than what it holds."
			       : " Resident memory grows while what it holds does not: fragmentation, or "
				 "memory that the program maps itself, and no leak of what it allocates.");
	if (isfinite(risk->time_to_limit_seconds) &&
	    risk->time_to_limit_seconds < (is_suspect ? OUT_OF_SIGHT : FAR_OFF))
		text_append(text, size, " At the present growth the memory limit is reached in %s.",
		    text_time_left(figure, risk->time_to_limit_seconds));
	return text;
}

const char *report_origin(const struct dump *dump, char *text, size_t size)
{
	if (dump->sequence != 0)
		snprintf(text, size, "dump %llu of pid %llu", (unsigned long long)dump->sequence,
		    (unsigned long long)dump->pid);
	else
		snprintf(text, size, "pid %llu, read from outside", (unsigned long long)dump->pid);
	return text;
}

const char *report_uptime(const struct dump *dump, char *text, size_t size)
{
	const char *scale = dump_setting(dump, "time_scale");
	char figure[TEXT_FIGURE_MAX];

	snprintf(text, size, "%s", text_duration(figure, dump->uptime_seconds));
	if (scale != NULL && strcmp(scale, "1") != 0)
		text_append(text, size, " (time runs %s times as fast)", scale);
	return text;
}

bool report_guilty(const struct report *report, char *text, size_t size)
{
	const struct dump_site *guilty = guilty_site(report->dump);
	const struct dump_site *site = guilty != NULL ? guilty : growing_site(report->dump);
	char name[REPORT_NAME_MAX], bytes[TEXT_FIGURE_MAX], count[TEXT_FIGURE_MAX], growth[TEXT_FIGURE_MAX];

	if (site == NULL)
		return false;
	snprintf(text, size, "%s is %s: %s alive in %s, %s an hour.",
	    guilty != NULL ? "The site to look at" : "What grows",
	    site_name(report->symbols, site, name, sizeof name), text_bytes(bytes, site->live_bytes),
	    text_number_of(count, site->live_objects, "object"),
	    text_bytes_signed(growth, site->growth_bytes_per_hour));
	return true;
}

bool report_lifetimes(const struct dump *dump, size_t *first, size_t *last)
{
	const struct dump_lifetime *l = dump->lifetimes;

	*first = 0;
	*last = dump->lifetime_count;
	while (*first < *last && l[*first].freed <= 0 && l[*first].live <= 0)
		++*first;
	while (*last > *first && l[*last - 1].freed <= 0 && l[*last - 1].live <= 0)
		--*last;
	return *first < *last;
}

double report_time_place(double seconds)
{
	const double from = 0.01, to = 30 * 86400.0;

	return fmin(log(fmax(seconds, from) / from) / log(to / from), 1);
}
