/*
 * state.c -- the exported symbol weir_state: what a reader outside the process finds.
 *
 * report/weir_state.h says what is in it and how it is read. Here it is filled in: what is
 * frozen at the start, figures by the monitor's pass, answers to commands by whoever
 * does them. The object is ours under a hidden name, so that a program which exports a
 * weir_state of its own does not put it in the place of this one.
 *
 * Invariants: magic is written last, so whoever finds it finds everything that is frozen.
 * Figures change only between an odd and the next even sequence number. An answer's
 * request is written while the answer is CLAIMED, by the one who claimed it.
 *
 * No lock, no allocation; all but state_start() and state_publish() may be called in a
 * signal handler.
 */
#include "preload/state.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "pool/arenas.h"
#include "pool/limits.h"
#include "pool/pool.h"
#include "pool/turn.h"
#include "preload/maintain.h"
#include "preload/preload.h"
#include "track/samples.h"
#include "track/sites.h"

static struct weir_state state;
static struct track_snapshot track; /* under state.sequence */
extern struct weir_state weir_state __attribute__((alias("state"), visibility("default")));

static void copy_text(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

#define PART(object) ((struct state_part_at){(uintptr_t) & (object), sizeof(object)})

void state_start(const char *program, const char *exe)
{
	state.layout = STATE_LAYOUT;
	state.bytes = sizeof(state);
	copy_text(state.version, sizeof(state.version), WEIR_VERSION);
	copy_text(state.program, sizeof(state.program), program);
	copy_text(state.exe, sizeof(state.exe), exe);
	state.parts[STATE_SETTINGS] = PART(preload.settings);
	state.parts[STATE_RANGE] = PART(range);
	state.parts[STATE_POOL] = PART(pool);
	state.parts[STATE_ARENAS] = PART(arenas);
	state.parts[STATE_MAGAZINES] = PART(magazines);
	state.parts[STATE_ARENA].bytes = sizeof(struct arena);
	state.parts[STATE_RUN].bytes = sizeof(struct run);
	state.parts[STATE_TRACK] = PART(track);
	state.parts[STATE_SITE].bytes = sizeof(struct site);
	state.parts[STATE_BELL] = PART(turn_bell);
	state.keeper.filters_at_start = sys_filters_at_start();
	state.figures.pid = (uint32_t)getpid();
	state.clock_origin_ns = clock_origin_ns();
	state.started_at_ns = clock_started_at_ns();
	STORE_RELEASE(&state.magic, STATE_MAGIC);
}

static void add_point(struct state_figures *figures)
{
	figures->points[figures->points_written++ % STATE_POINTS] = (struct state_point){
	    .uptime_ns = figures->uptime_ns,
	    .held_bytes = (limits_out_pages() + arenas_hot_pages()) << PAGE_SHIFT,
	    .rss_bytes = figures->process.rss_bytes,
	    .risk = track.is_active && track.risk.is_known ? track.risk.score : -1,
	};
}

void state_publish(const struct process_info *process)
{
	struct state_figures *figures = &state.figures;
	uint32_t sequence = atomic_load_explicit(&state.sequence, memory_order_relaxed);

	/* Odd where a fork fell between the two stores of the parent: one more makes it right. */
	sequence |= 1;
	atomic_store_explicit(&state.sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* the odd number is out before any of the figures */
	figures->ticks++;
	figures->taken_at_ns = clock_unix_now_ns();
	figures->uptime_ns = clock_now_ns();
	figures->pressure = preload.pressure;
	copy_text(figures->pressure_source, sizeof(figures->pressure_source),
	    preload.pressure.source != NULL ? preload.pressure.source : "none");
	figures->fallback = preload.fallback;
	figures->process = *process;
	copy_text(figures->background, sizeof(figures->background), maintain_mode());
	track_collect(&track);
	/* Tracking makes its tables late. */
	state.parts[STATE_SITE].address = (uintptr_t)sites_at(0);
	figures->sites_bound = track.is_active ? sites_bound() : 0;
	samples_where(&figures->samples_address, &figures->samples_bytes);
	add_point(figures);
	atomic_store_explicit(&state.sequence, sequence + 1, memory_order_release);
}

/* --- answers ----------------------------------------------------------------- */

static enum state_status status_of(const struct state_answer *answer)
{
	return (enum state_status)atomic_load_explicit(&answer->status, memory_order_acquire);
}

static void set_status(struct state_answer *answer, enum state_status status)
{
	atomic_store_explicit(&answer->status, status, memory_order_release);
}

static uint64_t request_of(const struct state_answer *answer)
{
	/* relaxed: the status that was read before it orders it */
	return atomic_load_explicit(&answer->request, memory_order_relaxed);
}

/* Is it being done, or answered? Its sender asks again where an answer is late. */
static bool is_known(uint64_t request, bool *is_waiting)
{
	for (unsigned i = 0; i < STATE_ANSWERS; i++) {
		enum state_status status = status_of(&state.answers[i]);

		if (status >= STATE_WAITING && request_of(&state.answers[i]) == request) {
			*is_waiting = status == STATE_WAITING;
			return true;
		}
	}
	return false;
}

static bool claim(struct state_answer *answer)
{
	uint32_t status = (uint32_t)status_of(answer);

	if (status == STATE_CLAIMED || status == STATE_WAITING || status == STATE_RUNNING)
		return false;
	/* Acquire: what another wrote into it before stays before; release of the next status is its partner. */
	return atomic_compare_exchange_strong_explicit(
	    &answer->status, &status, STATE_CLAIMED, memory_order_acquire, memory_order_relaxed);
}

bool state_take(uint64_t request)
{
	bool is_waiting;

	/* One that waits is taken up again: whoever had it may have left it to nobody. */
	if (is_known(request, &is_waiting))
		return is_waiting;
	for (unsigned tries = 0; tries < STATE_ANSWERS; tries++) {
		uint32_t i = atomic_fetch_add_explicit(&state.next_answer, 1, memory_order_relaxed);
		struct state_answer *answer = &state.answers[i % STATE_ANSWERS];

		if (!claim(answer))
			continue;
		atomic_store_explicit(&answer->request, request, memory_order_relaxed);
		answer->worker = STATE_BY_NOBODY;
		answer->error = 0;
		answer->is_part_left = false;
		answer->purged_bytes = 0;
		answer->files = 0;
		set_status(answer, STATE_WAITING);
		return true;
	}
	return false;
}

unsigned state_begin(enum state_command command, unsigned *formats, bool *wants_settings)
{
	unsigned count = 0;

	for (unsigned i = 0; i < STATE_ANSWERS; i++) {
		struct state_answer *answer = &state.answers[i];
		uint32_t waiting = STATE_WAITING;
		unsigned asked;

		if (status_of(answer) != STATE_WAITING ||
		    state_request_command(request_of(answer)) != command)
			continue;
		if (!atomic_compare_exchange_strong_explicit(
			&answer->status, &waiting, STATE_RUNNING, memory_order_acquire, memory_order_relaxed))
			continue;
		asked = state_request_formats(request_of(answer));
		*formats |= asked;
		*wants_settings |= asked == 0;
		count++;
	}
	return count;
}

static void put_paths(struct state_answer *answer, const struct state_result *result, unsigned formats)
{
	answer->files = 0;
	for (unsigned i = 0; i < result->files && answer->files < STATE_FILES_MAX; i++)
		if ((result->formats[i] & formats) != 0)
			copy_text(answer->paths[answer->files++], STATE_PATH_BYTES, result->paths[i]);
}

void state_finish(enum state_command command, const struct state_result *result)
{
	for (unsigned i = 0; i < STATE_ANSWERS; i++) {
		struct state_answer *answer = &state.answers[i];
		unsigned asked;

		if (status_of(answer) != STATE_RUNNING ||
		    state_request_command(request_of(answer)) != command)
			continue;
		asked = state_request_formats(request_of(answer));
		answer->worker = result->worker;
		answer->error = result->error;
		answer->is_part_left = result->is_part_left;
		answer->purged_bytes = result->purged_bytes;
		put_paths(answer, result, asked != 0 ? asked : preload.settings.dump_format);
		set_status(answer, result->error == 0 ? STATE_DONE : STATE_FAILED);
	}
}

void state_note_worker(enum state_command command, enum state_worker worker)
{
	for (unsigned i = 0; i < STATE_ANSWERS; i++) {
		struct state_answer *answer = &state.answers[i];

		if (status_of(answer) == STATE_WAITING &&
		    state_request_command(request_of(answer)) == command)
			STORE_RELAXED(&answer->worker, worker);
	}
}

void state_keeper_is(uint32_t thread)
{
	atomic_store_explicit(&state.keeper.thread, thread, memory_order_relaxed);
}

void state_keeper_sleeps(bool is_asleep)
{
	atomic_store_explicit(&state.keeper.is_asleep, is_asleep, memory_order_relaxed);
}

uint64_t state_take_left(void)
{
	uint64_t request = atomic_load_explicit(&state.keeper.request, memory_order_relaxed);

	/* The kernel's copy of eight bytes may be seen half done: the bell will say when it is whole. */
	if (!state_is_request(request))
		return 0;
	/* Nobody writes it before it is 0 again. */
	atomic_store_explicit(&state.keeper.request, 0, memory_order_relaxed);
	return request;
}

void state_fork_child(void)
{
	state_keeper_is(0);
	atomic_store_explicit(&state.keeper.is_asleep, 0, memory_order_relaxed);
	atomic_store_explicit(&state.keeper.request, 0, memory_order_relaxed);
	for (unsigned i = 0; i < STATE_ANSWERS; i++)
		set_status(&state.answers[i], STATE_FREE);
	state.figures.pid = (uint32_t)getpid();
	state.figures.ticks = 0;
}
