/*
 * knock.h -- leave a command with a process's maintenance thread, so that no thread of the program's own notices.
 */
#ifndef WEIR_CLI_KNOCK_H
#define WEIR_CLI_KNOCK_H

#include "cli/target.h"

enum knock_result {
	KNOCK_LEFT,   /* it lies there, and the thread is awake or will be */
	KNOCK_BEFORE, /* another command lies there still */
	KNOCK_CANNOT, /* there is no such thread, or it may not be woken: somebody traces it, say */
};

/* The thread, by its id in our pid namespace; 0: there is none that can be asked. Goes by the last target_refresh(). */
pid_t knock_thread(struct target *target);

/* request: as state_request() makes it. Takes some 0.3 ms. */
enum knock_result knock(const struct target *target, pid_t thread, uint64_t request);

#endif
