/*
 * top.c -- `weir top`: keys, time, and which screen is shown.
 *
 * One loop: look, draw, wait for a key or for the next look. The processes that are watched
 * do nothing for it; what they become meanwhile is top_data.c's affair. The terminal is given
 * back on every way out, signals that end the command included.
 */
#include <curses.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/process.h"
#include "cli/top.h"

#define DELAY_DEFAULT_S 2.0
#define DELAY_MIN_S 0.01
#define DELAY_MAX_S 3600.0
#define COLUMNS_MIN 80
#define LINES_MIN 24
#define ESCAPE 27
#define CONTROL(key) ((key)&0x1F)

static const char help[] =
    "usage: weir top [-d SECONDS] [--ascii] [PID|NAME]\n"
    "       weir top --once [--json] [PID|NAME]\n\n"
    "Shows the processes that run with Weir, or one of them, and what changes. They are read\n"
    "from outside and do nothing for it. ? lists the keys, q ends.\n\n"
    "  -d, --delay SECONDS  look anew every so often (2); down to 0.01\n"
    "      --ascii          draw with ASCII only, also where the terminal knows more\n"
    "      --once           no screen: print it once, for scripts\n"
    "      --json           with --once: as JSON; of one process, a dump's\n"
    "  -h, --help           say this";

static volatile sig_atomic_t is_ended;

static void end(int number)
{
	is_ended = number;
}

/* --- keys -------------------------------------------------------------------------- */

static size_t *row_of(struct top *top)
{
	return top->pid != 0 ? &top->row[top->view] : &top->selected;
}

static void move_row(struct top *top, int by)
{
	size_t *row = row_of(top);

	*row = by < 0 && *row < (size_t)-by ? 0 : *row + (size_t)(long)by;
	/* The end is found by who draws it. */
}

static void open_selected(struct top *top)
{
	if (top->pid != 0) {
		if (top->view == VIEW_SITES)
			top->open_site = sites_selected(top);
		return;
	}
	if (top->selected < top->fleet.count) {
		top->has_list = true;
		top_watch(top, top->fleet.members[top->selected].process.pid);
		top_look(top);
	}
}

/* One step back. False: there is none. */
static bool step_back(struct top *top)
{
	if (top->open_site != 0) {
		top->open_site = 0;
	} else if (top->pid != 0 && top->has_list) {
		top_leave(top);
		top_look(top);
	} else {
		return false;
	}
	return true;
}

static void next_view(struct top *top, enum top_view view)
{
	top->view = view;
	top->open_site = 0;
}

static void on_process_key(struct top *top, int key)
{
	switch (key) {
	case '1':
	case '2':
	case '3':
	case '4':
		next_view(top, (enum top_view)(key - '1'));
		break;
	case '\t':
	case KEY_RIGHT:
		next_view(top, (enum top_view)((top->view + 1) % VIEW_COUNT));
		break;
	case KEY_BTAB:
	case KEY_LEFT:
		next_view(top, (enum top_view)((top->view + VIEW_COUNT - 1) % VIEW_COUNT));
		break;
	case 's':
		if (view_columns(top->view) > 0)
			top->sort[top->view] = (top->sort[top->view] + 1) % view_columns(top->view);
		break;
	case 'S':
		if (view_columns(top->view) > 0)
			top->sort[top->view] =
			    (top->sort[top->view] + view_columns(top->view) - 1) % view_columns(top->view);
		break;
	case 'r':
		top->is_reversed[top->view] = !top->is_reversed[top->view];
		break;
	case 'b':
		top_mark(top, true);
		break;
	case 'B':
		top_mark(top, false);
		break;
	case 'd':
		top_ask(top, STATE_COMMAND_DUMP);
		break;
	case 'g':
		top_ask(top, STATE_COMMAND_GC);
		break;
	case 't':
		top_ask(top, STATE_COMMAND_TRIM);
		break;
	case 'm':
		if (top->view == VIEW_SITES)
			top_mute(top, top->open_site != 0 ? top->open_site : sites_selected(top));
		break;
	case 'M':
		top->shows_muted = !top->shows_muted;
		break;
	default:
		break;
	}
}

/* False: the end. */
static bool on_key(struct top *top, int key)
{
	if (key == 'q' || key == 'Q' || key == KEY_F(10) || key == CONTROL('c'))
		return false;
	/* What is beneath is not seen, and so not acted on. */
	if (top->is_help) {
		top->is_help = false;
		return true;
	}
	switch (key) {
	case '?':
	case 'h':
	case KEY_F(1):
		top->is_help = true;
		break;
	case ESCAPE:
	case KEY_BACKSPACE:
	case '\b':
	case 0x7F:
		step_back(top);
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		open_selected(top);
		break;
	case KEY_UP:
	case 'k':
		move_row(top, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_row(top, 1);
		break;
	case KEY_PPAGE:
		move_row(top, -10);
		break;
	case KEY_NPAGE:
		move_row(top, 10);
		break;
	case KEY_HOME:
		*row_of(top) = 0;
		break;
	case 'p':
	case ' ':
		top->is_paused = !top->is_paused;
		break;
	case '+':
		top->delay_seconds = MIN(top->delay_seconds * 2, DELAY_MAX_S);
		break;
	case '-':
		top->delay_seconds = MAX(top->delay_seconds / 2, DELAY_MIN_S);
		break;
	case CONTROL('l'):
		clearok(curscr, TRUE);
		break;
	default:
		if (top->pid != 0)
			on_process_key(top, key);
		break;
	}
	return true;
}

/* --- the screen -------------------------------------------------------------------- */

static void draw_foot(const struct top *top)
{
	const char *keys = top->is_help ? "any key: back   q quit"
			   : top->pid == 0
			       ? "Enter watch   ? help   q quit"
			       : "1-4 view  s sort  b mark  d dump  g collect  t trim  ? help  q quit";
	bool is_said = top->message[0] != '\0' && top_now_seconds() < top->message_until;

	draw_line(LINES - 1, STYLE_TITLE);
	draw_text(LINES - 1, 1, COLS - 12, STYLE_TITLE, "%s", keys);
	draw_text(LINES - 1, COLS - 11, 10, STYLE_TITLE, "%10s", top->is_paused ? "paused" : "");
	if (is_said)
		draw_text(LINES - 2, 0, COLS, top->is_bad_news ? STYLE_BAD : STYLE_HEAD, "%s", top->message);
}

static void draw(struct top *top)
{
	erase();
	if (COLS < COLUMNS_MIN || LINES < LINES_MIN)
		draw_text(0, 0, COLS, STYLE_BAD, "weir top needs %d columns and %d lines; here are %d and %d",
		    COLUMNS_MIN, LINES_MIN, COLS, LINES);
	else if (top->is_help)
		draw_help(0, LINES - 2);
	else if (top->pid == 0)
		draw_list(top, 0, LINES - 2);
	else
		draw_process(top, 0, LINES - 2);
	if (LINES >= LINES_MIN)
		draw_foot(top);
	refresh();
}

static void show(struct top *top)
{
	double next = top_now_seconds();

	while (!is_ended) {
		double now = top_now_seconds(), wait;
		int key;

		if (now >= next) {
			if (!top->is_paused)
				top_look(top);
			next = now + top->delay_seconds;
		}
		draw(top);
		wait = next - top_now_seconds();
		timeout(MAX((int)(wait * 1000) + 1, 1));
		key = getch();
		if (key == ERR)
			continue; /* the time is over, or a signal came */
		if (key != KEY_RESIZE && !on_key(top, key))
			return;
		next = MIN(next, top_now_seconds() + top->delay_seconds);
	}
}

/* --- the command line -------------------------------------------------------------- */

static bool parse_delay(const char *text, double *seconds)
{
	char *end_of;

	*seconds = strtod(text, &end_of);
	if (end_of != text && *end_of == '\0' && *seconds >= DELAY_MIN_S && *seconds <= DELAY_MAX_S)
		return true;
	complain(
	    "a delay is a number of seconds from %g to %g, and '%s' is none", DELAY_MIN_S, DELAY_MAX_S, text);
	return false;
}

static int run_screen(struct top *top)
{
	struct sigaction action = {.sa_handler = end};

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		complain("a live screen needs a terminal; `weir top --once` prints it once");
		return EXIT_USAGE;
	}
	if (top->pid != 0) {
		top_watch(top, top->pid);
		if (top->result != TARGET_OK) {
			complain("%s", top->message);
			return EXIT_WEIR_FAILED;
		}
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (!draw_begin(top->is_ascii)) {
		complain(
		    "the terminal '%s' is not known here, or cannot be drawn on; TERM=xterm may do, or `weir top --once`",
		    getenv("TERM") != NULL ? getenv("TERM") : "");
		return EXIT_WEIR_FAILED;
	}
	show(top);
	draw_end();
	return is_ended == SIGTERM || is_ended == SIGHUP ? 128 + is_ended : EXIT_SUCCESS;
}

int verb_top(int argc, char **argv)
{
	enum { ASCII = 256, ONCE, JSON };
	static const struct option options[] = {{"delay", required_argument, NULL, 'd'},
	    {"ascii", no_argument, NULL, ASCII}, {"once", no_argument, NULL, ONCE},
	    {"json", no_argument, NULL, JSON}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static struct top top = {.delay_seconds = DELAY_DEFAULT_S};
	bool is_once = false, is_json = false;
	int option;

	while ((option = getopt_long(argc, argv, "d:h", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			if (!parse_delay(optarg, &top.delay_seconds))
				return EXIT_USAGE;
			break;
		case ASCII:
			top.is_ascii = true;
			break;
		case ONCE:
			is_once = true;
			break;
		case JSON:
			is_json = true;
			break;
		case 'h':
			puts(help);
			return finish_output();
		default:
			return wrong_option("top");
		}
	}
	if (optind + 1 < argc) {
		complain("top shows one process or all, and '%s' is one too many", argv[optind + 1]);
		return EXIT_USAGE;
	}
	if (is_json && !is_once) {
		complain("--json goes with --once");
		return EXIT_USAGE;
	}
	if (optind < argc && !process_find(argv[optind], &top.pid))
		return EXIT_WEIR_FAILED;
	return is_once ? top_once(&top, is_json) : run_screen(&top);
}
