/*
 * sim_kinds.c -- what clean and leaking call sites do, as far as lifetimes show it.
 *
 * Each kind draws its parameters once per seed and then a time of death for each birth. Shared
 * resources (a cache's places, a queue's service) are followed as fluids, so that a
 * sampled object meets the same fate as the ones around it that were not sampled.
 * Who tunes the model may not look at the kinds marked held out.
 */
#include <math.h>

#include "bench/leak/sim.h"

double sim_uniform(struct sim_random *random)
{
	/* splitmix64 */
	uint64_t z = (random->state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double sim_between(struct sim_random *random, double low, double high)
{
	return low + (high - low) * sim_uniform(random);
}

double sim_log_between(struct sim_random *random, double low, double high)
{
	return low * pow(high / low, sim_uniform(random));
}

double sim_exponential(struct sim_random *random, double mean)
{
	return -mean * log(1 - sim_uniform(random));
}

double sim_normal(struct sim_random *random)
{
	return sqrt(-2 * log(1 - sim_uniform(random))) * cos(2 * M_PI * sim_uniform(random));
}

unsigned sim_poisson(struct sim_random *random, double mean)
{
	unsigned count = 0;

	if (mean > 40)
		return (unsigned)fmax(0, floor(mean + sqrt(mean) * sim_normal(random) + 0.5));
	for (double left = exp(-mean), product = sim_uniform(random); product > left; count++)
		product *= sim_uniform(random);
	return count;
}

double sim_load(const struct sim_site *site, double now)
{
	double load = exp(site->noise);

	if (site->ramp_factor > 0 && now > site->ramp_from) {
		double done = fmin(1, (now - site->ramp_from) / (site->ramp_to - site->ramp_from));
		load *= 1 + (site->ramp_factor - 1) * done;
	}
	if (site->factor > 1 && now < site->end)
		load *= site->factor;
	return load * (1 + site->daily * sin(2 * M_PI * now / SIM_DAY + site->begin));
}

double sim_life(struct sim_site *site)
{
	return site->life * exp(site->life_sigma * sim_normal(&site->random));
}

/* Objects that live for seconds: what most sites do. */
static void short_lived(struct sim_site *site)
{
	site->life = sim_log_between(&site->random, 0.05, 20);
	site->life_sigma = sim_between(&site->random, 0.3, 1.5);
}

static bool happens(struct sim_site *site, double share)
{
	site->is_kept = sim_uniform(&site->random) < share;
	return site->is_kept;
}

/* --- clean --- */

static double dies_after_life(struct sim_site *site, double now)
{
	return now + sim_life(site);
}

static void heavy_tail(struct sim_site *site)
{
	site->power = sim_between(&site->random, 0.7, 1.6);
	site->life = sim_log_between(&site->random, 0.1, 5);
}

static double dies_by_power(struct sim_site *site, double now)
{
	return now + site->life * pow(1 - sim_uniform(&site->random), -1 / site->power);
}

/*
 * A cache that fills: the rate of insertions falls as hits get more, like (1 + t/decay)^-power,
 * until capacity is reached after about end seconds; then the oldest goes for each new one.
 */
static void cache(struct sim_site *site)
{
	site->end = sim_log_between(&site->random, 600, 10 * SIM_HOUR);
	site->power = sim_uniform(&site->random) < 0.3 ? 0 : sim_between(&site->random, 0.2, 0.7);
	site->decay = site->end / sim_between(&site->random, 2, 20);
}

/* Insertions in [0, t), as a multiple of the first rate. */
static double inserted(const struct sim_site *site, double t)
{
	if (site->power == 0)
		return t;
	return site->decay / (1 - site->power) * (pow(1 + t / site->decay, 1 - site->power) - 1);
}

static double inserted_at(const struct sim_site *site, double count)
{
	if (site->power == 0)
		return count;
	return site->decay * (pow(1 + count * (1 - site->power) / site->decay, 1 / (1 - site->power)) - 1);
}

/* The share of the first rate that is still there. */
static double cache_rate(const struct sim_site *site, double now)
{
	return site->power == 0 ? 1 : pow(1 + now / site->decay, -site->power);
}

static double dies_as_oldest(struct sim_site *site, double now)
{
	return inserted_at(site, inserted(site, now) + inserted(site, site->end));
}

static double dies_at_random(struct sim_site *site, double now)
{
	/* Once full, each insertion ends one of capacity: an exponential count of insertions. */
	double capacity = inserted(site, site->end);
	double from = fmax(now, site->end);

	return inserted_at(site, inserted(site, from) + sim_exponential(&site->random, capacity));
}

/* The same beside traffic that shares the call site (a server's GET and SET): what is
 * stored is of other sizes than what is not. */
static void mixed_cache(struct sim_site *site)
{
	cache(site);
	short_lived(site);
	site->share = sim_log_between(&site->random, 0.03, 0.4);
	site->end = sim_log_between(&site->random, 1800, 10 * SIM_HOUR);
	site->kept_bytes = site->bytes * sim_log_between(&site->random, 4, 40);
}

static double stored_or_short(struct sim_site *site, double now)
{
	return happens(site, site->share * cache_rate(site, now)) ? dies_as_oldest(site, now)
								  : now + sim_life(site);
}

/* As above, but what is stored looks like what is not, and comes at a constant rate: until it
 * is full there is no difference from a leak. */
static void alike_cache(struct sim_site *site)
{
	mixed_cache(site);
	site->share = sim_log_between(&site->random, 0.01, 0.1);
	site->kept_bytes = 0;
	site->power = 0;
}

static void start_up(struct sim_site *site)
{
	short_lived(site);
	site->end = sim_log_between(&site->random, 5, 600);
	site->share = sim_between(&site->random, 0.1, 1);
	site->factor = sim_log_between(&site->random, 2, 30); /* busier then than later */
}

static double kept_from_start(struct sim_site *site, double now)
{
	return now < site->end && happens(site, site->share) ? 1e12 : now + sim_life(site);
}

/* A configuration that is read again now and then: a burst, which frees the one before. */
static void reload(struct sim_site *site)
{
	short_lived(site);
	site->period = sim_log_between(&site->random, 900, 6 * SIM_HOUR);
	site->length = sim_log_between(&site->random, 2, 60);
	site->share = sim_between(&site->random, 0.2, 1);
}

static double kept_until_reload(struct sim_site *site, double now)
{
	double into = fmod(now, site->period);

	if (into < site->length && happens(site, site->share))
		return now - into + site->period + sim_uniform(&site->random) * site->length;
	return now + sim_life(site);
}

static void ramp(struct sim_site *site)
{
	site->life = sim_log_between(&site->random, 1, 600);
	site->life_sigma = sim_between(&site->random, 0.3, 1.2);
	site->ramp_factor = 3;
	site->ramp_from = sim_log_between(&site->random, 60, 6 * SIM_HOUR);
	site->ramp_to = site->ramp_from + sim_log_between(&site->random, 60, 10 * SIM_HOUR);
}

static void daily(struct sim_site *site)
{
	site->life = sim_log_between(&site->random, 1, 1800);
	site->life_sigma = sim_between(&site->random, 0.3, 1.2);
	site->daily = sim_between(&site->random, 0.3, 0.9);
	site->begin = sim_between(&site->random, 0, 2 * M_PI);
}

/* Most connections are short, some are kept for hours. */
static void sessions(struct sim_site *site)
{
	short_lived(site);
	site->share = sim_between(&site->random, 0.05, 0.5);
	site->kept_mean = sim_log_between(&site->random, 600, 4 * SIM_HOUR);
}

static double dies_as_session(struct sim_site *site, double now)
{
	return now + (happens(site, site->share) ? sim_exponential(&site->random, site->kept_mean)
						 : sim_life(site));
}

/* A queue, first in, first out, whose server is slower than what comes for a while. */
static void backlog(struct sim_site *site)
{
	double served = 0, arrived = 0;

	site->period = sim_log_between(&site->random, 1800, 8 * SIM_HOUR);
	site->length = site->period * sim_between(&site->random, 0.1, 0.5);
	site->factor = sim_between(&site->random, 0, 0.9); /* service while slow; 0: stuck */
	site->life = sim_log_between(&site->random, 0.05, 5);
	site->begin = sim_between(&site->random, 0, site->period);
	for (unsigned i = 0; i < 8700; i++) {
		double speed =
		    fmod(i * SIM_TICK + site->begin, site->period) < site->length ? site->factor : 3;

		arrived += SIM_TICK;
		served = fmin(arrived, served + speed * SIM_TICK);
		site->queue[i] = served;
	}
}

static double dies_in_turn(struct sim_site *site, double now)
{
	/* The first tick by whose end all that came before now was served. */
	unsigned low = (unsigned)(now / SIM_TICK), high = 8699;

	if (low > 8699 || site->queue[8699] < now)
		return 1e12;
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (site->queue[middle] >= now)
			high = middle;
		else
			low = middle + 1;
	}
	return fmax(now, low * SIM_TICK) + sim_exponential(&site->random, site->life);
}

/* All that a batch makes is freed at its end; between batches there is a pause. */
static void batch(struct sim_site *site)
{
	short_lived(site);
	site->period = sim_log_between(&site->random, 300, 3 * SIM_HOUR);
	site->length = site->period * sim_between(&site->random, 0.3, 0.95);
	site->share = sim_between(&site->random, 0.5, 1);
}

static double kept_until_batch_ends(struct sim_site *site, double now)
{
	double into = fmod(now, site->period);

	if (into < site->length && happens(site, site->share))
		return now - into + site->length + sim_uniform(&site->random);
	return now + sim_life(site);
}

/* Names that were not seen before are kept: fewer and fewer are new. */
static void interning(struct sim_site *site)
{
	short_lived(site);
	site->share = sim_between(&site->random, 0.1, 1);
	site->decay = sim_log_between(&site->random, 5, 300);
	site->power = sim_between(&site->random, 0.5, 1);
}

static double kept_if_new(struct sim_site *site, double now)
{
	return happens(site, site->share * pow(1 + now / site->decay, -site->power)) ? 1e12
										     : now + sim_life(site);
}

/* A pool of connections that grows to the highest demand so far and keeps them. */
static void peak_pool(struct sim_site *site)
{
	short_lived(site);
	site->share = sim_between(&site->random, 0.05, 1);
	site->decay = sim_log_between(&site->random, 30, 1800);
}

static double kept_at_a_peak(struct sim_site *site, double now)
{
	return happens(site, site->share * exp(-now / site->decay)) ? 1e12 : now + sim_life(site);
}

/* An arena that holds all until it is rotated. */
static void rotated(struct sim_site *site)
{
	site->period = sim_log_between(&site->random, 600, 6 * SIM_HOUR);
	site->begin = sim_between(&site->random, 0, site->period);
}

static double kept_until_rotation(struct sim_site *site, double now)
{
	return now + site->period - fmod(now + site->begin, site->period) + sim_uniform(&site->random);
}

/* Entries of a fixed time to live beside short traffic. */
static void expiring(struct sim_site *site)
{
	short_lived(site);
	site->share = sim_log_between(&site->random, 0.05, 1);
	site->kept_mean = sim_log_between(&site->random, 60, 2 * SIM_HOUR);
}

static double kept_for_its_time(struct sim_site *site, double now)
{
	return now + (happens(site, site->share) ? site->kept_mean + sim_exponential(&site->random, 5)
						 : sim_life(site));
}

/* --- leaking --- */

static void share_leak(struct sim_site *site)
{
	short_lived(site);
	site->share = sim_log_between(&site->random, 0.001, 0.1);
}

static double leaks_a_share(struct sim_site *site, double now)
{
	return now >= site->begin && happens(site, site->share) ? INFINITY : now + sim_life(site);
}

static void slow_leak(struct sim_site *site)
{
	short_lived(site);
	site->rate *= 4;
	site->share = sim_log_between(&site->random, 0.0003, 0.002);
}

static void late_leak(struct sim_site *site)
{
	share_leak(site);
	site->begin = sim_log_between(&site->random, 600, 12 * SIM_HOUR);
}

/* Only on an error's path, and errors come in bursts. */
static void burst_leak(struct sim_site *site)
{
	short_lived(site);
	site->period = sim_log_between(&site->random, 300, 3600);
	site->length = site->period * sim_between(&site->random, 0.03, 0.2);
	site->share = sim_log_between(&site->random, 0.03, 0.5);
}

static double leaks_in_bursts(struct sim_site *site, double now)
{
	/* The phase jumps about: bursts are not regular. */
	double phase = fmod(now, site->period) / site->period;
	double start = fmod(floor(now / site->period) * 0.6180339887, 1) * (1 - site->length / site->period);

	if (phase >= start && phase < start + site->length / site->period && happens(site, site->share))
		return INFINITY;
	return now + sim_life(site);
}

static void never_freed(struct sim_site *site)
{
	site->rate *= sim_log_between(&site->random, 0.01, 0.3);
}

static double leaks_all(struct sim_site *site, double now)
{
	(void)now;
	site->is_kept = true;
	return INFINITY;
}

static void unbounded_cache(struct sim_site *site)
{
	short_lived(site);
	site->share = sim_between(&site->random, 0.3, 1);
	site->rate *= sim_log_between(&site->random, 0.01, 0.3);
}

static void long_leak(struct sim_site *site)
{
	site->life = sim_log_between(&site->random, 300, 2 * SIM_HOUR);
	site->life_sigma = sim_between(&site->random, 0.5, 1);
	site->share = sim_log_between(&site->random, 0.01, 0.1);
}

static void leak_by_load(struct sim_site *site)
{
	share_leak(site);
	if (sim_uniform(&site->random) < 0.5) {
		site->ramp_factor = 3;
		site->ramp_from = sim_log_between(&site->random, 60, 6 * SIM_HOUR);
		site->ramp_to = site->ramp_from + sim_log_between(&site->random, 60, 10 * SIM_HOUR);
	} else {
		site->daily = sim_between(&site->random, 0.3, 0.9);
	}
}

static void session_leak(struct sim_site *site)
{
	sessions(site);
	site->kept_mean = sim_log_between(&site->random, 300, SIM_HOUR);
	site->factor = sim_log_between(&site->random, 0.003, 0.05);
}

static double session_or_leak(struct sim_site *site, double now)
{
	return sim_uniform(&site->random) < site->factor ? INFINITY : dies_as_session(site, now);
}

static void heavy_leak(struct sim_site *site)
{
	heavy_tail(site);
	site->power = sim_between(&site->random, 1, 2);
	site->share = sim_log_between(&site->random, 0.002, 0.05);
}

static double heavy_or_leak(struct sim_site *site, double now)
{
	return happens(site, site->share) ? INFINITY : dies_by_power(site, now);
}

const struct sim_kind sim_kinds[] = {
    {"steady, short-lived", false, false, false, short_lived, dies_after_life},
    {"heavy-tailed lifetimes", false, false, false, heavy_tail, dies_by_power},
    {"cache, oldest goes", false, false, false, cache, dies_as_oldest},
    {"cache, random goes", false, false, false, cache, dies_at_random},
    {"cache beside traffic", false, false, false, mixed_cache, stored_or_short},
    {"start-up data", false, false, false, start_up, kept_from_start},
    {"configuration reloads", false, false, false, reload, kept_until_reload},
    {"load grows threefold", false, false, false, ramp, dies_after_life},
    {"load by time of day", false, false, false, daily, dies_after_life},
    {"sessions kept for hours", false, false, false, sessions, dies_as_session},
    {"queue that backs up", false, false, false, backlog, dies_in_turn},
    {"batch jobs", false, false, false, batch, kept_until_batch_ends},
    {"interned names", false, false, false, interning, kept_if_new},
    {"pool grown to a peak", false, true, false, peak_pool, kept_at_a_peak},
    {"rotated arenas", false, true, false, rotated, kept_until_rotation},
    {"fixed time to live", false, true, false, expiring, kept_for_its_time},
    {"cache, like traffic", false, false, true, alike_cache, stored_or_short},

    {"0.1..10% never freed", true, false, false, share_leak, leaks_a_share},
    {"slow, beside busy", true, false, false, slow_leak, leaks_a_share},
    {"starts late", true, false, false, late_leak, leaks_a_share},
    {"error paths, in bursts", true, false, false, burst_leak, leaks_in_bursts},
    {"nothing is ever freed", true, false, false, never_freed, leaks_all},
    {"unbounded cache", true, false, false, unbounded_cache, leaks_a_share},
    {"beside long lifetimes", true, false, false, long_leak, leaks_a_share},
    {"in step with load", true, true, false, leak_by_load, leaks_a_share},
    {"among sessions", true, true, false, session_leak, session_or_leak},
    {"among heavy tails", true, true, false, heavy_leak, heavy_or_leak},
};
const unsigned sim_kind_count = sizeof(sim_kinds) / sizeof(sim_kinds[0]);
