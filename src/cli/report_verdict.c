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

#define FAR_OFF (7 * 86400.0) /* seconds: a limit beyond worries nobody whose program does not leak */

/* The one that the process's risk comes from, else the first of the list; NULL where none is at risk. */
static const struct dump_site *guilty_site(const struct dump *dump)
{
	const struct dump_site *site = dump->site_count > 0 ? &dump->sites[0] : NULL;

	if (!dump->risk.is_there || dump->risk.level < LEVEL_MEDIUM)
		return NULL;
	for (size_t i = 0; i < dump->site_count; i++)
		if (strcmp(dump->sites[i].id, dump->risk.site) == 0)
			return &dump->sites[i];
	return site != NULL && site->level >= LEVEL_MEDIUM ? site : NULL;
}

const char *report_verdict(const struct dump *dump, char *text, size_t size)
{
	const struct dump_risk *risk = &dump->risk;
	bool is_suspect = risk->level >= LEVEL_MEDIUM;
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
		    "Too early to say whether it leaks: it has run for %s. Look again later.",
		    text_duration(figure, dump->uptime_seconds));
		return text;
	}
	snprintf(text, size, "%s (risk %.2f, confidence %.2f%s%.80s)%s%s.",
	    risk->level == LEVEL_HIGH	  ? "It leaks, very likely: HIGH"
	    : risk->level == LEVEL_MEDIUM ? "It may be leaking: MEDIUM"
					  : "No sign of a leak: LOW",
	    risk->score, risk->confidence, is_suspect ? ", " : "", is_suspect ? risk->reason : "",
	    why != NULL ? ": " : "", why != NULL ? why : "");
	if (risk->is_fragmenting)
		text_append(text, size,
		    " Resident memory grows while what it holds does not: fragmentation, no leak.");
	if (isfinite(risk->time_to_limit_seconds) && (is_suspect || risk->time_to_limit_seconds < FAR_OFF))
		text_append(text, size, " At the present growth the memory limit is reached in %s.",
		    text_duration(figure, risk->time_to_limit_seconds));
	return text;
}

bool report_guilty(const struct report *report, char *text, size_t size)
{
	const struct dump_site *site = guilty_site(report->dump);
	char name[REPORT_NAME_MAX], bytes[TEXT_FIGURE_MAX], count[TEXT_FIGURE_MAX], growth[TEXT_FIGURE_MAX];

	if (site == NULL)
		return false;
	snprintf(text, size, "The site to look at is %s: %s alive in %s objects, %s an hour.",
	    site_name(report->symbols, site, name, sizeof name), text_bytes(bytes, site->live_bytes),
	    text_count(count, site->live_objects), text_bytes_signed(growth, site->growth_bytes_per_hour));
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
