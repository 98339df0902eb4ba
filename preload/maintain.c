/*
 * maintain.c -- the monitor tick and the collections: inline, then by a thread.
 *
 * A process of one thread stays one: a pass runs inline, in a request that
 * looks at the clock anyway (pool_poll) or takes a slow path, when one is due. Once there is
 * a thread of ours (keeper.c), it runs them all. In the child of a fork everything begins anew, inline.
 *
 * A pass never holds a lock of ours while it calls jemalloc's mallctl(). A signal handler runs
 * but the pool's part of one, and only where that waits for nobody (maintain_ask()). A child of vfork runs none:
 * it may be killed within it, and its parent would wait for the end of that pass for ever, at its next fork.
 */
#include "preload/maintain.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sys.h"
#include "pool/headroom.h"
#include "pool/limits.h"
#include "pool/pool.h"
#include "pool/reclaim.h"
#include "pool/turn.h"
#include "preload/meet.h"
#include "preload/preload.h"
#include "preload/sample.h"
#include "preload/state.h"
#include "track/track.h"

#define PROBE_BYTES ((size_t)16 << 20)
#define PASS_STACK_BYTES ((uintptr_t)16 << 10)
#define WANTED(command) (1U << (command))
#define ALL_ARENAS_PURGE "arena.4096.purge" /* MALLCTL_ARENAS_ALL */
#define ALL_ARENAS_DECAY "arena.4096.decay"
#define JEMALLOC_IDLE_MIN (1 * MIB)
#define DECAYS_A_MONITOR 5

static struct {
	struct meminfo_source source;	/* found at the first pass */
	struct meminfo_scratch scratch; /* only the pass */
	struct process_info process;	/* as of the last tick; likewise */
	_Atomic bool is_source_known;	/* relaxed: only the pass reads and writes it */
	bool is_readable;		/* as of the last look; only the pass */
	uint32_t last_monitor;		/* ticks; only the pass */
	uint32_t last_look;		/* at pressure; likewise */
	uint32_t next_pass; /* relaxed: when a pass is due again; while a debt is paid, pool.due is earlier */
	_Atomic uint64_t last_piece_ns; /* relaxed: a hint */
	uint32_t last_dump;		/* by interval; likewise */
	_Atomic bool is_in_pass;	/* acquire and release: one pass at a time */
	_Atomic bool has_thread;	/* acquire and release: of this process */
	_Atomic bool is_jemalloc_left;	/* relaxed: a trim by a handler left jemalloc to the next pass */
	_Atomic unsigned
	    wanted; /* 1 << command: asked for from outside; relaxed, the answers carry the rest */
} maintain;

static bool is_thread(void)
{
	return atomic_load_explicit(&maintain.has_thread, memory_order_acquire);
}

/* --- the monitor ------------------------------------------------------------- */

/*
 * jemalloc 5.3's mallctl() follows a null pointer where the address space is used up
 * while it makes what it needs for its statistics; so there has to be some left.
 */
bool maintain_may_ask_jemalloc(void)
{
	void *probe;
	bool is_room;

	if (next.mallctl == NULL || !meet())
		return false;
	probe = sys_reserve(PROBE_BYTES);
	if (probe == NULL)
		return false;
	is_room = sys_commit(probe, PROBE_BYTES); /* which RLIMIT_DATA counts */
	sys_release(probe, PROBE_BYTES);
	return is_room;
}

/*
 * jemalloc's handler for fork waits for its locks, and mallctl() holds those for long. In a process of one thread a
 * signal's handler that forked meanwhile would wait for itself: so there is none meanwhile.
 */
static bool hold_signals(uint64_t *before)
{
	return is_single_threaded() && sys_signal_mask(SIG_SETMASK, SIGNALS_ALL, before);
}

static void release_signals(bool are_held, uint64_t before)
{
	if (are_held)
		sys_signal_mask(SIG_SETMASK, before, NULL);
}

static uint64_t jemalloc_figure(const char *name)
{
	size_t value = 0, size = sizeof(value);

	return next.mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

static void read_figures(struct fallback_stats *stats)
{
	uint64_t epoch = 1;
	size_t size = sizeof(epoch);

	if (next.mallctl("epoch", &epoch, &size, &epoch, size) != 0)
		return;
	STORE_RELAXED(&stats->allocated_bytes, jemalloc_figure("stats.allocated"));
	STORE_RELAXED(&stats->active_bytes, jemalloc_figure("stats.active"));
	STORE_RELAXED(&stats->resident_bytes, jemalloc_figure("stats.resident"));
	STORE_RELAXED(&stats->retained_bytes, jemalloc_figure("stats.retained"));
	STORE_RELAXED(&stats->metadata_bytes, jemalloc_figure("stats.metadata"));
	STORE_RELAXED(&stats->is_known, true);
}

static void read_fallback(struct fallback_stats *stats)
{
	uint64_t before = 0;
	bool are_held;

	if (!maintain_may_ask_jemalloc())
		return;
	are_held = hold_signals(&before);
	read_figures(stats);
	release_signals(are_held, before);
}

static void purge_jemalloc(void)
{
	uint64_t before = 0;
	bool are_held;

	if (!maintain_may_ask_jemalloc())
		return;
	are_held = hold_signals(&before);
	next.mallctl(ALL_ARENAS_PURGE, NULL, NULL, NULL, 0);
	release_signals(are_held, before);
}

/*
 * Within a request, where memory is about to end: once at a time, and as a pass, whose end a fork waits for. Where
 * a pass is under way it sees how scarce memory is itself.
 */
static void purge_jemalloc_now(void)
{
	if (!vfork_owns_memory() ||
	    atomic_exchange_explicit(&maintain.is_in_pass, true, memory_order_acquire))
		return;
	purge_jemalloc();
	atomic_store_explicit(&maintain.is_in_pass, false, memory_order_release);
}

static void say_level(const struct pressure *pressure, enum pressure_level before)
{
	struct log_line line;

	if (pressure->level == before || !log_begin(&line, LOG_INFO))
		return;
	out_str(&line.out, "memory pressure is ");
	out_str(&line.out, pressure_level_name(pressure->level));
	out_str(&line.out, " (");
	out_str(&line.out, pressure->source);
	out_str(&line.out, ", ");
	out_percent(&line.out, pressure->value);
	out_str(&line.out, ")");
	log_end(&line);
}

/* WEIR_DUMP_INTERVAL */
static void dump_if_due(void)
{
	uint32_t now = clock_now_ticks();

	if (preload.settings.dump_interval == 0 ||
	    now - maintain.last_dump < ns_to_ticks(preload.settings.dump_interval))
		return;
	maintain.last_dump = now;
	dump_take(TRIGGER_INTERVAL);
}

/* What tracking goes by; call it once the rest of the monitor has looked. */
static void put_facts(
    struct track_facts *facts, const struct meminfo *info, const struct process_info *process)
{
	const struct fallback_stats *fallback = &preload.fallback;
	uint64_t limit = pressure_memory_limit(info, preload.settings.memory_limit);
	uint64_t out = limits_out_pages() << PAGE_SHIFT;

	*facts = (struct track_facts){
	    .memory_limit_bytes = limit != UINT64_MAX ? limit : 0,
	    .memory_used_bytes =
		pressure_memory_used(info, preload.settings.memory_limit, process->rss_bytes),
	    .rss_bytes = process->rss_bytes,
	    /* What idles in magazines counts, too: a small share of the pool (tuning.h). */
	    .live_bytes = fallback->is_known ? out + fallback->allocated_bytes : 0,
	    .major_faults = process->major_faults,
	    .cpu_ns = clock_process_cpu_ns(),
	    .real_ns = clock_precise_ns(),
	};
}

/* As often as passes come: while there is anything to give back, ten times as often as the rest. */
static void look_at_pressure(struct meminfo *info)
{
	enum pressure_level before = preload.pressure.level;

	if (!atomic_load_explicit(&maintain.is_source_known, memory_order_relaxed) || !maintain.is_readable) {
		meminfo_find(&maintain.source, &maintain.scratch);
		atomic_store_explicit(&maintain.is_source_known, true, memory_order_relaxed);
	}
	meminfo_read(&maintain.source, info, &maintain.scratch);
	/* Out of descriptors, or of /proc: what was known last holds until it can be read again. */
	maintain.is_readable = info->total_bytes != 0;
	if (!maintain.is_readable)
		return;
	if (!process_info_read(&maintain.process, &maintain.scratch))
		maintain.process = (struct process_info){.rss_bytes = 0};
	preload.pressure =
	    pressure_judge(info, preload.settings.memory_limit, maintain.process.rss_bytes, before);
	pool_set_memory_limit(&preload.settings, pressure_memory_limit(info, preload.settings.memory_limit),
	    pressure_memory_used(info, preload.settings.memory_limit, maintain.process.rss_bytes));
	say_level(&preload.pressure, before);
	if (preload.pressure.level == PRESSURE_CRITICAL)
		purge_jemalloc();
}

static void monitor(const struct meminfo *info, struct track_facts *facts)
{
	if (maintain.is_readable)
		headroom_learn(&maintain.source, &info->gauge);
	read_fallback(&preload.fallback);
	put_facts(facts, info, &maintain.process);
}

/* --- a pass ------------------------------------------------------------------ */

/* What was asked for from outside. The answers are RUNNING from here on. */
static unsigned take_wanted(void)
{
	unsigned wanted = atomic_exchange_explicit(&maintain.wanted, 0, memory_order_relaxed);
	unsigned formats = 0;
	bool is_default;

	for (unsigned command = STATE_COMMAND_GC; command <= STATE_COMMAND_TRIM; command++)
		if ((wanted & WANTED(command)) != 0)
			state_begin((enum state_command)command, &formats, &is_default);
	return wanted;
}

static void answer_wanted(unsigned wanted, const struct state_result *result)
{
	for (unsigned command = STATE_COMMAND_GC; command <= STATE_COMMAND_TRIM; command++)
		if ((wanted & WANTED(command)) != 0)
			state_finish((enum state_command)command, result);
}

/* The pass that does what is wanted: a collection drops the floors. */
static uint64_t reclaim_wanted(unsigned wanted, uint32_t now, bool is_everything)
{
	enum pressure_level level = preload.pressure.level;

	if ((wanted & WANTED(STATE_COMMAND_GC)) != 0 && !is_everything)
		return reclaim_collect(now, level);
	/* A request does not wait for a purge, unless it was asked for or memory is about to end. */
	if (is_everything || wanted != 0 || is_thread() || level == PRESSURE_CRITICAL)
		return reclaim_run(now, level, is_everything);
	return reclaim_run_bounded(now, level);
}

/*
 * jemalloc gives back what idles as time goes by only while it is called. Between calls the thread
 * sees to it. Whether there is more.
 */
static bool decay_jemalloc(void)
{
	const struct fallback_stats *stats = &preload.fallback;
	uint64_t used;

	if (!maintain_may_ask_jemalloc())
		return false;
	next.mallctl(ALL_ARENAS_DECAY, NULL, NULL, NULL, 0);
	read_fallback(&preload.fallback);
	used = stats->active_bytes + stats->metadata_bytes;
	return stats->is_known && stats->resident_bytes > used + JEMALLOC_IDLE_MIN;
}

static uint32_t earlier(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0 ? a : b;
}

static bool is_past(uint32_t now, uint32_t last, uint64_t interval_ns)
{
	return now - last >= ns_to_ticks(interval_ns);
}

static bool pass(bool is_everything)
{
	uint32_t now = clock_now_ticks();
	uint64_t purged;
	uint32_t next_pass;
	unsigned wanted;
	struct track_facts facts;
	struct meminfo info;
	bool is_monitor_due;

	if (!vfork_owns_memory() ||
	    atomic_exchange_explicit(&maintain.is_in_pass, true, memory_order_acquire))
		return false;
	wanted = take_wanted();
	is_everything |= (wanted & WANTED(STATE_COMMAND_TRIM)) != 0;
	STORE_RELAXED(&pool.now, now);
	/* The first pass too: until then neither the cgroup's limit nor the pressure is known. */
	is_monitor_due = is_everything ||
			 !atomic_load_explicit(&maintain.is_source_known, memory_order_relaxed) ||
			 is_past(now, maintain.last_monitor, preload.settings.monitor_interval);
	if (is_monitor_due ||
	    is_past(now, maintain.last_look, preload.settings.monitor_interval / RECLAIM_LOOKS_A_MONITOR)) {
		maintain.last_look = now;
		look_at_pressure(&info);
	}
	if (is_monitor_due) {
		maintain.last_monitor = now;
		monitor(&info, &facts);
	}
	purged = reclaim_wanted(wanted, now, is_everything);
	if (is_everything)
		purge_jemalloc();
	answer_wanted(wanted, &(struct state_result){
				  .worker = is_thread() ? STATE_BY_THREAD : STATE_AT_NEXT,
				  .purged_bytes = purged,
			      });
	if (is_monitor_due) {
		facts.now_ticks = now;
		sample_wake();
		track_tick(&facts);
		state_publish(&maintain.process);
		dump_write_metrics();
		dump_if_due();
	}
	next_pass = reclaim_next(now);
	if (is_thread() && decay_jemalloc())
		next_pass = earlier(next_pass,
		    now + (uint32_t)ns_to_ticks(preload.settings.monitor_interval / DECAYS_A_MONITOR));
	STORE_RELAXED(&maintain.next_pass, next_pass);
	STORE_RELAXED(&pool.due, reclaim_has_debt() ? now : next_pass);
	if (reclaim_has_debt())
		STORE_RELAXED(&pool.poll_mask, 0);
	atomic_store_explicit(&maintain.is_in_pass, false, memory_order_release);
	return purged != 0;
}

/* What a pass left to do goes by pieces, one each time that the (coarse) clock has moved on. */
static void pay_debt(void)
{
	uint64_t now_ns = clock_now_ns();

	STORE_RELAXED(&pool.poll_mask, 0); /* every request looks */
	if (atomic_exchange_explicit(&maintain.last_piece_ns, now_ns, memory_order_relaxed) == now_ns)
		return;
	reclaim_piece(clock_now_ticks());
	if (!reclaim_has_debt())
		STORE_RELAXED(&pool.due, LOAD_RELAXED(&maintain.next_pass));
}

static void pass_inline(void)
{
	int saved = errno;

	if (reclaim_has_debt() && (int32_t)(LOAD_RELAXED(&maintain.next_pass) - clock_now_ticks()) > 0 &&
	    !atomic_load_explicit(&pool.is_collection_wanted, memory_order_relaxed)) {
		pay_debt();
		errno = saved;
		return;
	}

	if (atomic_load_explicit(&maintain.is_jemalloc_left, memory_order_relaxed) && vfork_owns_memory()) {
		atomic_store_explicit(&maintain.is_jemalloc_left, false, memory_order_relaxed);
		purge_jemalloc();
	}
	pass(false);
	errno = saved;
}

/*
 * A pass within a signal handler, as far as that goes: pool only, since jemalloc's locks
 * cannot be asked for. The interrupted code holds no lock of the pool, and neither do
 * restartable sequences matter: the signal has sent an interrupted one back to its start.
 */
static void pass_in_handler(enum state_command command)
{
	bool is_everything = command == STATE_COMMAND_TRIM;
	struct state_result result = {.worker = STATE_AT_ONCE, .is_part_left = is_everything};
	uint32_t now = clock_now_ticks();
	unsigned wanted = WANTED(command), formats = 0;
	bool is_default;

	state_begin(command, &formats, &is_default);
	result.purged_bytes = reclaim_wanted(wanted, now, is_everything);
	state_finish(command, &result);
	if (is_everything) {
		atomic_store_explicit(&maintain.is_jemalloc_left, true, memory_order_relaxed);
		atomic_store_explicit(&pool.is_collection_wanted, true, memory_order_relaxed);
	}
}

/* Room on the stack for a pass; an alternate one may be small. */
static bool has_room(void)
{
	stack_t stack;

	if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_ONSTACK) == 0)
		return true;
	return (uintptr_t)__builtin_frame_address(0) - (uintptr_t)stack.ss_sp >= PASS_STACK_BYTES;
}

void maintain_ask(enum state_command command)
{
	if (range.bytes == 0) {
		unsigned formats = 0;
		bool is_default;

		state_begin(command, &formats, &is_default);
		state_finish(command, &(struct state_result){.worker = STATE_BY_NOBODY});
		return;
	}
	if (is_thread()) {
		state_note_worker(command, STATE_BY_THREAD);
		atomic_fetch_or_explicit(&maintain.wanted, WANTED(command), memory_order_relaxed);
		turn_wake();
		return;
	}
	if (has_room() && !atomic_exchange_explicit(&maintain.is_in_pass, true, memory_order_acquire)) {
		bool is_quiet = pool_is_quiet();

		if (is_quiet)
			pass_in_handler(command);
		atomic_store_explicit(&maintain.is_in_pass, false, memory_order_release);
		if (is_quiet)
			return;
	}
	state_note_worker(command, STATE_AT_NEXT);
	atomic_fetch_or_explicit(&maintain.wanted, WANTED(command), memory_order_relaxed);
	atomic_store_explicit(&pool.is_collection_wanted, true, memory_order_relaxed);
}

bool maintain_now(bool is_everything)
{
	return pass(is_everything);
}

const char *maintain_mode(void)
{
	if (range.bytes == 0)
		return "none";
	return is_thread() ? "thread" : "inline";
}

/* --- the thread, for keeper.c ---------------------------------------------------- */

bool maintain_take_thread(void)
{
	if (range.bytes == 0 || preload.settings.background == BACKGROUND_NEVER || is_thread() ||
	    atomic_exchange_explicit(&maintain.has_thread, true, memory_order_acq_rel))
		return false;
	/* What jemalloc makes for its statistics is made now, before threads can use up the address space. */
	read_fallback(&preload.fallback);
	return true;
}

void maintain_has_thread(bool is_there)
{
	if (is_there)
		STORE_RELAXED(&pool.maintain, NULL);
	else
		atomic_store_explicit(&maintain.has_thread, false, memory_order_release);
}

uint64_t maintain_sleep_ns(void)
{
	int32_t left = (int32_t)(LOAD_RELAXED(&pool.due) - clock_now_ticks());

	if (left <= 0 || atomic_load_explicit(&pool.is_collection_wanted, memory_order_relaxed) ||
	    atomic_load_explicit(&maintain.wanted, memory_order_relaxed) != 0)
		return 0;
	return (uint64_t)((double)ticks_to_ns((uint64_t)left) / preload.settings.time_scale) + 1;
}

void maintain_start(void)
{
	if (range.bytes == 0)
		return;
	STORE_RELAXED(&pool.maintain, pass_inline);
	pool.purge_others = purge_jemalloc_now;
	turn_allow_if(vfork_owns_memory);
}

/* --- fork -------------------------------------------------------------------- */

void maintain_fork_prepare(void)
{
	/* A pass that is under way ends first: it may hold jemalloc's locks. */
	while (atomic_exchange_explicit(&maintain.is_in_pass, true, memory_order_acquire))
		sys_futex_wait(
		    &turn_bell, atomic_load_explicit(&turn_bell, memory_order_relaxed), MILLISECOND);
}

void maintain_fork_parent(void)
{
	atomic_store_explicit(&maintain.is_in_pass, false, memory_order_release);
}

void maintain_fork_child(void)
{
	if (range.bytes != 0)
		STORE_RELAXED(&pool.maintain, pass_inline);
	atomic_store_explicit(&maintain.has_thread, false, memory_order_relaxed);
	atomic_store_explicit(&maintain.is_source_known, false, memory_order_relaxed);
	atomic_store_explicit(&maintain.wanted, 0, memory_order_relaxed);
	state_fork_child();
}
