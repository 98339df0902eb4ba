/*
 * cli.h -- what the verbs of the weir command share.
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "base/compiler.h"

/* The ways in which weir itself ends. 125 to 127 as in env(1) and timeout(1). */
enum {
	EXIT_USAGE = 2,		    /* the command line is wrong */
	EXIT_LATE = 124,	    /* a process was asked, and has not done it in time */
	EXIT_WEIR_FAILED = 125,	    /* weir's own part failed: no object to preload, say */
	EXIT_CANNOT_SERVE = 126,    /* the program was found, but cannot be executed, or not be served */
	EXIT_COMMAND_MISSING = 127, /* the program was not found */
};

/* One line on stderr: "weir: text". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* After getopt's own line: where to look it up. Returns EXIT_USAGE. */
int wrong_option(const char *verb);

/* Text on stdout; the exit status: 0, or EXIT_WEIR_FAILED (with a complaint) where it could not be written. */
int finish_output(void);

/* The verbs: argv[0] is the name to complain under ("weir run"), the result is the exit status. */
int verb_run(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_top(int argc, char **argv);
int verb_dump(int argc, char **argv);
int verb_gc(int argc, char **argv);
int verb_trim(int argc, char **argv);
int verb_options(int argc, char **argv);

#endif
