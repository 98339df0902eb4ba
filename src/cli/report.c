/*
 * report.c -- `weir report`: what a dump says, in the form that is asked for.
 *
 * Reads and checks the dump first, then hands it to one writer. Ends with 1 where a
 * file is no dump that can be read, after one line that says why.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/dump_file.h"
#include "cli/generated.h"
#include "cli/report.h"
#include "cli/text.h"

#define EXIT_NO_DUMP 1

enum form { TEXT_FORM, DIFF, HTML, PPROF, LIFETIMES, FOLDED, OPENMETRICS };

struct wish {
	enum form form;
	const char *output; /* NULL: standard output */
	bool is_long;
	bool has_symbols;
	const char *map_path; /* of --perf-map, or NULL */
	struct perf_map *map; /* what stands there */
};

static void print_help(void)
{
	puts("usage: weir report [--all] FILE|PROCESS...\n"
	     "       weir report --diff BEFORE AFTER\n"
	     "       weir report --html | --folded | --openmetrics [--output FILE] FILE\n"
	     "       weir report --pprof OUT | --pprof-lifetimes OUT FILE\n\n"
	     "Reads dumps (WEIR_DUMP_FORMAT=json; - is standard input) and says what they mean:\n"
	     "is it a leak, where, how long until the limit, what to do. Instead of any file there\n"
	     "may be a process, by pid or name: it is looked at from outside as it is now.\n\n"
	     "  -a, --all              every site and every frame\n"
	     "  -d, --diff             what grew from the first to the second, by site and class\n"
	     "      --html             one page with charts, which needs nothing else\n"
	     "      --pprof OUT        a profile for pprof: live and allocated objects and bytes\n"
	     "      --pprof-lifetimes OUT\n"
	     "                         a profile of what was allocated, freed and is alive still\n"
	     "      --folded           stacks for flamegraph.pl and speedscope, by live bytes\n"
	     "      --openmetrics      the metrics that WEIR_METRICS_FILE has\n"
	     "  -o, --output FILE      write there instead of to standard output\n"
	     "      --no-symbols       do not look for functions and lines\n"
	     "      --perf-map FILE    names of generated code, as node --perf-basic-prof, the JVM\n"
	     "                         and others write them; else /tmp/perf-PID.map is looked for\n"
	     "  -h, --help             say this\n\n"
	     "Functions and lines come from the files themselves, from /usr/lib/debug, and\n"
	     "from debuginfod where DEBUGINFOD_URLS is set. It ends with 1 where a file is no\n"
	     "dump that can be read.");
}

static struct dump *read_or_complain(const struct wish *wish, const char *path)
{
	char why[512];
	struct dump *dump =
	    report_is_process(path) ? report_live(path, why, sizeof why) : dump_read(path, why, sizeof why);

	if (dump == NULL && why[0] != '\0')
		complain("%s", why);
	if (dump != NULL && wish->has_symbols)
		generated_name(dump, wish->map);
	return dump;
}

static bool may_colour(FILE *to)
{
	const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");

	return isatty(fileno(to)) && (no_colour == NULL || no_colour[0] == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

static bool write_form(const struct report *report, const struct wish *wish)
{
	switch (wish->form) {
	case HTML:
		report_html(report);
		return true;
	case FOLDED:
		report_folded(report);
		return true;
	case OPENMETRICS:
		report_openmetrics(report);
		return true;
	case PPROF:
	case LIFETIMES:
		return report_pprof(report, wish->form == LIFETIMES);
	default:
		report_text(report);
		return true;
	}
}

/* The exit status. */
static int finish_file(FILE *to, const char *path, bool is_good)
{
	is_good &= !ferror(to);
	if (fclose(to) != 0)
		is_good = false;
	if (is_good)
		return EXIT_SUCCESS;
	complain("cannot write %s: %s", path, strerror(errno));
	return EXIT_WEIR_FAILED;
}

/* before is NULL but for a difference. */
static int report_one(const struct wish *wish, const struct dump *dump, const struct dump *before)
{
	struct report report = {.to = stdout, .dump = dump, .is_long = wish->is_long};
	bool is_good = false;
	char why[256];
	int status = EXIT_SUCCESS;

	if (wish->output != NULL && strcmp(wish->output, "-") != 0) {
		report.to = fopen(wish->output, "we");
		if (report.to == NULL) {
			complain("cannot write %s: %s", wish->output, strerror(errno));
			return EXIT_WEIR_FAILED;
		}
	}
	report.columns = text_columns(report.to);
	report.has_colour = may_colour(report.to);
	report.symbols = symbols_open(wish->has_symbols);
	if (report.symbols == NULL) {
		complain("there is no memory for symbols");
		status = EXIT_WEIR_FAILED;
	} else if (before != NULL && !report_diff(&report, before, why, sizeof why)) {
		complain("%s", why);
		status = EXIT_NO_DUMP;
	} else {
		is_good = before != NULL || write_form(&report, wish);
	}
	symbols_close(report.symbols);
	if (report.to != stdout) {
		int finished = finish_file(report.to, wish->output, is_good || status != EXIT_SUCCESS);

		return status != EXIT_SUCCESS ? status : finished;
	}
	if (status == EXIT_SUCCESS && !is_good) {
		complain("cannot write the output: %s", strerror(errno));
		return EXIT_WEIR_FAILED;
	}
	return status;
}

static int difference(const struct wish *wish, char **files)
{
	struct dump *before = read_or_complain(wish, files[0]);
	struct dump *after = before != NULL ? read_or_complain(wish, files[1]) : NULL;
	int status = after != NULL ? report_one(wish, after, before) : EXIT_NO_DUMP;

	dump_free(before);
	dump_free(after);
	return status;
}

static int each_file(const struct wish *wish, char **files, int count)
{
	int status = EXIT_SUCCESS;

	for (int i = 0; i < count; i++) {
		struct dump *dump = read_or_complain(wish, files[i]);

		if (dump == NULL) {
			status = EXIT_NO_DUMP;
			continue;
		}
		if (i > 0)
			putchar('\n');
		if (count > 1)
			printf("==> %s <==\n", files[i]);
		int one = report_one(wish, dump, NULL);

		dump_free(dump);
		if (one != EXIT_SUCCESS)
			return one;
	}
	return status;
}

/* Whether the files are as many as the form takes; complains where they are not. */
static bool is_count_right(const struct wish *wish, int count)
{
	if (count == 0)
		complain("report wants a dump or a process: `weir help report` says how it is used");
	else if (wish->form == DIFF && count != 2)
		complain("--diff takes two dumps, the earlier one first, and %d were given", count);
	else if (wish->form != DIFF && count > 1 && (wish->form != TEXT_FORM || wish->output != NULL))
		complain("only a report on standard output takes several dumps, and %d were given", count);
	else
		return true;
	return false;
}

/* A map that the user names is read whether it is needed or not: a wrong name is to be noticed. */
static bool read_map(struct wish *wish)
{
	if (wish->map_path == NULL)
		return true;
	wish->map = perf_map_read_named(wish->map_path);
	if (wish->map != NULL)
		return true;
	complain("%s: %s", wish->map_path, errno == EINVAL ? "is no perf map" : strerror(errno));
	return false;
}

static int report_all(struct wish *wish, char **files, int count)
{
	int status;

	if (!read_map(wish))
		return EXIT_NO_DUMP;
	status = wish->form == DIFF ? difference(wish, files) : each_file(wish, files, count);
	perf_map_free(wish->map);
	return status;
}

int verb_report(int argc, char **argv)
{
	enum {
		ONLY_LONG = 256,
		OPTION_PPROF,
		OPTION_LIFETIMES,
		OPTION_HTML,
		OPTION_FOLDED,
		OPTION_OPENMETRICS,
		OPTION_NO_SYMBOLS,
		OPTION_PERF_MAP
	};
	static const struct option long_options[] = {
	    {"all", no_argument, NULL, 'a'},
	    {"diff", no_argument, NULL, 'd'},
	    {"html", no_argument, NULL, OPTION_HTML},
	    {"pprof", required_argument, NULL, OPTION_PPROF},
	    {"pprof-lifetimes", required_argument, NULL, OPTION_LIFETIMES},
	    {"folded", no_argument, NULL, OPTION_FOLDED},
	    {"openmetrics", no_argument, NULL, OPTION_OPENMETRICS},
	    {"output", required_argument, NULL, 'o'},
	    {"no-symbols", no_argument, NULL, OPTION_NO_SYMBOLS},
	    {"perf-map", required_argument, NULL, OPTION_PERF_MAP},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	struct wish wish = {.form = TEXT_FORM, .has_symbols = true};
	unsigned forms = 0;
	int option, status;

	while ((option = getopt_long(argc, argv, "ado:h", long_options, NULL)) != -1) {
		static const struct {
			int option;
			enum form form;
		} form_of[] = {{'d', DIFF}, {OPTION_HTML, HTML}, {OPTION_PPROF, PPROF},
		    {OPTION_LIFETIMES, LIFETIMES}, {OPTION_FOLDED, FOLDED},
		    {OPTION_OPENMETRICS, OPENMETRICS}};

		switch (option) {
		case 'a':
			wish.is_long = true;
			continue;
		case 'o':
			wish.output = optarg;
			continue;
		case OPTION_NO_SYMBOLS:
			wish.has_symbols = false;
			continue;
		case OPTION_PERF_MAP:
			wish.map_path = optarg;
			continue;
		case 'h':
			print_help();
			return finish_output();
		case '?':
			return wrong_option("report");
		}
		for (size_t i = 0; i < ARRAY_LENGTH(form_of); i++)
			if (form_of[i].option == option)
				wish.form = form_of[i].form;
		if (option == OPTION_PPROF || option == OPTION_LIFETIMES)
			wish.output = optarg;
		forms++;
	}
	if (forms > 1) {
		complain("one form at a time: --diff, --html, --pprof, --pprof-lifetimes, --folded or "
			 "--openmetrics");
		return EXIT_USAGE;
	}
	if (wish.map_path != NULL && !wish.has_symbols) {
		complain("--perf-map names functions, and --no-symbols wants none");
		return EXIT_USAGE;
	}
	if (!is_count_right(&wish, argc - optind))
		return EXIT_USAGE;
	status = report_all(&wish, argv + optind, argc - optind);
	if (status != EXIT_SUCCESS && status != EXIT_NO_DUMP)
		return status;
	return finish_output() == EXIT_SUCCESS ? status : EXIT_WEIR_FAILED;
}
