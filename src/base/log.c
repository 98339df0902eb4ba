/*
 * log.c -- lines on stderr: "weir[PID]: text".
 *
 * Called from everywhere: before any constructor, from signal handlers, under
 * any lock. A line is built on the caller's stack and goes out in one
 * write(2), so lines of several threads do not mix; one that does not fit is
 * cut and ends in "...". errno is kept. The pid is asked for by every line,
 * since a child of fork has another one.
 */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Relaxed: it only says how much is said; written once at start. */
static enum log_level threshold = LOG_WARN;

/* Release in log_set_sink(), acquire where it is called: what it reads was written before. */
static void (*log_sink)(enum log_level level, const char *text);

void log_set_sink(void (*sink)(enum log_level level, const char *text))
{
	STORE_RELEASE(&log_sink, sink);
}

void log_set_level(enum log_level level)
{
	STORE_RELAXED(&threshold, level);
}

bool log_is_on(enum log_level level)
{
	return level != LOG_OFF && level <= LOAD_RELAXED(&threshold);
}

bool log_begin(struct log_line *line, enum log_level level)
{
	if (!log_is_on(level))
		return false;
	line->saved_errno = errno;
	line->level = level;
	/* The last byte is kept for the newline. */
	out_init(&line->out, -1, line->buffer, sizeof(line->buffer) - 1);
	out_str(&line->out, "weir[");
	out_u64(&line->out, (uint64_t)getpid());
	out_str(&line->out, "]: ");
	line->prefix = (unsigned)line->out.used;
	return true;
}

void log_end(struct log_line *line)
{
	static const char cut[] = "...";
	if (line->out.error == ENOSPC)
		memcpy(line->buffer + line->out.used - strlen(cut), cut, strlen(cut));
	void (*sink)(enum log_level, const char *) = LOAD_ACQUIRE(&log_sink);
	if (sink != NULL) {
		line->buffer[line->out.used] = '\0';
		sink(line->level, line->buffer + line->prefix);
		errno = line->saved_errno;
		return;
	}
	line->buffer[line->out.used] = '\n';

	size_t done = 0, whole = line->out.used + 1;
	while (done < whole) {
		size_t length = whole - done;
		int error = out_write_once(STDERR_FILENO, line->buffer + done, &length);
		done += length;
		if (error != 0 ? error != EINTR : length == 0)
			break; /* closed, full or gone: nobody to tell */
	}
	errno = line->saved_errno;
}

void log_text(enum log_level level, const char *text)
{
	struct log_line line;
	if (!log_begin(&line, level))
		return;
	out_str(&line.out, text);
	log_end(&line);
}
