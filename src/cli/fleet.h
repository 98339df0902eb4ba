/*
 * fleet.h -- all processes that run with Weir, with the figures that stand in one line.
 */
#ifndef WEIR_CLI_FLEET_H
#define WEIR_CLI_FLEET_H

#include "cli/process.h"
#include "cli/target.h"

struct fleet_member {
	struct process process;
	enum target_result result; /* whether what follows is known */
	char why[320];		   /* where it is not */
	char program[128];
	double in_use_bytes, idle_bytes; /* NAN: not known */
	double pressure;		 /* negative: likewise */
	double risk;			 /* negative: not known */
	char level[8];			 /* "LOW", "MEDIUM", "HIGH", or "-" */
};

struct fleet {
	struct fleet_member *members;
	size_t count, room;
	size_t unseen; /* processes whose maps may not be read */
};

/* Look anew. False: there is no /proc. */
bool fleet_read(struct fleet *fleet);

/* list.c: all of them on standard output, a line each. The exit status. */
int list_processes(void);

INLINE const char *fleet_name(const struct fleet_member *member)
{
	return member->program[0] != '\0' ? member->program : member->process.name;
}

#endif
