/*
 * fuzz_dump.c -- the reader of dumps and every form of a report on hostile dumps.
 *
 *   fuzz_dump [--inputs N | --seconds N] [--seed N] DUMP...
 *
 * Mutants of the dumps are parsed; those that are refused must be refused with one
 * printable line, and of those that are accepted every form is written and looked at: no byte
 * in it that a terminal obeys, nothing of the dump that a page could take for its own. One in
 * four has all of its frames in generated code, with names out of a hostile map.
 * None takes more than 20 s of processor time. Ends with 1 and leaves the mutant in
 * fuzz_dump.bad at the first that does otherwise; meant to be built with ASan and UBSan. The
 * same seed gives the same inputs.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/dump_parse.h"
#include "cli/generated.h"
#include "cli/report.h"
#include "tests/fuzz/mutate.h"

#define SEEDS_MAX 16

static struct seed {
	char *text;
	size_t length;
} seeds[SEEDS_MAX];
static size_t seed_count;
static char mutant[MUTANT_BYTES_MAX + 1];
static size_t mutant_length;
static uint64_t refused, accepted;
static struct perf_map *hostile_names;

static void fail(const char *what)
{
	FILE *file = fopen("fuzz_dump.bad", "w");

	if (file != NULL) {
		fwrite(mutant, 1, mutant_length, file);
		fclose(file);
	}
	fprintf(
	    stderr, "input %llu (in fuzz_dump.bad): %s\n", (unsigned long long)(refused + accepted), what);
	exit(EXIT_FAILURE);
}

/* Line feeds are the only control there may be, and none that UTF-8 hides. */
static bool is_printable(const char *text, size_t length, bool may_have_lines)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && !(c == '\n' && may_have_lines)) || c == 0x7F)
			return false;
		if (c == 0xC2 && i + 1 < length && (unsigned char)text[i + 1] < 0xA0)
			return false;
		if (c == 0xE2 && i + 2 < length && (unsigned char)text[i + 1] == 0x80 &&
		    (unsigned char)text[i + 2] >= 0xA8 && (unsigned char)text[i + 2] <= 0xAE)
			return false;
	}
	return true;
}

static void check_folded(const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		size_t digits = 0;

		if (text[length] != '\n')
			fail("a folded line does not end");
		while (digits < length && strchr("0123456789", text[length - 1 - digits]) != NULL)
			digits++;
		if (digits == 0 || digits + 1 >= length || text[length - 1 - digits] != ' ')
			fail("a folded line is not a stack and a number");
		text += length + 1;
	}
}

/* A base-128 varint; false where it does not end. */
static bool take_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		unsigned char c = *(*at)++;

		*value |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

/* Whole gzip, and in it a message of which each field is a number or lies within it. */
static void check_profile(const char *text, size_t length)
{
	static unsigned char message[8 << 20];
	z_stream stream = {.next_in = (unsigned char *)(uintptr_t)text,
	    .avail_in = (uInt)length,
	    .next_out = message,
	    .avail_out = sizeof message};
	const unsigned char *at = message, *end;

	/* 16: with gzip's header. */
	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
		fail("there is no memory");
	if (inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_in != 0)
		fail("a profile is no whole gzip");
	end = stream.next_out;
	inflateEnd(&stream);
	while (at < end) {
		uint64_t tag, value;

		if (!take_varint(&at, end, &tag) || !take_varint(&at, end, &value) || tag >> 3 == 0)
			fail("a field of a profile has no end");
		if ((tag & 7) != 0 && ((tag & 7) != 2 || value > (uint64_t)(end - at)))
			fail("a field of a profile lies outside of it");
		if ((tag & 7) == 2)
			at += value;
	}
}

static const char hostile_map[] =
    "0 ffffffffffffffff LazyCompile:*<evil>;\033[2J \"<script>evil;\xe2\x80\xae\xff.js:12:8\n"
    "55d0c0000000 7000 py::<evil\033>&;\r x:/<script>evil\n"
    "7f3a40000000 100000000 RegExp:%s%n<evil>\n";

static void read_names(void)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	if (fd < 0 || write(fd, hostile_map, sizeof hostile_map - 1) != sizeof hostile_map - 1)
		fail("there is no memory");
	hostile_names = perf_map_read(fd);
	close(fd);
	if (hostile_names == NULL)
		fail("a hostile map is refused whole");
}

static bool is_generated(void)
{
	return mutant_length % 4 == 0;
}

/* All of it, so that no file is looked into for the names of the rest. */
static void generate(struct dump *dump)
{
	for (size_t i = 0; i < dump->site_count; i++)
		for (size_t k = 0; k < dump->sites[i].frame_count; k++)
			dump->sites[i].frames[k].module = "";
	generated_name(dump, hostile_names);
}

static void write_forms(const struct dump *dump, const struct dump *other)
{
	enum { TEXT_FORM, HTML, FOLDED, OPENMETRICS, PPROF, LIFETIMES, DIFF, DIFF_BACK, FORMS };
	struct symbols *symbols = symbols_open(is_generated());
	char why[256] = "";

	for (unsigned form = 0; form < FORMS; form++) {
		char *text = NULL;
		size_t length = 0;
		struct report report = {
		    .to = open_memstream(&text, &length), .dump = dump, .symbols = symbols};
		bool is_good = true;

		if (report.to == NULL || symbols == NULL)
			fail("there is no memory");
		report.columns = 40 + mutant_length % 100;
		report.is_long = form == TEXT_FORM && mutant_length % 2 == 0;
		if (form == TEXT_FORM)
			report_text(&report);
		else if (form == HTML)
			report_html(&report);
		else if (form == FOLDED)
			report_folded(&report);
		else if (form == OPENMETRICS)
			report_openmetrics(&report);
		else if (form == DIFF || form == DIFF_BACK) {
			report.dump = form == DIFF ? dump : other;
			is_good = report_diff(&report, form == DIFF ? other : dump, why, sizeof why) ||
				  (why[0] != '\0' && is_printable(why, strlen(why), false));
		} else
			is_good = report_pprof(&report, form == LIFETIMES);
		if (!is_good || fclose(report.to) != 0)
			fail("a form cannot be written");
		if (form == PPROF || form == LIFETIMES) {
			check_profile(text, length);
		} else if (!is_printable(text, length, true)) {
			fail("something in a form would be obeyed by a terminal");
		}
		if (form == HTML && (strstr(text, "<evil") != NULL || strstr(text, "<script>evil") != NULL ||
					strlen(text) != length))
			fail("a text of the dump is a part of the page");
		if (form == FOLDED)
			check_folded(text);
		if (form == OPENMETRICS && (length < 6 || strcmp(text + length - 6, "# EOF\n") != 0))
			fail("the metrics have no end");
		free(text);
	}
	symbols_close(symbols);
}

/* An input that takes so much processor time never ends. */
static void out_of_time(int signal)
{
	(void)signal;
	fail("it takes longer than 20 s of processor time");
}

static void feed(const struct dump *other)
{
	const struct itimerval limit = {{0, 0}, {20, 0}};
	char why[512] = "";
	/* A copy of its size, so that ASan sees a read past its end. */
	char *exact = malloc(mutant_length > 0 ? mutant_length : 1);
	struct dump *dump;

	if (exact == NULL)
		fail("there is no memory");
	setitimer(ITIMER_VIRTUAL, &limit, NULL);
	memcpy(exact, mutant, mutant_length);
	dump = dump_parse(exact, mutant_length, "hostile\033[1m.json", why, sizeof why);
	free(exact);
	if (dump == NULL) {
		refused++;
		if (why[0] == '\0' || !is_printable(why, strlen(why), false))
			fail("refused without one printable line");
		return;
	}
	accepted++;
	if (why[0] != '\0')
		fail("accepted with a complaint");
	if (is_generated())
		generate(dump);
	write_forms(dump, is_generated() ? dump : other);
	dump_free(dump);
}

static void load(const char *path)
{
	FILE *file = fopen(path, "r");
	struct seed *seed = &seeds[seed_count];

	if (file == NULL || seed_count >= SEEDS_MAX) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	seed->text = malloc(MUTANT_BYTES_MAX);
	seed->length = seed->text != NULL ? fread(seed->text, 1, MUTANT_BYTES_MAX, file) : 0;
	fclose(file);
	seed_count++;
}

/* Every seed cut off at every byte, and as it is. */
static void cut_everywhere(const struct dump *other)
{
	for (size_t i = 0; i < seed_count; i++)
		for (size_t length = 0; length <= seeds[i].length; length++) {
			uint64_t before = accepted;

			memcpy(mutant, seeds[i].text, length);
			mutant_length = length;
			feed(other);
			/* What is missing at the end may be the last line feed. */
			if (accepted != before && length + 1 < seeds[i].length)
				fail("a dump that is cut off is accepted");
			if (accepted == before && length == seeds[i].length)
				fail("a whole dump is refused");
		}
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"inputs", required_argument, NULL, 'i'},
	    {"seconds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0}};
	uint64_t inputs = UINT64_MAX, seconds = UINT64_MAX, made = 0;
	struct random random = {1};
	const time_t began = time(NULL);
	struct dump *other;
	char why[512];
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == 'i')
			inputs = strtoull(optarg, NULL, 10);
		else if (option == 's')
			seconds = strtoull(optarg, NULL, 10);
		else if (option == 'r')
			random.state = strtoull(optarg, NULL, 10) * 2 + 1;
		else
			return 2;
	}
	while (optind < argc)
		load(argv[optind++]);
	other = seed_count > 0 ? dump_parse(seeds[0].text, seeds[0].length, "seed", why, sizeof why) : NULL;
	if (other == NULL) {
		fputs("a whole dump is wanted first\n", stderr);
		return 2;
	}
	signal(SIGVTALRM, out_of_time);
	read_names();
	cut_everywhere(other);
	for (; made < inputs && (made % 256 != 0 || (uint64_t)(time(NULL) - began) < seconds); made++) {
		const struct seed *seed = &seeds[random_below(&random, seed_count)];

		mutant_length = mutate(&random, seed->text, seed->length, mutant);
		feed(other);
		if (made % 1000000 == 999999)
			fprintf(stderr, "%llu inputs, %lld s\n", (unsigned long long)made + 1,
			    (long long)(time(NULL) - began));
	}
	printf("%llu inputs: %llu refused, %llu accepted\n", (unsigned long long)(refused + accepted),
	    (unsigned long long)refused, (unsigned long long)accepted);
	dump_free(other);
	perf_map_free(hostile_names);
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].text);
	return accepted > seed_count && refused > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
