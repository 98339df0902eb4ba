/*
 * target.c -- a process with Weir, read from outside: weir_state in it, and the tables that it points at.
 *
 * Nothing that is read is trusted: sizes and counts are checked against what they
 * describe, and what was read is put beside what this command was built with before it is
 * looked at as a structure. target_memory.c copies, target_symbol.c finds the place, target_pool.c and
 * target_track.c read what hangs on it.
 */
#include "cli/target.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/process.h"
#include "cli/target_parts.h"
#include "pool/arenas.h"
#include "pool/pool.h"
#include "track/sites.h"

/* The figures are being written: so often they are read again, each after TRY_STEP_NS. */
#define TRIES_MAX 20
#define TRY_STEP_NS (MILLISECOND / 2)

bool target_room(void *table, size_t *room, size_t bytes)
{
	void *more;

	if (bytes <= *room)
		return true;
	/* As the process has its arenas: at the start of a cache line. */
	more = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (more == NULL)
		return false;
	free(*(void **)table);
	*(void **)table = more;
	*room = bytes;
	return true;
}

static const size_t part_bytes[STATE_PARTS] = {
    [STATE_SETTINGS] = sizeof(struct settings),
    [STATE_RANGE] = sizeof(struct range),
    [STATE_POOL] = sizeof(struct pool),
    [STATE_ARENAS] = sizeof(struct arenas),
    [STATE_MAGAZINES] = sizeof(struct magazines),
    [STATE_ARENA] = sizeof(struct arena),
    [STATE_RUN] = sizeof(struct run),
    [STATE_TRACK] = sizeof(struct track_snapshot),
    [STATE_SITE] = sizeof(struct site),
    [STATE_BELL] = sizeof(uint32_t),
};

static enum target_result judge_header(struct target *target, const struct weir_state *state)
{
	if (state->magic == 0)
		return TARGET_STARTING;
	if (state->magic != STATE_MAGIC)
		return TARGET_CHANGED;
	memcpy(target->version, state->version, sizeof target->version - 1);
	if (state->layout != STATE_LAYOUT || state->bytes != sizeof *state)
		return TARGET_OTHER_VERSION;
	return TARGET_OK;
}

static enum target_result judge_parts(const struct weir_state *state)
{
	for (unsigned i = 0; i < STATE_PARTS; i++)
		if (state->parts[i].bytes != part_bytes[i])
			return TARGET_OTHER_VERSION;
	return TARGET_OK;
}

static void end_strings(struct weir_state *state)
{
	state->program[sizeof state->program - 1] = '\0';
	state->exe[sizeof state->exe - 1] = '\0';
	state->version[sizeof state->version - 1] = '\0';
	state->figures.pressure_source[sizeof state->figures.pressure_source - 1] = '\0';
	state->figures.background[sizeof state->figures.background - 1] = '\0';
	for (unsigned i = 0; i < STATE_ANSWERS; i++)
		for (unsigned k = 0; k < STATE_FILES_MAX; k++)
			state->answers[i].paths[k][STATE_PATH_BYTES - 1] = '\0';
}

enum target_result target_refresh(struct target *target)
{
	static const struct timespec step = {0, TRY_STEP_NS};
	enum target_result result;

	for (unsigned tries = 0;; tries++) {
		uint32_t before, after;

		/* Field by field the copy is of different moments; the number is read before and after. */
		result = target_read(
		    target, target->address + offsetof(struct weir_state, sequence), &before, sizeof before);
		if (result == TARGET_OK)
			result = target_read(target, target->address, &target->state, sizeof target->state);
		if (result == TARGET_OK)
			result = target_read(target, target->address + offsetof(struct weir_state, sequence),
			    &after, sizeof after);
		if (result == TARGET_OK)
			result = judge_header(target, &target->state);
		if (result != TARGET_OK)
			return result;
		target->is_torn = before != after || before % 2 != 0;
		if (!target->is_torn || tries == TRIES_MAX)
			break;
		nanosleep(&step, NULL);
	}
	end_strings(&target->state);
	return judge_parts(&target->state);
}

enum target_result target_read_part(struct target *target, enum state_part part, void *to)
{
	return target_read(target, target->state.parts[part].address, to, part_bytes[part]);
}

enum target_result target_attach(struct target *target, pid_t pid)
{
	struct weir_state *state = &target->state;
	struct process process;
	enum target_result result;
	uint64_t base;
	int error;

	target->pid = pid;
	target->address = 0;
	target->version[0] = '\0';
	if (!process_read(pid, &process) || process.state == 'Z' || process.state == 'X')
		return TARGET_GONE;
	base = process_weir_base(pid, &error);
	if (base == 0)
		return error != 0 ? target_failed(target, error) : TARGET_NO_WEIR;
	result = target_find_symbol(target, base);
	/* The header first: another layout may be shorter than ours. */
	if (result == TARGET_OK)
		result = target_read(target, target->address, state, offsetof(struct weir_state, parts));
	if (result == TARGET_OK)
		result = judge_header(target, state);
	if (result == TARGET_OK)
		result = target_refresh(target);
	if (result == TARGET_OK)
		result = target_read(
		    target, state->parts[STATE_SETTINGS].address, &target->settings, sizeof target->settings);
	if (result != TARGET_OK)
		target->address = 0;
	return result;
}

void target_detach(struct target *target)
{
	free(target->runs);
	free(target->owners);
	free(target->arenas);
	free(target->samples);
	free(target->texts);
	*target = (struct target){.pid = 0};
}

const struct state_answer *target_answer(const struct target *target, uint64_t request)
{
	for (unsigned i = 0; i < STATE_ANSWERS; i++) {
		const struct state_answer *answer = &target->state.answers[i];

		if (answer->request == request && answer->status >= STATE_WAITING)
			return answer;
	}
	return NULL;
}
