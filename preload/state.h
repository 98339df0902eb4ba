/*
 * state.h -- what the process shows of itself to a reader outside; report/weir_state.h says what.
 */
#ifndef WEIR_PRELOAD_STATE_H
#define WEIR_PRELOAD_STATE_H

#include "report/weir_state.h"

/* Once, when everything that is shown is frozen. */
void state_start(const char *program, const char *exe);

/* At each monitor tick, by the pass. */
void state_publish(const struct process_info *process);

/*
 * A command has come. True: it is the caller's to do, and its answer is WAITING. False: it is
 * being done or done already (the sender asks again where an answer is late), or there is
 * no room (then the sender will ask again). Async-signal-safe.
 */
bool state_take(uint64_t request);

/*
 * The maintenance thread: its id, STATE_KEEPER_STARTS or 0 for none; it goes to sleep on turn_bell, or is
 * up again; the command that was left for it, 0: none. One that is left after the last look changes the bell.
 */
void state_keeper_is(uint32_t thread);
void state_keeper_sleeps(bool is_asleep);
uint64_t state_take_left(void);

/*
 * All WAITING answers to a command become RUNNING. Returns how many; *formats gets what their senders
 * ask for, together, or 0 in it for the settings' own. Async-signal-safe.
 */
unsigned state_begin(enum state_command command, unsigned *formats, bool *wants_settings);

/* All RUNNING ones of it are answered as filled in by the caller. Async-signal-safe. */
struct state_result {
	enum state_worker worker;
	int error;
	bool is_part_left;
	uint64_t purged_bytes;
	unsigned files;
	const char *paths[STATE_FILES_MAX];
	unsigned formats[STATE_FILES_MAX]; /* of each path */
};
void state_finish(enum state_command command, const struct state_result *result);

/* All WAITING ones of it: who will do it. */
void state_note_worker(enum state_command command, enum state_worker worker);

/* In the child of a fork: what its parent was asked is not its own to answer. */
void state_fork_child(void);

#endif
