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

int wrong_option(const char *verb)
{
	complain("`weir help %s` says how it is used", verb);
	return EXIT_USAGE;
}

int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	complain("cannot write the output: %s", strerror(errno));
	return EXIT_WEIR_FAILED;
}
