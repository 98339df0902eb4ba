/*
 * run.c -- `weir run`: executes a program with libweir-preload.so in front.
 *
 * Settings are checked by the parser that the preloaded object itself uses, then
 * handed on in the environment; the program is judged first and refused, with
 * the reason, where preloading would silently not happen. It then takes this
 * process's place: the same process id, parent, signals and exit status.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/out.h"
#include "cli/cli.h"
#include "cli/judge.h"
#include "cli/object.h"

#define VARIABLE_MAX 64 /* longer than the longest there is */
#define PREFIX "WEIR_"

static void print_help(void)
{
	puts("usage: weir run [--set NAME=VALUE]... [--object FILE] [--] COMMAND [ARGUMENT]...\n\n"
	     "Runs COMMAND with Weir in front of its heap. It takes the place of this process:\n"
	     "same process id, its exit status is what you get.\n\n"
	     "  -s, --set NAME=VALUE  a setting of `weir options`; with or without WEIR_, in\n"
	     "                        capitals or not: --set max_buffers=50\n"
	     "  -o, --object FILE     the shared object to preload; else $WEIR_OBJECT, else\n"
	     "                        the one that came with this program\n"
	     "  -h, --help            say this\n\n"
	     "It ends with 2 where this command line is wrong, 125 where Weir's own part\n"
	     "failed, 126 where COMMAND cannot be executed or Weir cannot serve it, 127 where\n"
	     "there is no COMMAND.");
}

/* "max-buffers", "Max_Buffers" and "WEIR_MAX_BUFFERS" are WEIR_MAX_BUFFERS. False where none is that long. */
static bool variable_of(const char *name, size_t length, char variable[VARIABLE_MAX])
{
	size_t prefix = strlen(PREFIX), used = 0;

	if (length < prefix || strncasecmp(name, PREFIX, prefix) != 0) {
		memcpy(variable, PREFIX, prefix);
		used = prefix;
	}
	if (length >= VARIABLE_MAX - used)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = name[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		variable[used++] = c == '-' ? '_' : c;
	}
	variable[used] = '\0';
	return true;
}

/* Check one NAME=VALUE and put it into the environment; 0, or the exit status after a complaint. */
static int set(const char *assignment)
{
	static struct settings scratch; /* what is checked is the text; the values are not used */
	char variable[VARIABLE_MAX], allowed[256];
	const char *equals = strchr(assignment, '=');
	const struct option_info *option;
	struct out out;

	if (equals == NULL || equals == assignment) {
		complain("--set takes NAME=VALUE, and '%s' is not that", assignment);
		return EXIT_USAGE;
	}
	if (!variable_of(assignment, (size_t)(equals - assignment), variable)) {
		complain("no setting has a name as long as '%s'; `weir options` lists them", assignment);
		return EXIT_USAGE;
	}
	option = option_find(variable);
	if (option == NULL) {
		const char *nearest = option_nearest(variable);

		if (nearest != NULL)
			complain("there is no setting %s; the nearest is %s (`weir options` lists all)",
			    variable, nearest);
		else
			complain("there is no setting %s; `weir options` lists all", variable);
		return EXIT_USAGE;
	}
	settings_default(&scratch);
	if (!settings_set(&scratch, variable, equals + 1, NULL)) {
		out_init(&out, -1, allowed, sizeof allowed - 1);
		option_write_allowed(&out, option);
		allowed[out.used] = '\0';
		complain("%s cannot be '%s'; allowed: %s", variable, equals + 1, allowed);
		return EXIT_USAGE;
	}
	if (setenv(variable, equals + 1, 1) != 0) {
		complain("cannot set %s: %s", variable, strerror(errno));
		return EXIT_WEIR_FAILED;
	}
	return 0;
}

static bool preload(const char *object)
{
	char *value = object_preload_value(object, getenv("LD_PRELOAD"));
	bool is_set = value != NULL && setenv("LD_PRELOAD", value, 1) == 0;

	if (!is_set)
		complain("cannot set LD_PRELOAD: %s", strerror(errno));
	free(value);
	/* Meant for this program; the preloaded object would name it as a setting it does not know. */
	unsetenv("WEIR_OBJECT");
	return is_set;
}

/* Returns only where the program could not be executed. */
static int execute(const struct judgement *judgement, char **arguments)
{
	execv(judgement->path, arguments);
	if (errno == ENOEXEC && !judgement->is_binary)
		execvp(judgement->path, arguments); /* gives text without a #! line to the shell */
	if (errno == ENOEXEC)
		complain("%s is neither a program nor a script", judgement->path);
	else
		complain("%s cannot be executed: %s", judgement->path, strerror(errno));
	return errno == ENOENT ? EXIT_COMMAND_MISSING : EXIT_CANNOT_SERVE;
}

int verb_run(int argc, char **argv)
{
	static const struct option long_options[] = {
	    {"set", required_argument, NULL, 's'},
	    {"object", required_argument, NULL, 'o'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	static struct judgement judgement;
	const char *asked_for = NULL;
	char object[PATH_MAX];
	int option, status;

	while ((option = getopt_long(argc, argv, "+s:o:h", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			status = set(optarg);
			if (status != 0)
				return status;
			break;
		case 'o':
			asked_for = optarg;
			break;
		case 'h':
			print_help();
			return finish_output();
		default:
			return wrong_option("run");
		}
	}
	if (optind == argc) {
		complain(
		    "run what? weir run [--set NAME=VALUE]... [--object FILE] [--] COMMAND [ARGUMENT]...");
		return EXIT_USAGE;
	}

	judge_command(argv[optind], &judgement);
	if (judgement.status != 0) {
		complain("%s", judgement.text);
		if (judgement.status == EXIT_CANNOT_SERVE)
			complain("it was not started");
		return judgement.status;
	}
	if (!object_find(asked_for, object) || !preload(object))
		return EXIT_WEIR_FAILED;
	if (judgement.text[0] != '\0')
		complain("note: %s", judgement.text);
	return execute(&judgement, argv + optind);
}
