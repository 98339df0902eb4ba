/*
 * dump.c -- what is asked of a dump that has been read, whoever read it.
 *
 * Called by all verbs that look at dumps. A dump is one list of blocks, which goes at once.
 */
#include "cli/dump.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/perf_map.h"

void dump_free(struct dump *dump)
{
	if (dump == NULL)
		return;
	while (dump->blocks != NULL) {
		struct dump_block *next = dump->blocks->next;

		free(dump->blocks);
		dump->blocks = next;
	}
	perf_map_free(dump->names);
	free(dump);
}

const char *dump_level_name(enum dump_level level)
{
	static const char *const names[] = {"unknown", "LOW", "MEDIUM", "HIGH"};

	return (unsigned)level < ARRAY_LENGTH(names) ? names[level] : names[0];
}

uint64_t dump_unix_ns(const char *time)
{
	struct tm tm = {0};
	const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t seconds = rest != NULL ? timegm(&tm) : 0;
	uint64_t part = 0;

	if (seconds <= 0 || seconds > (time_t)(INT64_MAX / SECOND) - 1)
		return 0;
	if (*rest == '.')
		part = (uint64_t)(fmin(strtod(rest, NULL), 1) * (double)SECOND);
	return (uint64_t)seconds * SECOND + part;
}

const char *dump_setting(const struct dump *dump, const char *name)
{
	for (size_t i = 0; i < dump->setting_count; i++)
		if (strcmp(dump->config[i].name, name) == 0)
			return dump->config[i].value;
	return NULL;
}
