/*
 * main.c -- the weir command: finds the verb and hands over to it.
 *
 * The verbs are a table, which also prints the help. Runs in a process of its
 * own: stdio and malloc are free to use here and in all of src/cli.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int verb_version(int argc, char **argv);
static int verb_help(int argc, char **argv);

static const struct verb {
	const char *name;
	const char *short_option, *long_option; /* what one may also write, or NULL */
	const char *full_name;			/* what it complains under */
	int (*main)(int argc, char **argv);
	const char *help;
} verbs[] = {
    {"run", NULL, NULL, "weir run", verb_run, "run a program with Weir in front of its heap"},
    {"report", NULL, NULL, "weir report", verb_report,
	"say what a dump means: a leak, where, how long, what to do"},
    {"list", NULL, NULL, "weir list", verb_list, "list the processes that run with Weir"},
    {"top", NULL, NULL, "weir top", verb_top, "watch them, or one of them, live"},
    {"dump", NULL, NULL, "weir dump", verb_dump, "have a process write down what it knows"},
    {"gc", NULL, NULL, "weir gc", verb_gc, "have a process give back what idles"},
    {"trim", NULL, NULL, "weir trim", verb_trim, "have a process give back all that it can"},
    {"options", NULL, NULL, "weir options", verb_options, "list every setting"},
    {"version", "-V", "--version", "weir version", verb_version, "say which version this is"},
    {"help", "-h", "--help", "weir help", verb_help, "say this, or `weir help VERB`"},
};

static bool is_called(const struct verb *verb, const char *name)
{
	return strcmp(name, verb->name) == 0 ||
	       (verb->short_option != NULL &&
		   (strcmp(name, verb->short_option) == 0 || strcmp(name, verb->long_option) == 0));
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
		if (is_called(&verbs[i], name))
			return &verbs[i];
	return NULL;
}

static void print_verbs(FILE *to)
{
	for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
		fprintf(to, "  %-9s %s\n", verbs[i].name, verbs[i].help);
}

static int unknown_verb(const char *name)
{
	complain("there is no verb '%s'; there are:", name);
	print_verbs(stderr);
	return EXIT_USAGE;
}

static bool is_help(const char *argument)
{
	return strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0;
}

static int verb_version(int argc, char **argv)
{
	if (argc == 2 && is_help(argv[1])) {
		puts("usage: weir version\n\nSays which version this is.\n\n  -h, --help  say this");
		return finish_output();
	}
	if (argc > 1) {
		complain("version takes no argument, and '%s' is one", argv[1]);
		return EXIT_USAGE;
	}
	puts("weir " WEIR_VERSION);
	return finish_output();
}

static int verb_help(int argc, char **argv)
{
	if (argc > 1 && !is_help(argv[1])) {
		const struct verb *verb = find_verb(argv[1]);
		char help[] = "--help";
		char *asked[] = {argv[1], help, NULL};

		if (verb == NULL)
			return unknown_verb(argv[1]);
		if (verb->main != verb_help)
			return verb->main(2, asked);
	}
	puts("usage: weir VERB [ARGUMENT]...\n\n"
	     "Weir stands in front of the heap of a program that streams: it pools the\n"
	     "streaming-sized buffers, leaves the rest to jemalloc, and says what is going on.\n");
	print_verbs(stdout);
	puts("\n`weir VERB --help` says more of each; weir(1) and weir(7) say all.");
	return finish_output();
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		complain("what is to be done? `weir help` says what there is:");
		print_verbs(stderr);
		return EXIT_USAGE;
	}
	verb = find_verb(argv[1]);
	if (verb == NULL)
		return unknown_verb(argv[1]);
	/* getopt_long() begins its complaints with argv[0] and only reads it. */
	argv[1] = (char *)(uintptr_t)verb->full_name;
	return verb->main(argc - 1, argv + 1);
}
