/*
 * facts.c -- what is remembered of one call site, and the walk over what of it is live.
 *
 * Called by the site table for each tracked birth and death, and by libweir for its pools,
 * one writer at a time (facts.h). Invariants: no figure is negative, infinite or NaN, whatever
 * is passed in; death_mass is the sum of died_at. Pure: does not allocate, lock or block; no libm.
 */
#include "track/facts.h"

#include "track/approx.h"

/* More than any weight, count or age can be; keeps every product finite. */
#define HUGE_FIGURE 1e18

/* A weight that can be summed, or 0. */
static double sane(double weight)
{
	return weight > 0 && weight < HUGE_FIGURE ? weight : 0;
}

static void lower(double *sum, double by)
{
	*sum = *sum > by ? *sum - by : 0;
}

/* log2 of a size to 0.09: its leading bit, and in a straight line between powers of two. */
static double size_log2(uint64_t bytes)
{
	unsigned leading;

	if (bytes <= 1)
		return 0;
	leading = 63 - (unsigned)__builtin_clzll(bytes);
	return leading + (double)(bytes - ((uint64_t)1 << leading)) / (double)((uint64_t)1 << leading);
}

#define SQRT2 1.41421356237309504880
#define MASS_OCTAVES 12 /* 4 KiB */

/* The root to 1.5%: exact at powers of two, and in a straight line between them. A sample pays for it twice. */
double facts_mass(uint64_t bytes, double weight)
{
	static const double roots[MASS_OCTAVES + 1] = {1 / 64.0, SQRT2 / 64, 1 / 32.0, SQRT2 / 32, 1 / 16.0,
	    SQRT2 / 16, 1 / 8.0, SQRT2 / 8, 1 / 4.0, SQRT2 / 4, 1 / 2.0, SQRT2 / 2, 1};
	unsigned octave;
	double above;

	if (bytes >> MASS_OCTAVES != 0)
		return weight;
	bytes = MAX(bytes, (uint64_t)1);
	octave = 63 - (unsigned)__builtin_clzll(bytes);
	above = (double)(bytes - ((uint64_t)1 << octave)) / (double)((uint64_t)1 << octave);
	return weight * (roots[octave] + (roots[octave + 1] - roots[octave]) * above);
}

unsigned facts_age_bucket(double age)
{
	uint64_t bits;
	unsigned octave;

	if (!(age >= 1))
		return 0;
	if (age >= 0x1p24)
		return FACTS_AGES - 1;
	__builtin_memcpy(&bits, &age, sizeof(bits));
	octave = (unsigned)(bits >> 52) - 1023;
	bits &= ((uint64_t)1 << 52) - 1;
	/* The mantissa of sqrt 2. */
	return octave * 2 + (bits >= 0x6a09e667f3bcd ? 1 : 0);
}

double facts_age_from(unsigned bucket)
{
	double octave = (double)((uint64_t)1 << (bucket / 2 & 63));

	if (bucket == 0)
		return 0;
	return bucket & 1 ? octave * SQRT2 : octave;
}

void facts_birth(struct facts *facts, double now, uint64_t bytes, double weight)
{
	weight = sane(weight);
	if (weight == 0)
		return;
	now = clamp(now, 0, HUGE_FIGURE);
	if (facts->births == 0 || now < facts->first_at)
		facts->first_at = now;
	facts->births += weight;
	facts->birth_bytes += weight * (double)bytes;
	facts->birth_mass += facts_mass(bytes, weight);
	facts->live_count += weight;
	facts->live_bytes += weight * (double)bytes;
}

void facts_death(struct facts *facts, double age, uint64_t bytes, double weight)
{
	double size = size_log2(bytes), mass;

	weight = sane(weight);
	if (weight == 0)
		return;
	age = clamp(age, 0, HUGE_FIGURE);
	mass = facts_mass(bytes, weight);
	facts->deaths += weight;
	facts->death_mass += mass;
	facts->death_squares += mass * mass;
	facts->death_size += mass * size;
	facts->death_size_squares += mass * size * size;
	facts->died_at[facts_age_bucket(age)] += mass;
	if (age < 1)
		facts->young_age += mass * age;
	lower(&facts->live_count, weight);
	lower(&facts->live_bytes, weight * (double)bytes);
}

void facts_leave(struct facts *facts, uint64_t bytes, double weight)
{
	weight = sane(weight);
	facts->deaths += weight;
	lower(&facts->birth_mass, facts_mass(bytes, weight));
	lower(&facts->live_count, weight);
	lower(&facts->live_bytes, weight * (double)bytes);
}

void facts_resize(struct facts *facts, uint64_t old_bytes, uint64_t new_bytes, double weight)
{
	weight = sane(weight);
	facts->live_bytes += weight * (double)new_bytes;
	lower(&facts->live_bytes, weight * (double)old_bytes);
}

void facts_add(struct facts *facts, const struct facts *from)
{
	if (from->births != 0 && (facts->births == 0 || from->first_at < facts->first_at))
		facts->first_at = from->first_at;
	facts->births += from->births;
	facts->birth_bytes += from->birth_bytes;
	facts->deaths += from->deaths;
	facts->birth_mass += from->birth_mass;
	facts->death_mass += from->death_mass;
	facts->death_squares += from->death_squares;
	facts->death_size += from->death_size;
	facts->death_size_squares += from->death_size_squares;
	facts->young_age += from->young_age;
	for (unsigned i = 0; i < FACTS_AGES; i++)
		facts->died_at[i] += from->died_at[i];
}

void facts_join(struct facts *facts, struct facts *from, double live_count, double live_bytes)
{
	facts_add(facts, from);
	facts->live_count += live_count;
	facts->live_bytes += live_bytes;
	__builtin_memset(from, 0, sizeof(*from));
}

void facts_point(struct facts *facts, double now)
{
	series_add(&facts->series, (struct series_point){
				       .at = (float)now,
				       .count = (float)facts->live_count,
				       .bytes = (float)facts->live_bytes,
				       .flow = (float)facts->birth_mass,
				   });
}

UNLOCKED_READER void facts_copy(struct facts *to, const struct facts *from)
{
	const uint64_t *source = (const uint64_t *)from;
	uint64_t *target = (uint64_t *)to;

	_Static_assert(sizeof(*to) % sizeof(uint64_t) == 0 && _Alignof(struct facts) == 8, "copied by words");
	for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
		target[i] = LOAD_RELAXED(&source[i]);
}

void live_begin(struct live *live, const struct facts *facts, double now)
{
	double dead_above = 0;
	unsigned bucket = FACTS_AGES;

	*live = (struct live){.now = clamp(now, 0, HUGE_FIGURE), .first_at = facts->first_at};
	/* Down to the bucket that the last hundredth of the deaths begins in. */
	while (bucket > 0 && dead_above <= facts->death_mass / 100)
		dead_above += facts->died_at[--bucket];
	live->old_age = facts->death_mass > 0 ? facts_age_from(MIN(bucket + 1, FACTS_AGES - 1u)) : 0;
}

void live_add(struct live *live, double age, uint64_t bytes, double weight)
{
	double all = live->now - live->first_at, size = size_log2(bytes), since, mass;

	weight = sane(weight);
	if (weight == 0)
		return;
	age = clamp(age, 0, HUGE_FIGURE);
	mass = facts_mass(bytes, weight);
	live->count += weight;
	live->bytes += weight * (double)bytes;
	live->mass += mass;
	live->squares += mass * mass;
	live->at_age[facts_age_bucket(age)] += (float)mass;
	since = all > 0 ? clamp01((all - age) / all) * FACTS_COHORTS : 0;
	live->born[MIN((unsigned)since, FACTS_COHORTS - 1u)] += (float)mass;
	since = all > 0 ? (1 - age / all * LIVE_RECENT) * FACTS_COHORTS : -1;
	if (since >= 0)
		live->born_recently[MIN((unsigned)since, FACTS_COHORTS - 1u)] += (float)mass;
	if (age < live->old_age)
		return;
	live->old_count += weight;
	live->old_bytes += weight * (double)bytes;
	live->old_mass += mass;
	live->old_squares += mass * mass;
	live->old_size += mass * size;
	live->old_size_squares += mass * size * size;
}
