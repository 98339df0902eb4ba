/*
 * sampler.h -- which allocations are told to the tracker: Poisson sampling by bytes.
 *
 * Points fall on the stream of allocated bytes, on average one an interval S. An
 * allocation of Z bytes that one or more of them hit is a sample: with probability
 * p(Z) = 1 - exp(-Z/S), and then it stands for 1/p like it. S = 0: all of them, p = 1.
 *
 * Per thread and kind only the distance to the next point is kept: it is exponentially
 * distributed and knows no past, so it may be drawn anew at any time, and S may
 * change at any time; a point weighs by the S with which its distance was drawn.
 * (Heap profilers have sampled like this since gperftools; for un-biasing see Google's
 * "tcmalloc sampling" note: weight by 1/p, not by S/Z.)
 *
 * What malloc pays is one subtraction and one branch: sampler_passes().
 */
#ifndef WEIR_TRACK_SAMPLER_H
#define WEIR_TRACK_SAMPLER_H

#include "track/samples.h"

#define SAMPLER_KINDS 3

/* What may be spent a second, by kind (sampler.c says on what). At a price of 1 that is 6,000 samples, 0.2% of
 * a processor. */
#define SAMPLER_BUDGET_SMALL 1500
#define SAMPLER_BUDGET_POOL 4000
#define SAMPLER_BUDGET_LARGE 500

/* Small allocations, unless the setting is less or more. While fewer than SAMPLER_FINE_LIVE of them are live samples,
 * and the budget allows it, they go below, down to all. */
#define SAMPLER_INTERVAL_COARSE (16 * KIB)
#define SAMPLER_INTERVAL_MAX (8 * MIB)
#define SAMPLER_FINE_LIVE (SAMPLES_MAX / 16)

#define SAMPLER_IDLE 0.25 /* of a processor */
#define SAMPLER_PRICE_BUSY 10
#define SAMPLER_PRICE_AT_START 64

/*
 * While the sampler sleeps, a thread allocates so many bytes of a kind before it wakes it: a process that
 * ends before that pays nothing for tracking, and what it allocated until then is in no estimate. Four of the
 * buffers that cp and cat use.
 */
#define SAMPLER_GRACE_BYTES (512 * KIB)

struct sampler_thread {
	int64_t left[SAMPLER_KINDS];  /* bytes to the end of this leg; below 0: sampler_take() has to look */
	uint64_t rest[SAMPLER_KINDS]; /* from there to the next point */
	uint64_t interval[SAMPLER_KINDS]; /* with which that was drawn; 0: every allocation */
	uint64_t random;		  /* 0: this thread has drawn nothing yet */
};

extern __thread struct sampler_thread sampler_thread __attribute__((tls_model("initial-exec")));

/* Before any other thread samples. Without it nothing ever is a sample. */
void sampler_start(const struct settings *settings);
/*
 * After it, before any other thread samples: no points fall yet. wake() is called within malloc, with no
 * lock held, by a thread that has used up its grace, or that allocates a large one; again at each look
 * until it has called sampler_go_on() or sampler_stop().
 */
void sampler_sleep(void (*wake)(void));
/* Points fall from now on. Thread-safe, any number of times. */
void sampler_go_on(void);
/*
 * How many processors the process has used lately (0 on): that sets the price of a sample. Below
 * SAMPLER_IDLE it is 1. A process that works pays SAMPLER_PRICE_BUSY, divided by the processors, so that
 * samples are at most about 1% of what it executes.
 */
void sampler_set_use(double processors);
/* It begins with this price, until it is known how busy it is: many end before. Where time is scaled up it is 1. */
void sampler_set_price(uint32_t price);
/* Tracking is off: after its first look a thread never looks again. */
void sampler_stop(void);

/* Whether sampler_take() has to be asked about this allocation. */
INLINE bool sampler_passes(enum track_kind kind, size_t bytes)
{
	/* Without sign, since a request may be of any size: one that wraps only asks once more. */
	int64_t left = (int64_t)((uint64_t)sampler_thread.left[kind] - bytes);

	sampler_thread.left[kind] = left;
	return UNLIKELY(left < 0);
}

/* The same, and nothing was counted. */
INLINE bool sampler_would_pass(enum track_kind kind, size_t bytes)
{
	return UNLIKELY((int64_t)((uint64_t)sampler_thread.left[kind] - bytes) < 0);
}

/*
 * The countdown passed 0 within an allocation of so many bytes. Returns the weight of
 * the sample that it is now, or 0: it is none. Draws the next distance. Keeps errno.
 */
float sampler_take(enum track_kind kind, size_t bytes);

/* This thread's next allocation of that kind passes, whatever it is; the next point stays where it is. */
void sampler_look_again(enum track_kind kind);

/* There was one more sample of that kind in that second of real time: adapt its interval to the budget. */
void sampler_keep_budget(enum track_kind kind, uint32_t second);

/* The stack of a sample of that kind was not to be had for nothing: so much more is spent in this second. */
void sampler_charge(enum track_kind kind, uint32_t cost);

/* At the tick: where the table of samples is more than half full, half of the kind that has most of them
 * is dropped (samples_thin()), and its interval doubles. Whether that was so. */
bool sampler_keep_room(void (*changed)(const struct sample_facts *before, float weight));

/* What an allocation stands for that was picked at that interval: 1 / (1 - e^(-bytes/interval)). */
float sampler_weight(size_t bytes, uint64_t interval);

/* How many bytes of a thread pass between two looks, on average. */
uint64_t sampler_leg_bytes(enum track_kind kind);

/* Bytes a sample now, on average; 0: all. */
uint64_t sampler_interval(enum track_kind kind);

#endif
