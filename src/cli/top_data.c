/*
 * top_data.c -- what `weir top` knows: the processes, the one that is watched, its past.
 *
 * A process may end, become another program or be started again at any time; each is said,
 * and a program that comes back under its name is watched again. Nothing here draws.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/text.h"
#include "cli/top.h"
#include "report/metrics.h"

#define MESSAGE_SECONDS 8
#define ASK_TIMEOUT_NS (2 * SECOND)

double top_now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

__attribute__((format(printf, 3, 4))) static void say(struct top *top, bool is_bad, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(top->message, sizeof top->message, format, arguments);
	va_end(arguments);
	text_make_printable(top->message);
	top->is_bad_news = is_bad;
	top->message_until = top_now_seconds() + MESSAGE_SECONDS;
}

static void say_result(struct top *top)
{
	char why[512];

	target_explain(&top->target, top->result, why, sizeof why);
	say(top, true, "%s", why);
}

static void attach(struct top *top)
{
	struct process process;

	top->result = target_attach(&top->target, top->pid);
	if (top->result != TARGET_OK)
		return;
	snprintf(top->program, sizeof top->program, "%s", top->target.state.program);
	if (process_read(top->pid, &process))
		top->start_ticks = process.start_ticks;
	memset(top->peaks, 0, sizeof top->peaks);
	top->now.is_valid = top->before.is_valid = top->mark.is_valid = false;
}

void top_watch(struct top *top, pid_t pid)
{
	top->pid = pid;
	top->open_site = 0;
	memset(top->row, 0, sizeof top->row);
	top->message[0] = '\0';
	top->program[0] = '\0';
	attach(top);
	if (top->result != TARGET_OK)
		say_result(top);
}

void top_leave(struct top *top)
{
	target_detach(&top->target);
	top->pid = 0;
	top->now.is_valid = top->before.is_valid = top->mark.is_valid = false;
	top->open_site = 0;
}

/* A process of that program which is younger than the one that ended, if it is the only one. */
static pid_t find_successor(struct top *top)
{
	pid_t found = 0;

	if (top->program[0] == '\0' || !fleet_read(&top->fleet))
		return 0;
	for (size_t i = 0; i < top->fleet.count; i++) {
		const struct fleet_member *m = &top->fleet.members[i];

		if (m->result != TARGET_OK || strcmp(fleet_name(m), top->program) != 0 ||
		    m->process.start_ticks < top->start_ticks)
			continue;
		if (found != 0)
			return 0;
		found = m->process.pid;
	}
	return found;
}

static void follow(struct top *top)
{
	pid_t next;

	if (top->result == TARGET_CHANGED || top->result == TARGET_STARTING) {
		attach(top);
		if (top->result == TARGET_OK)
			say(top, false, "process %d became %s; watched anew", (int)top->pid, top->program);
		return;
	}
	next = find_successor(top);
	if (next == 0)
		return;
	top->pid = next;
	attach(top);
	if (top->result == TARGET_OK)
		say(top, false, "%s was started again: process %d", top->program, (int)next);
}

static void note_peaks(struct top *top)
{
	for (unsigned i = 0; i < SIZE_CLASSES; i++)
		top->peaks[i] = MAX(top->peaks[i], top->now.classes[i].in_use);
}

static void look_at_process(struct top *top)
{
	if (top->result != TARGET_OK) {
		follow(top);
		if (top->result != TARGET_OK) {
			if (top->result == TARGET_GONE && top->program[0] != '\0')
				say(top, true, "process %d has ended; waiting for %s to be started again",
				    (int)top->pid, top->program);
			else
				say_result(top);
			return;
		}
	}
	if (top->now.is_valid)
		top->before = top->now;
	top->result = target_snapshot(&top->target, &top->now.snapshot);
	if (top->result != TARGET_OK) {
		/* What was seen last stays on the screen. */
		if (top->before.is_valid)
			top->now = top->before;
		say_result(top);
		return;
	}
	top->now.is_valid = true;
	top->now.at_seconds = top_now_seconds();
	target_classes(&top->target, top->now.classes);
	note_peaks(top);
	names_look(top);
}

void top_look(struct top *top)
{
	if (top->pid != 0) {
		look_at_process(top);
		return;
	}
	if (!fleet_read(&top->fleet))
		say(top, true, "no process can be seen: is /proc there?");
	/* The selection stays with its process. */
	for (size_t i = 0; i < top->fleet.count; i++)
		if (top->fleet.members[i].process.pid == top->selected_pid)
			top->selected = i;
}

void top_mark(struct top *top, bool is_set)
{
	top->mark = top->now;
	top->mark.is_valid = is_set && top->now.is_valid;
	memset(top->peaks, 0, sizeof top->peaks);
	note_peaks(top);
	say(top, false,
	    is_set ? "marked: figures are shown as what has changed since; B ends that" : "the mark is gone");
}

double top_rate(const struct top *top, uint64_t now, uint64_t before)
{
	double seconds = top->now.at_seconds - top->before.at_seconds;

	if (!top->now.is_valid || !top->before.is_valid || seconds <= 0 || now < before)
		return 0;
	return (double)(now - before) / seconds;
}

void top_ask(struct top *top, enum state_command command)
{
	static struct state_answer answer;
	char why[512], purged[TEXT_FIGURE_MAX];

	if (top->result != TARGET_OK)
		return;
	if (ask(&top->target, command, 0, ASK_TIMEOUT_NS, &answer, why, sizeof why) != ASK_OK) {
		say(top, true, "%s", why);
		return;
	}
	if (command != STATE_COMMAND_DUMP)
		say(top, false, "%s given back by the pool%s",
		    text_bytes(purged, (double)answer.purged_bytes),
		    answer.is_part_left ? "; jemalloc's part follows at the next request" : "");
	else if (answer.status == STATE_FAILED)
		say(top, true, "the dump could not be written: %s", strerror(answer.error));
	else
		say(top, false, "dump: %s", answer.files > 0 ? answer.paths[0] : "to its stderr");
}

bool top_is_muted(const struct top *top, uint64_t site)
{
	for (size_t i = 0; i < top->muted_count; i++)
		if (top->muted[i] == site)
			return true;
	return false;
}

/* Or not muted any more. */
void top_mute(struct top *top, uint64_t site)
{
	if (site == 0)
		return;
	for (size_t i = 0; i < top->muted_count; i++) {
		if (top->muted[i] != site)
			continue;
		top->muted[i] = top->muted[--top->muted_count];
		say(top, false, "the site is not muted any more");
		return;
	}
	if (top->muted_count == TOP_MUTED_MAX) {
		say(top, true, "no more than %d sites can be muted", TOP_MUTED_MAX);
		return;
	}
	top->muted[top->muted_count++] = site;
	say(top, false, "muted; M shows the muted ones, too");
}
