/*
 * log.h -- lines on stderr: "weir[PID]: text".
 *
 * A line is one write(2). May be called from a signal handler and under any
 * lock; keeps errno; allocates nothing. Writes to descriptor 2 as it is at the
 * time; a closed one is not an error.
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/compiler.h"
#include "base/out.h"

enum log_level { LOG_OFF, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* Whole lines go to sink instead of stderr (text ends in a zero, without pid or newline); NULL: to
 * stderr again. Called where the line is said: perhaps under a lock. Once, before threads. */
void log_set_sink(void (*sink)(enum log_level level, const char *text));

/* A whole line out of plain text. */
void log_text(enum log_level level, const char *text);

/* A line in pieces: struct log_line l; if (log_begin(&l, LOG_WARN)) { out_str(&l.out, ..); log_end(&l); } */
struct log_line {
	struct out out;
	enum log_level level;
	unsigned prefix; /* bytes of "weir[PID]: " */
	int saved_errno;
	char buffer[480];
};
bool log_begin(struct log_line *line, enum log_level level);
void log_end(struct log_line *line);

#endif
