/*
 * sampler.c -- countdowns, weights, and intervals that follow a budget.
 *
 * sampler_take() is called by malloc when a countdown passed 0: thousands of times a
 * second at most, so it may read the clock. No lock, no allocation; may be interrupted by a
 * signal handler that allocates (then one of the two draws is lost, which no estimate
 * feels, as neither is picked by what it would say).
 *
 * The budget: what a kind may spend in a second of real time. A sample costs 1, about 300 ns or 2,100
 * instructions (its stack, its site, its death), and 1 more for each frame for which unwind tables had to
 * be read, and for ten without tables (sampler_charge()); each of these times the price, which is higher where the
 * process is busy. Past it within a second, the interval doubles at once, and
 * again at each further quarter of the budget; a second that spent less than a third
 * halves it. In between it stays, so it does not swing. Small allocations start
 * at the setting; the others at 0, all of them. Both come to 0 where a program allocates little, so that
 * a slow leak is seen object by object, and not one in a hundred of it. Small ones are told more finely than by
 * SAMPLER_INTERVAL_COARSE only while fewer than SAMPLER_FINE_LIVE samples of them are live: that bounds what a store
 * of a million small objects takes. What a sample costs moves only the intervals of later points: whether an
 * allocation is one never depends on its stack.
 *
 * A distance is walked in legs, at most so many bytes each, or so many buffers where these are large:
 * after a leg that met no point the distance is drawn anew if the interval is another by then. So a thread
 * that drew a long one in a storm does not stay blind in the calm after it.
 *
 * Intervals are relaxed atomics: hints, whose order means nothing.
 */
#include "track/sampler.h"

#include "base/clock.h"
#include "track/approx.h"
#include "track/samples.h"

/*
 * Of the table of samples. Above HALF_FULL the tick thins it, and the interval doubles as the weights
 * did; it comes back once few are live. A tick's time of samples has room above that;
 * where ticks are far apart, intervals double each second above TOO_FULL until one comes.
 */
#define FEW (SAMPLES_MAX / 8)
#define HALF_FULL (SAMPLES_MAX / 2)
#define TOO_FULL (SAMPLES_MAX / 8 * 7)

/* So that of a thousand calls of malloc and free less than one ends a leg. */
#define POOL_LEG_BUFFERS 1024

enum mode { MODE_NOT_YET, MODE_ASLEEP, MODE_ON, MODE_OFF };

#define GRACE_GIVEN 1 /* in place of the interval, which a thread that has drawn nothing does not have */

struct kind {
	/* Frozen. */
	uint64_t coarse; /* of the interval: less than this only while few are live; 0: always */
	uint64_t first;	 /* the step up from 0 */
	uint64_t most;
	uint64_t leg;
	uint32_t leg_buffers; /* a leg is at least so many of the size at which it begins */
	uint32_t budget;      /* a second */
	/* Shared; relaxed: hints and a rough count. */
	_Alignas(CACHE_LINE) _Atomic uint64_t interval;
	_Atomic uint64_t floor; /* not below this while the table is fuller than FEW; 0: none */
	_Atomic uint32_t second, spent;
	_Atomic uint32_t follow_second, followed;
};

static struct {
	_Atomic enum mode mode; /* release in sampler_start(), acquire in sampler_take(): the kinds */
	void (*wake)(void);	/* frozen before the mode is ASLEEP */
	bool is_all;		/* frozen: the setting is 1, and nothing adapts */
	uint32_t second_ticks;	/* frozen: of real time, in ticks as they run */
	_Atomic uint32_t price; /* relaxed: a factor of what comes next */
	_Atomic uint64_t threads_seen;
	struct kind kinds[SAMPLER_KINDS];
} sampler = {
    .kinds =
	{
	    /* Half of the objects of 44 bytes: from there to all is no great leap. */
	    [TRACK_SMALL] =
		{.first = 64, .most = SAMPLER_INTERVAL_MAX, .leg = 1 * MIB, .budget = SAMPLER_BUDGET_SMALL},
	    [TRACK_POOL] = {.first = 8 * KIB,
		.most = 4 * GIB,
		.leg = 16 * MIB,
		.leg_buffers = POOL_LEG_BUFFERS,
		.budget = SAMPLER_BUDGET_POOL},
	    [TRACK_LARGE] =
		{.first = 1 * MIB, .most = 64 * GIB, .leg = 256 * MIB, .budget = SAMPLER_BUDGET_LARGE},
	},
};

__thread struct sampler_thread sampler_thread;

void sampler_start(const struct settings *settings)
{
	struct kind *small = &sampler.kinds[TRACK_SMALL];

	for (unsigned kind = 0; kind < SAMPLER_KINDS; kind++) {
		atomic_store_explicit(&sampler.kinds[kind].interval, 0, memory_order_relaxed);
		atomic_store_explicit(&sampler.kinds[kind].floor, 0, memory_order_relaxed);
		atomic_store_explicit(&sampler.kinds[kind].second, 0, memory_order_relaxed);
		atomic_store_explicit(&sampler.kinds[kind].spent, 0, memory_order_relaxed);
		atomic_store_explicit(&sampler.kinds[kind].followed, 0, memory_order_relaxed);
	}
	sampler_set_price(1);
	sampler.is_all = settings->sample_interval == 1;
	sampler.second_ticks = (uint32_t)MAX(clock_scale() * TICKS_PER_SECOND, 1.0);
	small->coarse = MIN(settings->sample_interval, SAMPLER_INTERVAL_COARSE);
	small->most = MAX(settings->sample_interval, SAMPLER_INTERVAL_MAX);
	atomic_store_explicit(
	    &small->interval, sampler.is_all ? 0 : settings->sample_interval, memory_order_relaxed);
	atomic_store_explicit(&sampler.mode, MODE_ON, memory_order_release);
}

void sampler_sleep(void (*wake)(void))
{
	sampler.wake = wake;
	atomic_store_explicit(&sampler.mode, MODE_ASLEEP, memory_order_release);
}

void sampler_set_price(uint32_t price)
{
	/* Hours in minutes have few samples as it is, and nobody minds what a rehearsal costs. */
	price = clock_scale() > 1 ? 1 : price;
	atomic_store_explicit(&sampler.price, price, memory_order_relaxed);
}

void sampler_set_use(double processors)
{
	sampler_set_price(
	    processors < SAMPLER_IDLE ? 1 : (uint32_t)MAX(SAMPLER_PRICE_BUSY / MAX(processors, 1.0), 1.0));
}

void sampler_go_on(void)
{
	atomic_store_explicit(&sampler.mode, MODE_ON, memory_order_release);
}

void sampler_stop(void)
{
	atomic_store_explicit(&sampler.mode, MODE_OFF, memory_order_release);
}

uint64_t sampler_interval(enum track_kind kind)
{
	return atomic_load_explicit(&sampler.kinds[kind].interval, memory_order_relaxed);
}

uint64_t sampler_leg_bytes(enum track_kind kind)
{
	return MIN(sampler_interval(kind), sampler.kinds[kind].leg);
}

/* --- drawing ----------------------------------------------------------------- */

/* xorshift64* (Vigna 2016): 64 bits a thread, good in its upper ones. */
static uint64_t next_random(struct sampler_thread *thread)
{
	uint64_t x = thread->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	thread->random = x;
	return x * 0x2545f4914f6cdd1d;
}

/* left and rest, out of what is left of the way to the next point. */
static void begin_leg(struct sampler_thread *thread, enum track_kind kind, uint64_t way, size_t bytes)
{
	const struct kind *state = &sampler.kinds[kind];
	uint64_t leg = MAX(state->leg, (uint64_t)state->leg_buffers * bytes);

	thread->left[kind] = (int64_t)MIN(way, leg);
	thread->rest[kind] = way - (uint64_t)thread->left[kind];
}

/* bytes: of the allocation at which it is drawn. */
static void draw(struct sampler_thread *thread, enum track_kind kind, uint64_t interval, size_t bytes)
{
	double unit, distance;

	thread->interval[kind] = interval;
	thread->rest[kind] = 0;
	if (interval == 0) {
		thread->left[kind] = -1; /* every allocation looks */
		return;
	}
	/* In (0, 1]; so the distance is at least 0, and at most 37 intervals. */
	unit = (double)((next_random(thread) >> 11) + 1) * 0x1p-53;
	distance = -LN2 * approx_log2(unit) * (double)interval;
	/* A point at 2.7 lies in the third byte: what is cut off changes nothing. */
	begin_leg(thread, kind, (uint64_t)distance, bytes);
}

/* A thread's first look: until now it had drawn nothing, and passed 0 at its first byte. */
static void first_draw(struct sampler_thread *thread)
{
	uint64_t number = atomic_fetch_add_explicit(&sampler.threads_seen, 1, memory_order_relaxed) + 1;
	uint64_t x = clock_unix_now_ns() ^ (uint64_t)(uintptr_t)thread ^ number * 0x9e3779b97f4a7c15;

	/* Neighbouring seeds give unrelated numbers (splitmix64's finalizer). */
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	thread->random = (x ^ x >> 31) | 1;
	for (unsigned kind = 0; kind < SAMPLER_KINDS; kind++)
		draw(thread, (enum track_kind)kind, sampler_interval((enum track_kind)kind), 0);
}

/* --- the budget -------------------------------------------------------------- */

static void set_interval(struct kind *kind, uint64_t interval)
{
	atomic_store_explicit(&kind->interval, interval, memory_order_relaxed);
}

static void widen(struct kind *kind)
{
	uint64_t interval = atomic_load_explicit(&kind->interval, memory_order_relaxed);

	set_interval(kind, interval == 0 ? kind->first : MIN(interval * 2, MAX(kind->most, interval)));
}

static void narrow(struct kind *kind, uint32_t times, uint32_t live)
{
	uint64_t interval = atomic_load_explicit(&kind->interval, memory_order_relaxed);
	uint64_t least = MAX(live < SAMPLER_FINE_LIVE / 2 ? 0 : kind->coarse,
	    atomic_load_explicit(&kind->floor, memory_order_relaxed));

	for (; times > 0 && interval > least; times--)
		interval = interval <= kind->first && least == 0 ? 0 : MAX(interval / 2, least);
	set_interval(kind, interval);
}

/* Of real time, since some moment. */
uint32_t sampler_second(void)
{
	return clock_now_ticks() / MAX(sampler.second_ticks, 1u);
}

/* How often the interval has doubled in a second that has spent so much. */
static uint32_t times_widened(const struct kind *kind, uint32_t spent)
{
	return spent <= kind->budget ? 0 : (spent - kind->budget - 1) / (kind->budget / 4) + 1;
}

static void spend(struct kind *kind, uint32_t cost)
{
	uint32_t price = cost * atomic_load_explicit(&sampler.price, memory_order_relaxed);
	uint32_t before = atomic_fetch_add_explicit(&kind->spent, price, memory_order_relaxed);
	uint32_t times = times_widened(kind, before + price) - times_widened(kind, before);

	while (times-- > 0)
		widen(kind);
}

void sampler_keep_budget(enum track_kind which, uint32_t now)
{
	struct kind *kind = &sampler.kinds[which];
	uint32_t second = atomic_load_explicit(&kind->second, memory_order_relaxed), spent;
	uint32_t live = samples_live_of(which);

	if (now != second && atomic_compare_exchange_strong_explicit(
				 &kind->second, &second, now, memory_order_relaxed, memory_order_relaxed)) {
		spent = atomic_exchange_explicit(&kind->spent, 0, memory_order_relaxed);
		if (samples_live() > TOO_FULL ||
		    (live > SAMPLER_FINE_LIVE && sampler_interval(which) < kind->coarse)) {
			widen(kind);
		} else {
			if (samples_live() < FEW)
				atomic_store_explicit(&kind->floor, 0, memory_order_relaxed);
			/* Seconds without a sample were below the budget, too. */
			narrow(kind, (spent < kind->budget / 3) + (now - second - 1), live);
		}
	}
	spend(kind, 1);
}

bool sampler_may_follow(enum track_kind which, uint32_t now)
{
	struct kind *kind = &sampler.kinds[which];
	uint32_t second = atomic_load_explicit(&kind->follow_second, memory_order_relaxed);

	if (sampler.is_all)
		return true;
	if (now != second) {
		atomic_store_explicit(&kind->follow_second, now, memory_order_relaxed);
		atomic_store_explicit(&kind->followed, 0, memory_order_relaxed);
	}
	if (atomic_load_explicit(&kind->followed, memory_order_relaxed) >= kind->budget)
		return false;
	atomic_fetch_add_explicit(&kind->followed, atomic_load_explicit(&sampler.price, memory_order_relaxed),
	    memory_order_relaxed);
	return true;
}

void sampler_charge(enum track_kind kind, uint32_t cost)
{
	if (!sampler.is_all)
		spend(&sampler.kinds[kind], cost);
}

/* Points of that kind are half as dense from now on. */
static void back_off(enum track_kind kind)
{
	struct kind *state = &sampler.kinds[kind];

	if (sampler.is_all)
		return;
	widen(state);
	atomic_store_explicit(&state->floor, sampler_interval(kind), memory_order_relaxed);
}

bool sampler_keep_room(void (*changed)(const struct sample_facts *before, float weight))
{
	enum track_kind most = TRACK_SMALL;

	if (samples_live() < HALF_FULL)
		return false;
	for (unsigned kind = 0; kind < SAMPLER_KINDS; kind++)
		if (samples_live_of((enum track_kind)kind) > samples_live_of(most))
			most = (enum track_kind)kind;
	back_off(most);
	samples_thin(most, clock_unix_now_ns(), changed);
	return true;
}

/* --- the look ---------------------------------------------------------------- */

/* 1 - e^-x, also where x is so small that 1 - approx_exp(-x) would be noise. */
static double one_minus_exp(double x)
{
	return x < 0.01 ? x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4))) : 1 - approx_exp(-x);
}

float sampler_weight(size_t bytes, uint64_t interval)
{
	return interval == 0 ? 1 : (float)(1 / one_minus_exp((double)bytes / (double)interval));
}

void sampler_look_again(enum track_kind kind)
{
	struct sampler_thread *thread = &sampler_thread;

	if (thread->left[kind] < 0)
		return;
	/* A leg ends here. */
	thread->rest[kind] += (uint64_t)thread->left[kind] + 1;
	thread->left[kind] = -1;
}

static enum mode current_mode(void)
{
	return atomic_load_explicit(&sampler.mode, memory_order_acquire);
}

/* No points fall, or did not until now. Whether they do now. */
static COLD bool look_asleep(struct sampler_thread *thread, enum track_kind kind, size_t bytes)
{
	if (current_mode() == MODE_ASLEEP) {
		if (thread->interval[kind] != GRACE_GIVEN && kind != TRACK_LARGE) {
			thread->interval[kind] = GRACE_GIVEN;
			thread->left[kind] = (int64_t)(SAMPLER_GRACE_BYTES - bytes);
			if (bytes <= SAMPLER_GRACE_BYTES)
				return false;
		}
		sampler.wake();
	}
	thread->left[kind] = current_mode() == MODE_OFF ? INT64_MAX : 0;
	return current_mode() == MODE_ON;
}

float sampler_take(enum track_kind kind, size_t bytes)
{
	struct sampler_thread *thread = &sampler_thread;
	uint64_t interval;
	float weight;

	if (UNLIKELY(current_mode() != MODE_ON) && !look_asleep(thread, kind, bytes))
		return 0;
	interval = sampler_interval(kind);
	if (UNLIKELY(thread->random == 0)) {
		first_draw(thread);
		thread->left[kind] -= (int64_t)bytes;
	} else if (thread->interval[kind] == 0 && interval != 0) {
		/* All were samples; from this one on they are not. */
		draw(thread, kind, interval, bytes);
		thread->left[kind] -= (int64_t)bytes;
	}
	if (thread->left[kind] >= 0)
		return 0;
	if (thread->interval[kind] != 0 && thread->left[kind] + (int64_t)thread->rest[kind] >= 0) {
		/* The leg ended, and no point was met within this allocation. */
		if (interval == thread->interval[kind])
			begin_leg(thread, kind, (uint64_t)thread->left[kind] + thread->rest[kind], bytes);
		else
			draw(thread, kind, interval, bytes);
		return 0;
	}
	weight = sampler_weight(bytes, thread->interval[kind]);
	if (!sampler.is_all)
		sampler_keep_budget(kind, sampler_second());
	draw(thread, kind, sampler_interval(kind), bytes);
	return weight;
}
