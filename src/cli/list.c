/*
 * list.c -- `weir list`: every process that runs with Weir, one line each.
 *
 * Which ones they are is seen in /proc/PID/maps; what their pools hold is read from their
 * memory. Where only the first is allowed the line says so, and each reason is given once below.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/fleet.h"
#include "cli/text.h"

static const char help[] =
    "usage: weir list\n\n"
    "Lists the processes that run with Weir: what they are, how long they have run, the\n"
    "memory that the whole process has resident, what its pool has in use and idle, and how\n"
    "likely it leaks.\n\n"
    "Processes whose maps you may not read are left out; root sees all.\n\n"
    "  -h, --help  say this";

static void print_line(const struct fleet_member *m)
{
	char uptime[TEXT_FIGURE_MAX], rss[TEXT_FIGURE_MAX], used[TEXT_FIGURE_MAX], idle[TEXT_FIGURE_MAX];

	printf("%7d  %-16.16s  %11s  %10s  %10s  %10s  %s\n", (int)m->process.pid, fleet_name(m),
	    text_duration(uptime, m->process.uptime_seconds), text_bytes(rss, (double)m->process.rss_bytes),
	    text_bytes(used, m->in_use_bytes), text_bytes(idle, m->idle_bytes), m->level);
}

int list_processes(void)
{
	static struct fleet fleet;
	/* The first of each kind. */
	const char *why[TARGET_RESULTS] = {NULL};

	if (!fleet_read(&fleet)) {
		complain("no process can be seen: is /proc there?");
		return EXIT_WEIR_FAILED;
	}
	printf("%7s  %-16s  %11s  %10s  %10s  %10s  %s\n", "PID", "PROGRAM", "UPTIME", "RSS", "IN USE",
	    "IDLE", "RISK");
	for (size_t i = 0; i < fleet.count; i++) {
		const struct fleet_member *m = &fleet.members[i];

		print_line(m);
		if (m->result != TARGET_OK && why[m->result] == NULL)
			why[m->result] = m->why;
	}
	if (fleet.unseen > 0 && geteuid() != 0)
		complain("%zu process%s of others not looked into; root sees all", fleet.unseen,
		    fleet.unseen == 1 ? "" : "es");
	for (size_t i = 0; i < ARRAY_LENGTH(why); i++)
		if (why[i] != NULL)
			complain("%s", why[i]);
	return finish_output();
}

int verb_list(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'h')
			return wrong_option("list");
		puts(help);
		return finish_output();
	}
	if (optind < argc) {
		complain("list takes no argument, and '%s' is one", argv[optind]);
		return EXIT_USAGE;
	}
	return list_processes();
}
