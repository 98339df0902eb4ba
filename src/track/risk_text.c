/*
 * risk_text.c -- the reason of a judgement in words and numbers, for people.
 * How much lives at the site, and how fast it grows, is what whoever shows a reason says before it.
 *
 * Called by the text writer and by advice; in a signal handler, too. Does not allocate, lock or block.
 */
#include "base/out.h"
#include "track/risk.h"

static uint64_t whole(double v)
{
	return v >= 0 && v < 1e18 ? (uint64_t)(v + 0.5) : 0;
}

static void out_tail(struct out *out, const struct risk_site *risk)
{
	if (!(risk->tail_reached > 0))
		return;
	out_str(out, "of ");
	out_count(out, whole(risk->tail_reached));
	out_str(out, " objects that reached ");
	out_duration(out, risk->tail_from_seconds);
	out_str(out, ", ");
	out_percent(out, risk->tail_died);
	out_str(out, " were freed before ");
	out_duration(out, risk->tail_to_seconds);
}

static void out_stuck(struct out *out, const struct risk_site *risk)
{
	if (!(risk->stuck_per_hour > 0))
		return;
	out_str(out, "; ");
	if (risk->stuck_per_hour < 10)
		out_decimal(out, risk->stuck_per_hour, 1);
	else
		out_count(out, whole(risk->stuck_per_hour));
	out_str(out, " an hour stay (");
	out_size_human(out, whole(risk->stuck_bytes_per_hour));
	out_str(out, "), ");
	out_percent(out, risk->kept_share);
	out_str(out, " of what is allocated");
}

static void out_lifetimes(struct out *out, const struct risk_site *risk)
{
	if (risk->lifetime_p99_seconds < 0) {
		out_str(out, "none was freed yet");
		return;
	}
	out_str(out, "99% of the freed lived for less than ");
	out_duration(out, risk->lifetime_p99_seconds);
}

void risk_explain_site(struct out *out, const struct risk_site *risk)
{
	switch (risk->reason) {
	case RISK_MIXTURE_LEAK:
		out_tail(out, risk);
		out_stuck(out, risk);
		out_str(out, "; ");
		out_lifetimes(out, risk);
		return;
	case RISK_NEVER_FREED:
		out_str(out, "next to nothing was ever freed, and it comes as fast as ever");
		return;
	case RISK_FILLING_CACHE:
		out_str(out, "next to nothing was freed so far: a store that fills, or a leak");
		return;
	case RISK_BACKLOG:
		out_str(out, "objects stay longer and longer; ");
		out_lifetimes(out, risk);
		return;
	case RISK_LOAD:
		out_str(out, "what is alive grows in step with what is allocated");
		return;
	case RISK_START_UP:
		out_str(out, "what stays came early, and ever less of it comes");
		return;
	case RISK_INSUFFICIENT:
		out_str(out, "too few were picked, or they are too young, to say more");
		return;
	case RISK_NONE:
		out_lifetimes(out, risk);
		return;
	}
}
