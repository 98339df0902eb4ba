/*
 * fleet.c -- all processes that run with Weir, with the figures that stand in one line.
 *
 * A pass over /proc: who has the object in its maps is a member; its figures are there
 * where its memory may be read. Kernel threads have no maps and are skipped early.
 */
#include "cli/fleet.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/metrics.h"

static struct fleet_member *add(struct fleet *fleet)
{
	if (fleet->count == fleet->room) {
		size_t room = fleet->room * 2 + 16;
		struct fleet_member *more = realloc(fleet->members, room * sizeof *more);

		if (more == NULL)
			return NULL;
		fleet->members = more;
		fleet->room = room;
	}
	return &fleet->members[fleet->count++];
}

static void read_figures(struct fleet_member *member)
{
	static struct target target;
	static struct snapshot snapshot;

	member->in_use_bytes = member->idle_bytes = NAN;
	member->pressure = member->risk = -1;
	snprintf(member->level, sizeof member->level, "-");
	member->program[0] = member->why[0] = '\0';
	member->result = target_attach(&target, member->process.pid);
	if (member->result == TARGET_OK)
		member->result = target_snapshot(&target, &snapshot);
	if (member->result == TARGET_OK) {
		struct metrics m = metrics_derive(&snapshot);

		snprintf(member->program, sizeof member->program, "%s", metrics_program_name(&snapshot));
		member->in_use_bytes = (double)m.total_used_bytes;
		member->idle_bytes = (double)m.idle_bytes;
		member->pressure = snapshot.pressure.value;
		if (metrics_is_risk_known(&snapshot)) {
			member->risk = snapshot.track.risk.score;
			snprintf(member->level, sizeof member->level, "%s", snapshot.track.risk.level_name);
		}
	} else {
		target_explain(&target, member->result, member->why, sizeof member->why);
	}
	target_detach(&target);
}

bool fleet_read(struct fleet *fleet)
{
	size_t count;
	pid_t *pids = process_all(&count);

	fleet->count = fleet->unseen = 0;
	if (pids == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct fleet_member *member;
		struct process process;
		int error;

		if (process_weir_base(pids[i], &error) == 0) {
			fleet->unseen += error == EACCES || error == EPERM;
			continue;
		}
		if (!process_read(pids[i], &process))
			continue;
		member = add(fleet);
		if (member == NULL)
			break;
		member->process = process;
		read_figures(member);
		/* Gone since, or it became another program: no line. */
		fleet->count -= member->result == TARGET_GONE || member->result == TARGET_NO_WEIR;
	}
	free(pids);
	return true;
}
