/*
 * top_list.c -- the screen of all processes, and the one of the keys.
 */
#include "cli/text.h"
#include "cli/top.h"
#include "pool/pressure.h"

#define RISK_COLUMN 74

static void draw_member(const struct fleet_member *m, int y, bool is_selected)
{
	char uptime[TEXT_FIGURE_MAX], rss[TEXT_FIGURE_MAX], used[TEXT_FIGURE_MAX], idle[TEXT_FIGURE_MAX];
	char pressure[TEXT_FIGURE_MAX];
	enum style style = is_selected ? STYLE_SELECTED : STYLE_PLAIN;

	if (is_selected)
		draw_line(y, STYLE_SELECTED);
	if (m->result != TARGET_OK) {
		draw_text(y, 0, 1000, style, "%7d  %-16.16s  %s", (int)m->process.pid, fleet_name(m), m->why);
		return;
	}
	draw_text(y, 0, 1000, style, "%7d %-13.13s %11s %10s %10s %10s %6s", (int)m->process.pid,
	    fleet_name(m), text_duration(uptime, m->process.uptime_seconds),
	    text_bytes(rss, (double)m->process.rss_bytes), text_bytes(used, m->in_use_bytes),
	    text_bytes(idle, m->idle_bytes), m->pressure >= 0 ? text_percent(pressure, m->pressure) : "-");
	draw_text(y, RISK_COLUMN, 6,
	    is_selected || m->risk < 0 ? style : draw_level(m->level[0] == 'H' ? 2 : m->level[0] == 'M'),
	    "%s", m->level);
}

void draw_list(struct top *top, int first, int last)
{
	size_t count = top->fleet.count, shown = (size_t)(last - first - 2), from;

	draw_line(first, STYLE_TITLE);
	draw_text(
	    first, 1, 78, STYLE_TITLE, "weir top: %zu process%s with Weir", count, count == 1 ? "" : "es");
	draw_text(first + 1, 0, 1000, STYLE_HEAD, "%7s %-13s %11s %10s %10s %10s %6s %s", "PID", "PROGRAM",
	    "UPTIME", "RSS", "IN USE", "IDLE", "PRESS", "RISK");
	if (count == 0)
		draw_text(first + 3, 2, 1000, STYLE_PLAIN,
		    "No process runs with Weir as far as you may see. `weir run -- CMD` starts one.");
	if (count > 0) {
		top->selected = MIN(top->selected, count - 1);
		top->selected_pid = top->fleet.members[top->selected].process.pid;
	}
	from = top->selected >= shown ? top->selected - shown + 1 : 0;
	for (size_t i = from; i < count && i < from + shown; i++)
		draw_member(&top->fleet.members[i], first + 2 + (int)(i - from), i == top->selected);
	if (top->fleet.unseen > 0 && geteuid() != 0)
		draw_text(last - 1, 1, 1000, STYLE_LABEL,
		    "%zu process%s of others not looked into; root sees all", top->fleet.unseen,
		    top->fleet.unseen == 1 ? "" : "es");
}

void draw_help(int first, int last)
{
	static const char *const lines[] = {
	    "Enter            watch the process, or open the call site, that is selected",
	    "Esc, Backspace   one step back",
	    "Up, Down, PgUp, PgDn, Home   move",
	    "1 2 3 4, Tab     size classes, call sites, lifetimes, what to do",
	    "s S r            sort by the next or the last column; reverse",
	    "b B              mark: from now on show what changes; no mark",
	    "m M              mute a call site; show the muted ones, too",
	    "d                dump: the process writes down all it knows",
	    "g                collect: it gives back what idles now",
	    "t                trim: it gives back all that it can",
	    "p, Space         pause",
	    "+ -              look half as often, twice as often",
	    "q                quit",
	    "",
	    "IN USE is what the program holds, IDLE waits in magazines for a request, HOT",
	    "is free and resident, COLD went back to the kernel, both under the largest",
	    "size that fits. PEAK: most in use since the watch or the mark began. REUSE:",
	    "requests that needed no new buffer. WASTE: bytes in use not asked for.",
	};

	draw_line(first, STYLE_TITLE);
	draw_text(first, 1, 78, STYLE_TITLE, "weir top: keys");
	for (int i = 0; i < (int)ARRAY_LENGTH(lines) && first + 2 + i < last; i++)
		draw_text(first + 2 + i, 2, 1000, STYLE_PLAIN, "%s", lines[i]);
}
