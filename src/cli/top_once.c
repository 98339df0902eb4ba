/*
 * top_once.c -- `weir top --once`: what the screen would show, once, for scripts.
 *
 * Of one process it is a dump, text or JSON, made from outside: the process does nothing for
 * it. Of all of them it is a line or an object each.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/top.h"

static void put_number(struct out *out, const char *name, double value, unsigned decimals)
{
	if (!isfinite(value) || value < 0)
		return; /* not known: left out */
	out_str(out, ", \"");
	out_str(out, name);
	out_str(out, "\": ");
	out_decimal(out, value, decimals);
}

static void put_text(struct out *out, const char *name, const char *value)
{
	out_str(out, ", \"");
	out_str(out, name);
	out_str(out, "\": ");
	out_json_string(out, value);
}

static void put_member(struct out *out, const struct fleet_member *m)
{
	out_str(out, "{\"pid\": ");
	out_u64(out, (uint64_t)m->process.pid);
	put_text(out, "program", fleet_name(m));
	put_number(out, "uptime_seconds", m->process.uptime_seconds, 3);
	put_number(out, "rss_bytes", (double)m->process.rss_bytes, 0);
	put_number(out, "in_use_bytes", m->in_use_bytes, 0);
	put_number(out, "idle_bytes", m->idle_bytes, 0);
	put_number(out, "memory_pressure", m->pressure, 4);
	put_number(out, "risk", m->risk, 4);
	if (m->risk >= 0)
		put_text(out, "level", m->level);
	if (m->result != TARGET_OK)
		put_text(out, "error", m->why);
	out_char(out, '}');
}

static int put_fleet(struct top *top, struct out *out)
{
	if (!fleet_read(&top->fleet)) {
		complain("no process can be seen: is /proc there?");
		return EXIT_WEIR_FAILED;
	}
	out_str(out, "[");
	for (size_t i = 0; i < top->fleet.count; i++) {
		out_str(out, i == 0 ? "\n  " : ",\n  ");
		put_member(out, &top->fleet.members[i]);
	}
	out_str(out, top->fleet.count > 0 ? "\n]\n" : "]\n");
	return EXIT_SUCCESS;
}

static int put_process(struct top *top, struct out *out, bool is_json)
{
	char why[512];
	enum target_result result = target_attach(&top->target, top->pid);

	if (result == TARGET_OK)
		result = target_snapshot(&top->target, &top->now.snapshot);
	if (result != TARGET_OK) {
		target_explain(&top->target, result, why, sizeof why);
		complain("%s", why);
		return EXIT_WEIR_FAILED;
	}
	(is_json ? write_json : write_text)(out, &top->now.snapshot);
	target_detach(&top->target);
	return EXIT_SUCCESS;
}

int top_once(struct top *top, bool is_json)
{
	static char buffer[16384];
	struct out out;
	int status;

	if (top->pid == 0 && !is_json)
		return list_processes();
	out_init(&out, STDOUT_FILENO, buffer, sizeof buffer);
	status = top->pid == 0 ? put_fleet(top, &out) : put_process(top, &out, is_json);
	out_flush(&out);
	if (status == EXIT_SUCCESS && out.error != 0) {
		complain("cannot write the output: %s", strerror(out.error));
		return EXIT_WEIR_FAILED;
	}
	return status;
}
