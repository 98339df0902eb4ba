/*
 * ask.h -- have a process do something, and wait for its answer.
 */
#ifndef WEIR_CLI_ASK_H
#define WEIR_CLI_ASK_H

#include "cli/target.h"

enum ask_result {
	ASK_OK,	    /* *answer says what came of it; a dump may have failed */
	ASK_FAILED, /* it could not be asked, or went away: text says why */
	ASK_LATE,   /* no answer in time, or a promise only: text says which */
};

/* How long a promise is watched before it is passed on as one. */
#define ASK_GRACE_NS (300 * MILLISECOND)

/* target: attached. formats: of a dump, 0 for the process's own. text: of size bytes, for one line. */
enum ask_result ask(struct target *target, enum state_command command, unsigned formats, uint64_t timeout_ns,
    struct state_answer *answer, char *text, size_t size);

#endif
