/*
 * say.c -- how the verbs speak: complaints, and output that may fail.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void complain(const char *format, ...)
{
	va_list arguments;

	fputs("weir: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	putc('\n', stderr);
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	complain("cannot write the output: %s", strerror(errno));
	return EXIT_WEIR_FAILED;
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	complain("cannot write the output: %s", strerror(errno));
	return EXIT_WEIR_FAILED;
}

const char *human_size(char *text, uint64_t bytes)
{
	struct out out;

	if (bytes == UINT64_MAX)
		return "-";
	out_init(&out, -1, text, 23);
	out_size_human(&out, bytes);
	text[out.used] = '\0';
	return text;
}

const char *human_time(char *text, double seconds)
{
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0;

	if (s < 60)
		snprintf(text, 24, "%u s", (unsigned)s);
	else if (s < 3600)
		snprintf(text, 24, "%u m %u s", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(text, 24, "%u h %u m", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else
		snprintf(text, 24, "%" PRIu64 " d %u h", s / 86400, (unsigned)(s / 3600 % 24));
	return text;
}
