/*
 * ask_verbs.c -- the command lines of `weir dump`, `weir gc` and `weir trim`.
 *
 * A dump is a file as the process sees the file system, which may not be ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "cli/text.h"
#include "report/metrics.h"

#define TIMEOUT_DEFAULT_S 5
#define TIMEOUT_MAX_S 3600

static const char dump_help[] =
    "usage: weir dump [-f FORMAT] [-o FILE] [-t SECONDS] PID|NAME\n\n"
    "Has a process write down what it knows, and prints the names of the files.\n\n"
    "  -f, --format FORMAT    text, json or openmetrics, or several with commas;\n"
    "                         by default what the process has in WEIR_DUMP_FORMAT\n"
    "  -o, --output FILE      take the file from the process and put it there; - is\n"
    "                         standard output. One format: -f's, else what the name\n"
    "                         ends in (.json, .txt, .om)\n"
    "  -t, --timeout SECONDS  wait at most so long for it (5)\n"
    "  -h, --help             say this\n";

static const char gc_help[] =
    "usage: weir gc [-t SECONDS] PID|NAME\n\n"
    "Has a process give back what idles in its pool now, as it does by itself when the pool\n"
    "passes WEIR_GC_THRESHOLD, and says how much that was.\n\n"
    "  -t, --timeout SECONDS  wait at most so long for it (5)\n"
    "  -h, --help             say this\n";

static const char trim_help[] =
    "usage: weir trim [-t SECONDS] PID|NAME\n\n"
    "Has a process give back all that it can, buffers kept for the next request and jemalloc's\n"
    "free pages too, and says how much that was. The next burst pays for it.\n\n"
    "  -t, --timeout SECONDS  wait at most so long for it (5)\n"
    "  -h, --help             say this\n";

struct wish {
	enum state_command command;
	unsigned formats;
	const char *output;
	uint64_t timeout_ns;
	pid_t pid;
};

static bool parse_formats(const char *text, unsigned *formats)
{
	struct settings settings;
	struct out complaint;
	char line[512];

	settings_default(&settings);
	out_init(&complaint, -1, line, sizeof line - 1);
	if (settings_set(&settings, "WEIR_DUMP_FORMAT", text, &complaint)) {
		*formats = settings.dump_format;
		return true;
	}
	complain("there is no format '%s'; there are text, json and openmetrics", text);
	return false;
}

static bool parse_timeout(const char *text, uint64_t *ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds > 0) || seconds > TIMEOUT_MAX_S) {
		complain("a timeout is a number of seconds up to %d, and '%s' is none", TIMEOUT_MAX_S, text);
		return false;
	}
	*ns = (uint64_t)(seconds * (double)SECOND);
	return true;
}

/* What a file of this name is expected to hold; 0: its name does not say. */
static unsigned format_of(const char *output)
{
	static const struct {
		const char *ending;
		unsigned format;
	} endings[] = {
	    {".txt", DUMP_FORMAT_TEXT}, {".json", DUMP_FORMAT_JSON}, {".om", DUMP_FORMAT_OPENMETRICS}};
	const char *ending = strrchr(output, '.');

	for (size_t i = 0; ending != NULL && i < ARRAY_LENGTH(endings); i++)
		if (strcmp(ending, endings[i].ending) == 0)
			return endings[i].format;
	return 0;
}

/* The command line: -1 to go on, or the exit status. */
static int parse(int argc, char **argv, const char *help, struct wish *wish)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
	    {"output", required_argument, NULL, 'o'}, {"timeout", required_argument, NULL, 't'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	bool is_dump = wish->command == STATE_COMMAND_DUMP;
	int option;

	/* A collection has neither format nor output: those come first in the table. */
	while ((option = getopt_long(
		    argc, argv, is_dump ? "f:o:t:h" : "t:h", options + (is_dump ? 0 : 2), NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return finish_output();
		}
		if (option == '?')
			return wrong_option(is_dump				? "dump"
					    : wish->command == STATE_COMMAND_GC ? "gc"
										: "trim");
		if (option == 'o')
			wish->output = optarg;
		else if (option == 'f' ? !parse_formats(optarg, &wish->formats)
				       : !parse_timeout(optarg, &wish->timeout_ns))
			return EXIT_USAGE;
	}
	if (optind + 1 != argc) {
		complain("%s of which process? One pid or program name; `weir list` says which there are",
		    is_dump				? "a dump"
		    : wish->command == STATE_COMMAND_GC ? "a collection"
							: "a trim");
		return EXIT_USAGE;
	}
	if (wish->output != NULL && (wish->formats & (wish->formats - 1)) != 0) {
		complain("one output takes one format");
		return EXIT_USAGE;
	}
	return process_find(argv[optind], &wish->pid) ? -1 : EXIT_WEIR_FAILED;
}

/* --- the file of a dump ------------------------------------------------------------ */

static int copy_all(int from, FILE *to)
{
	char bytes[16384];
	ssize_t length;

	while ((length = read(from, bytes, sizeof bytes)) > 0)
		if (fwrite(bytes, 1, (size_t)length, to) != (size_t)length)
			return errno;
	return length < 0 ? errno : 0;
}

/* Take the file over: what was asked for elsewhere stays nowhere else. */
static int take_file(const struct wish *wish, const char *path)
{
	const char *name;
	int folder = process_open_folder(wish->pid, path, &name), fd = -1, error = 0;
	bool is_stdout = strcmp(wish->output, "-") == 0;
	FILE *to = stdout;

	if (folder >= 0)
		fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		complain(
		    "%s, as process %d sees it, cannot be read: %s", path, (int)wish->pid, strerror(errno));
		if (folder >= 0)
			close(folder);
		return EXIT_WEIR_FAILED;
	}
	if (!is_stdout)
		to = fopen(wish->output, "we");
	if (to == NULL) {
		error = errno;
	} else {
		error = copy_all(fd, to);
		if (!is_stdout && fclose(to) != 0 && error == 0)
			error = errno;
	}
	close(fd);
	if (error == 0)
		unlinkat(folder, name, 0);
	else
		complain(
		    "%s cannot be written: %s; the dump is still at %s", wish->output, strerror(error), path);
	close(folder);
	return error != 0 ? EXIT_WEIR_FAILED : finish_output();
}

/* A relative name is below the folder in which the process works, which need not be ours. */
static void print_path(pid_t pid, const char *path)
{
	char link[64], folder[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
	length = path[0] != '/' ? readlink(link, folder, sizeof folder) : 0;
	if (length > 0)
		printf("%.*s/", (int)length, folder);
	puts(path);
}

static int show_dump(const struct wish *wish, const struct target *target, const struct state_answer *answer)
{
	int status = EXIT_SUCCESS;

	if (answer->status == STATE_FAILED) {
		complain("process %d could not write its dump to %s: %s; weir report and weir top --once "
			 "need no file",
		    (int)wish->pid, target->settings.dump, strerror(answer->error));
		status = EXIT_WEIR_FAILED;
	} else if (answer->files == 0) {
		complain(
		    "process %d dumps to its own stderr (WEIR_DUMP=stderr), and has done so", (int)wish->pid);
		return wish->output != NULL ? EXIT_WEIR_FAILED : EXIT_SUCCESS;
	}
	if (wish->output != NULL && answer->files > 0)
		return take_file(wish, answer->paths[0]);
	for (unsigned i = 0; i < MIN(answer->files, (uint32_t)STATE_FILES_MAX); i++)
		print_path(wish->pid, answer->paths[i]);
	return status == EXIT_SUCCESS ? finish_output() : status;
}

/* --- collections ------------------------------------------------------------------- */

static int show_collection(
    const struct wish *wish, const struct state_answer *answer, uint64_t rss_before_bytes)
{
	char purged[TEXT_FIGURE_MAX], before[TEXT_FIGURE_MAX], after[TEXT_FIGURE_MAX];
	struct process process;

	if (answer->worker == STATE_BY_NOBODY) {
		complain("process %d has no pool: every request of it goes to jemalloc", (int)wish->pid);
		return EXIT_WEIR_FAILED;
	}
	printf("%s given back by the pool", text_bytes(purged, (double)answer->purged_bytes));
	if (process_read(wish->pid, &process))
		printf("; resident %s before, %s after", text_bytes(before, (double)rss_before_bytes),
		    text_bytes(after, (double)process.rss_bytes));
	putchar('\n');
	if (answer->is_part_left)
		puts("jemalloc's part follows at the program's next request of a buffer");
	return finish_output();
}

/*
 * Where that is allowed: each look at the process of a busy machine would else wait behind its threads,
 * and a better nice value counts among the processes of one session only. There is a sleep between looks.
 */
static void step_ahead(void)
{
	const struct sched_param least = {.sched_priority = sched_get_priority_min(SCHED_RR)};

	sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &least);
}

static int run(int argc, char **argv, const char *help, enum state_command command)
{
	static struct target target;
	static struct state_answer answer;
	struct wish wish = {.command = command, .timeout_ns = TIMEOUT_DEFAULT_S * SECOND};
	struct process before = {.pid = 0};
	int status = parse(argc, argv, help, &wish);
	enum target_result attached;
	char why[512];

	if (status >= 0)
		return status;
	step_ahead();
	attached = target_attach(&target, wish.pid);
	if (attached != TARGET_OK) {
		target_explain(&target, attached, why, sizeof why);
		complain("%s", why);
		return EXIT_WEIR_FAILED;
	}
	if (wish.output != NULL && wish.formats == 0)
		wish.formats = format_of(wish.output);
	if (wish.output != NULL && wish.formats == 0) {
		/* Of several, the one that programs read. */
		wish.formats = target.settings.dump_format;
		if ((wish.formats & (wish.formats - 1)) != 0)
			wish.formats = DUMP_FORMAT_JSON;
	}
	process_read(wish.pid, &before);
	switch (ask(&target, command, wish.formats, wish.timeout_ns, &answer, why, sizeof why)) {
	case ASK_OK:
		status = command == STATE_COMMAND_DUMP ? show_dump(&wish, &target, &answer)
						       : show_collection(&wish, &answer, before.rss_bytes);
		break;
	case ASK_LATE:
		complain("%s%s", why,
		    command == STATE_COMMAND_DUMP ? "; weir report and weir top look at it from outside"
						  : "");
		status = EXIT_LATE;
		break;
	default:
		complain("%s", why);
		status = EXIT_WEIR_FAILED;
	}
	target_detach(&target);
	return status;
}

int verb_dump(int argc, char **argv)
{
	return run(argc, argv, dump_help, STATE_COMMAND_DUMP);
}

int verb_gc(int argc, char **argv)
{
	return run(argc, argv, gc_help, STATE_COMMAND_GC);
}

int verb_trim(int argc, char **argv)
{
	return run(argc, argv, trim_help, STATE_COMMAND_TRIM);
}
