/*
 * report_text.c -- a dump as a report for a person at a terminal.
 *
 * The verdict stands first, in sentences; then what to do, then the facts in the
 * order in which one doubts them. Wraps to the terminal's width; escape sequences
 * only where the report says that there may be some. Charts are ASCII.
 */
#include <math.h>
#include <string.h>

#include "cli/generated.h"
#include "cli/report.h"
#include "cli/text.h"

#define SITES_SHOWN 5
#define FRAMES_SHOWN 10
#define LIFETIME_ROWS 16
#define BAR_MAX 40
#define LABEL 14 /* columns of a fact's name */

static const char *colour_of(const struct report *r, enum dump_level level)
{
	static const char *const colours[] = {"", "\033[32m", "\033[33;1m", "\033[31;1m"};

	return r->has_colour ? colours[level] : "";
}

static const char *bold(const struct report *r)
{
	return r->has_colour ? "\033[1m" : "";
}

static const char *plain(const struct report *r)
{
	return r->has_colour ? "\033[0m" : "";
}

static void heading(const struct report *r, const char *text)
{
	fprintf(r->to, "\n%s%s%s\n", bold(r), text, plain(r));
}

/* A wrapped line under its name. */
static void fact(const struct report *r, const char *name, const char *text)
{
	int used = fprintf(r->to, "  %-*s", LABEL - 2, name);

	text_wrap(r->to, text, LABEL, r->columns, (size_t)MAX(used, LABEL));
}

/* length of width characters '#', or one where there is something at all. */
static const char *bar(char text[BAR_MAX + 1], double part, double whole, size_t width)
{
	size_t length = whole > 0 && part > 0 ? (size_t)lround(part / whole * (double)width) : 0;

	length = MIN(length, MIN(width, BAR_MAX));
	if (part > 0 && length == 0)
		length = 1;
	memset(text, '#', length);
	text[length] = '\0';
	return text;
}

static void put_verdict(const struct report *r)
{
	const struct dump *dump = r->dump;
	char text[REPORT_SENTENCE_MAX], uptime[REPORT_NAME_MAX];

	snprintf(text, sizeof text, "%s, pid %llu, up %s, ", dump->program, (unsigned long long)dump->pid,
	    report_uptime(dump, uptime, sizeof uptime));
	if (dump->sequence != 0)
		text_append(text, sizeof text, "dump %llu by %s, %s", (unsigned long long)dump->sequence,
		    dump->trigger, dump->taken_at);
	else
		text_append(text, sizeof text, "read from outside, %s", dump->taken_at);
	text_wrap(r->to, text, 2, r->columns, 0);
	fprintf(r->to, "\n%s", colour_of(r, dump->risk.level));
	text_wrap(r->to, report_verdict(dump, text, sizeof text), 0, r->columns, 0);
	fputs(plain(r), r->to);
	if (report_guilty(r, text, sizeof text))
		text_wrap(r->to, text, 0, r->columns, 0);
}

static void put_advice(const struct report *r)
{
	heading(r, "What to do");
	if (r->dump->recommendation_count == 0)
		fputs("  Nothing: no fact in this dump asks for it.\n", r->to);
	for (size_t i = 0; i < r->dump->recommendation_count; i++) {
		const struct dump_advice *advice = &r->dump->recommendations[i];
		int used = fprintf(r->to, "  %zu. %s: ", i + 1, advice->severity);

		text_wrap(r->to, advice->text, 5, r->columns, (size_t)MAX(used, 5));
	}
}

static void put_pool(const struct report *r)
{
	const struct dump_metrics *m = &r->dump->metrics;
	char text[512], a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX], c[TEXT_FIGURE_MAX];

	heading(r, "Memory");
	snprintf(text, sizeof text, "%s in use in %s, %s idle", text_bytes(a, (double)m->total_used_bytes),
	    text_number_of(b, (double)m->buffers_in_use, "buffer"),
	    text_bytes(
		c, (double)(m->total_allocated_bytes - MIN(m->total_used_bytes, m->total_allocated_bytes))));
	fact(r, "pool", text);
	snprintf(text, sizeof text, "%s served, %s from magazines; %s temporary past a limit",
	    text_count(a, (double)m->allocations), text_percent(b, m->reuse_rate),
	    text_count(c, (double)m->temporary_buffers));
	fact(r, "requests", text);
	if (r->dump->fallback.is_there) {
		snprintf(text, sizeof text, "%s allocated, %s resident",
		    text_bytes(a, (double)r->dump->fallback.allocated),
		    text_bytes(b, (double)r->dump->fallback.resident));
		fact(r, "jemalloc", text);
	}
	if (r->dump->process.threads != 0) {
		snprintf(text, sizeof text, "%s resident in all, %s",
		    text_bytes(a, (double)r->dump->process.rss_bytes),
		    text_number_of(b, (double)r->dump->process.threads, "thread"));
		fact(r, "process", text);
	}
	if (m->errors != 0) {
		snprintf(text, sizeof text, "%s survived", text_count(a, (double)m->errors));
		fact(r, "errors", text);
	}
}

static void put_pressure(const struct report *r)
{
	const struct dump_pressure *p = &r->dump->pressure;
	char text[512], a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX], line[BAR_MAX + 1];

	snprintf(text, sizeof text, "%.40s (%.2f by %.40s)", p->level, p->value, p->source);
	if (p->limit_bytes != 0)
		text_append(text, sizeof text, ", %s of %s in use", text_bytes(a, (double)p->used_bytes),
		    text_bytes(b, (double)p->limit_bytes));
	if (isfinite(p->psi_some_avg10))
		text_append(
		    text, sizeof text, "; stalled %s of the last 10 s", text_percent(a, p->psi_some_avg10));
	fact(r, "pressure", text);
	if (p->limit_bytes != 0 && r->columns >= LABEL + 24)
		fprintf(r->to, "  %-*s[%-20s]\n", LABEL - 2, "",
		    bar(line, (double)p->used_bytes, (double)p->limit_bytes, 20));
}

/* --- sites --------------------------------------------------------------------- */

#define AXIS 36

static size_t axis_place(double seconds)
{
	return (size_t)lround(report_time_place(seconds) * (AXIS - 1));
}

/* From half to nearly all of the freed: =====; half of the living are older than A. */
static void put_axis(const struct report *r, const struct dump_site *site)
{
	char line[AXIS + 1];
	char a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX], c[TEXT_FIGURE_MAX];
	char text[256];

	memset(line, '.', AXIS);
	line[AXIS] = '\0';
	if (isfinite(site->lifetime_p50_seconds) && isfinite(site->lifetime_p99_seconds)) {
		size_t from = axis_place(site->lifetime_p50_seconds);
		size_t to = axis_place(site->lifetime_p99_seconds);

		memset(line + from, '=', to >= from ? to - from + 1 : 1);
	}
	if (isfinite(site->age_p50_seconds))
		line[axis_place(site->age_p50_seconds)] = 'A';
	fprintf(r->to, "     10 ms [%s] 30 d\n     ", line);
	if (isfinite(site->lifetime_p50_seconds))
		snprintf(text, sizeof text, "freed: half within %s, 99%% within %s",
		    text_duration(a, site->lifetime_p50_seconds),
		    text_duration(b, site->lifetime_p99_seconds));
	else
		snprintf(text, sizeof text, "freed: none");
	if (isfinite(site->age_p50_seconds))
		text_append(text, sizeof text, "; alive: half no older than %s",
		    text_duration(c, site->age_p50_seconds));
	text_wrap(r->to, text, 5, r->columns, 5);
}

static void put_frame(const struct report *r, const struct dump_frame *frame)
{
	const struct symbol_list *list = symbols_find(r->symbols, frame);
	char name[REPORT_NAME_MAX], place[128];
	size_t room = r->columns - 9;

	for (size_t i = 0; i < list->count; i++) {
		const struct symbol *symbol = &list->symbols[i];
		const char *inlined = symbol->is_inlined ? ", inlined" : "";
		size_t place_width = text_width(symbol_place(symbol, place, sizeof place)) + strlen(inlined);
		size_t name_room = place_width + 3 < room ? room - place_width - 3 : 8;

		snprintf(name, sizeof name, "%s", symbol->function);
		fprintf(r->to, "         %.*s", (int)text_fit(name, name_room), name);
		if (place[0] != '\0')
			fprintf(r->to, " (%s)%s\n", place, inlined);
		else
			fprintf(r->to, " [%s]%s\n", symbols_home(frame), inlined);
	}
	if (list->count == 0)
		fprintf(r->to, "         %s\n", symbols_name(r->symbols, frame, name, sizeof name));
}

static void put_site(const struct report *r, const struct dump_site *site, size_t number)
{
	char text[REPORT_SENTENCE_MAX], name[REPORT_NAME_MAX], a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX],
	    c[TEXT_FIGURE_MAX];
	const char *why = site->why[0] != '\0' ? site->why : reason_text(site->reason);
	size_t shown = r->is_long ? site->frame_count : MIN(site->frame_count, FRAMES_SHOWN);

	fprintf(r->to, "\n  %zu. %s%s %.2f%s  ", number, colour_of(r, site->level),
	    dump_level_name(site->level), site->risk, plain(r));
	text_wrap(r->to, site_name(r->symbols, site, name, sizeof name), 5, r->columns, 18);
	snprintf(text, sizeof text, "%s in %s, %s an hour; %s%s%s", text_bytes(a, site->live_bytes),
	    text_number_of(b, site->live_objects, "object"),
	    text_bytes_signed(c, site->growth_bytes_per_hour), site->reason, why != NULL ? ": " : "",
	    why != NULL ? why : "");
	text_make_printable(text); /* where it was cut off */
	fputs("     ", r->to);
	text_wrap(r->to, text, 5, r->columns, 5);
	put_axis(r, site);
	for (size_t i = 0; i < shown; i++)
		put_frame(r, &site->frames[i]);
	if (shown < site->frame_count)
		fprintf(r->to, "         and %zu more (--all)\n", site->frame_count - shown);
}

/* A remark on all sites. */
static void put_note(const struct report *r, const char *text)
{
	fputs("\n  ", r->to);
	text_wrap(r->to, text, 2, r->columns, 2);
}

static void put_sites(const struct report *r)
{
	size_t shown = r->is_long ? r->dump->site_count : MIN(r->dump->site_count, SITES_SHOWN);
	char bytes[TEXT_FIGURE_MAX], text[512];

	if (!r->dump->has_sites)
		return;
	heading(r, "Sites, most at risk first; bytes and objects are estimates");
	fputs(shown == 0 ? "  none was seen\n" : "  ", r->to);
	if (shown > 0)
		text_wrap(r->to,
		    "ages on a line: = from half of those freed to 99% of them, A half of those alive", 2,
		    r->columns, 2);
	for (size_t i = 0; i < shown; i++)
		put_site(r, &r->dump->sites[i], i + 1);
	if (shown < r->dump->site_count)
		fprintf(r->to, "\n  and %zu more (--all)\n", r->dump->site_count - shown);
	if (r->dump->not_listed.is_there && r->dump->sites_not_listed > 0)
		fprintf(r->to, "\n  and %llu that the dump does not list, in which live %s\n",
		    (unsigned long long)r->dump->sites_not_listed,
		    text_bytes(bytes, r->dump->not_listed.live_bytes));
	if (symbols_changed_module(r->symbols) != NULL) {
		snprintf(text, sizeof text,
		    "%s here is another file than the one that ran: its functions are not named.",
		    symbols_changed_module(r->symbols));
		put_note(r, text);
	}
	if (generated_nameless(r->dump, text, sizeof text))
		put_note(r, text);
}

/* --- lifetimes, classes, buffers --------------------------------------------------- */

struct ages {
	double freed, live;
};

/* Buckets from i up to before last, at most step of them, as one. */
static struct ages sum_of(const struct dump *dump, size_t i, size_t step, size_t last)
{
	struct ages ages = {0, 0};

	for (size_t end = MIN(i + step, last); i < end; i++) {
		ages.freed += dump->lifetimes[i].freed;
		ages.live += dump->lifetimes[i].live;
	}
	return ages;
}

static void put_lifetimes(const struct report *r)
{
	size_t width = r->columns >= 92 ? 24 : r->columns >= 72 ? 14 : 4;
	struct ages most = {0, 0};
	size_t first, last, step;

	if (!report_lifetimes(r->dump, &first, &last))
		return;
	step = (last - first + LIFETIME_ROWS - 1) / LIFETIME_ROWS;
	for (size_t i = first; i < last; i += step) {
		struct ages ages = sum_of(r->dump, i, step, last);

		most.freed = fmax(most.freed, ages.freed);
		most.live = fmax(most.live, ages.live);
	}
	heading(r, "Objects by age: when freed, and of those alive");
	fprintf(r->to, "  %10s %11s %-*s %11s\n", "age from", "freed", (int)width, "", "alive");
	for (size_t i = first; i < last; i += step) {
		struct ages ages = sum_of(r->dump, i, step, last);
		char a[TEXT_FIGURE_MAX], b[TEXT_FIGURE_MAX], from[TEXT_FIGURE_MAX];
		char left[BAR_MAX + 1], right[BAR_MAX + 1];

		fprintf(r->to, "  %10s %11s %-*s %11s%s%s\n",
		    text_duration(from, r->dump->lifetimes[i].from_seconds), text_count(a, ages.freed),
		    (int)width, bar(left, ages.freed, most.freed, width), text_count(b, ages.live),
		    ages.live > 0 ? " " : "", bar(right, ages.live, most.live, width));
	}
}

static void put_classes(const struct report *r)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < r->dump->class_count; i++)
		largest = MAX(largest, r->dump->classes[i].in_use);
	if (r->dump->class_count == 0)
		return;
	heading(r, "Size classes");
	fprintf(r->to, "  %10s %11s %9s %14s\n", "size", "in use", "idle", "requests");
	for (size_t i = 0; i < r->dump->class_count; i++) {
		const struct dump_class *c = &r->dump->classes[i];
		char size[TEXT_FIGURE_MAX], in_use[TEXT_FIGURE_MAX], idle[TEXT_FIGURE_MAX];
		char requests[TEXT_FIGURE_MAX], line[BAR_MAX + 1];

		fprintf(r->to, "  %10s %11s %9s %14s", text_bytes(size, (double)c->size_bytes),
		    text_count(in_use, (double)c->in_use), text_count(idle, (double)c->idle),
		    text_count(requests, (double)c->allocations));
		if (r->columns >= 72 && c->in_use > 0)
			fprintf(r->to, " %s", bar(line, (double)c->in_use, (double)largest, 20));
		putc('\n', r->to);
	}
}

void report_text(const struct report *report)
{
	put_verdict(report);
	put_advice(report);
	put_pool(report);
	put_pressure(report);
	put_sites(report);
	put_lifetimes(report);
	put_classes(report);
}
