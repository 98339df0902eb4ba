/*
 * top.h -- what the parts of `weir top` share.
 *
 * top.c reads keys and time, top_data.c the processes, the others draw: each a screen or
 * a view of its own, from what stands in struct top, and change nothing but what is selected.
 */
#ifndef WEIR_CLI_TOP_H
#define WEIR_CLI_TOP_H

#include "cli/fleet.h"
#include "cli/target.h"
#include "pool/size_class.h"

#define TOP_HISTORY 256
#define TOP_MUTED_MAX 64

enum top_view { VIEW_CLASSES, VIEW_SITES, VIEW_LIFETIMES, VIEW_ADVICE, VIEW_COUNT };

/* One look at a process. */
struct top_look {
	bool is_valid;
	double at_seconds; /* CLOCK_MONOTONIC */
	struct snapshot snapshot;
	struct target_class classes[SIZE_CLASSES];
};

struct top {
	/* Asked for. */
	double delay_seconds;
	bool is_ascii, is_paused;

	/* The list of processes. */
	struct fleet fleet;
	size_t selected; /* of the fleet */
	pid_t selected_pid;

	/* The process that is watched; 0: none, the list is shown. */
	pid_t pid;
	bool has_list; /* one came from the list, and may go back there */
	struct target target;
	enum target_result result;
	char program[128];    /* to find it again after a restart */
	uint64_t start_ticks; /* of the process that was watched last */
	struct top_look now, before, mark;
	uint64_t peaks[SIZE_CLASSES]; /* most in use since the watch, or the mark, began */

	/* What is shown of it. */
	enum top_view view;
	int sort[VIEW_COUNT]; /* a column */
	bool is_reversed[VIEW_COUNT];
	size_t row[VIEW_COUNT]; /* the first shown, or the selected one */
	bool is_help;
	uint64_t open_site; /* drilled down to; 0: none */
	uint64_t muted[TOP_MUTED_MAX];
	size_t muted_count;
	bool shows_muted;

	char message[640];
	bool is_bad_news;
	double message_until;
};

/* top_data.c */
double top_now_seconds(void);
void top_watch(struct top *top, pid_t pid); /* begin with a process */
void top_leave(struct top *top);	    /* back to the list */
void top_look(struct top *top);		    /* look anew at whatever is shown */
void top_mark(struct top *top, bool is_set);
/* Per second between the last two looks; 0 where there are not two. */
double top_rate(const struct top *top, uint64_t now, uint64_t before);
void top_ask(struct top *top, enum state_command command);
bool top_is_muted(const struct top *top, uint64_t site);
void top_mute(struct top *top, uint64_t site);

/* top_names.c: after a look at a process, names of generated code where some of its sites lie in it. */
void names_look(const struct top *top);

/* top_once.c: to standard output, for scripts. The exit status. */
int top_once(struct top *top, bool is_json);

/* top_draw.c */
enum style {
	STYLE_PLAIN,
	STYLE_TITLE,
	STYLE_LABEL,
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	STYLE_SELECTED,
	STYLE_HEAD
};
bool draw_begin(bool is_ascii); /* take the terminal; false: it cannot show anything */
void draw_end(void);
/* At most width columns from x; what is longer is cut. Returns the column after it. */
int draw_text(int y, int x, int width, enum style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Over several lines, none of them last or below; returns the line after it. */
int draw_wrapped(int y, int last, int x, int width, const char *text);
void draw_bar(int y, int x, int width, double share, enum style style);
/* values: of 0..1, the last is newest. */
void draw_trend(int y, int x, int width, const double *values, size_t count, enum style style);
/* The same in so many lines. */
void draw_chart(int y, int x, int width, int lines, const double *values, size_t count, enum style style);
void draw_line(int y, enum style style); /* the whole line in that style, empty */
enum style draw_level(unsigned level);	 /* LOW, MEDIUM, HIGH */

/* top_list.c, top_process.c, top_views.c, top_sites.c: each into lines first to last - 1 */
void draw_list(struct top *top, int first, int last);
void draw_process(struct top *top, int first, int last);
void draw_classes(struct top *top, int first, int last);
void draw_sites(struct top *top, int first, int last);
void draw_lifetimes(struct top *top, int first, int last);
void draw_advice(struct top *top, int first, int last);
void draw_help(int first, int last);
/* How many columns a view can be sorted by; 0: none. */
int view_columns(enum top_view view);
/* top_site.c */
void draw_site_detail(struct top *top, const struct track_site *site, int first, int last);
/* top_sites.c: "relay_push (queue.c:112)" of the site, and of the functions at one of its frames, innermost
 * first; false: there are no more. */
void sites_name(const struct track_site *site, char *name, size_t size);
bool sites_frame(const struct track_site *site, unsigned frame, unsigned function, char *name, size_t size);
int sites_columns(void);
/* The site on the selected row of the view; 0: none. */
uint64_t sites_selected(const struct top *top);

#endif
