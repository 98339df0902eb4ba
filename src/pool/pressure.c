/*
 * pressure.c -- how scarce memory is: a pure judgement on given facts.
 *
 * Called by the monitor tick with what meminfo_read() found. No state, no
 * clock, no system call: the same facts give the same answer.
 *
 * Each source measures something else, so each has its own marks at which it
 * counts as low, medium and critical, and its measure is laid on one common
 * scale by straight lines between the marks: 0.70 low, 0.80 medium, 0.92
 * critical, 1 the end. So the values of sources can be compared, the worst one
 * decides, and ->value means the same whatever it came from.
 */
#include "pool/pressure.h"

enum { MARK_LOW, MARK_MEDIUM, MARK_CRITICAL, MARK_END, MARKS };

/*
 * The common scale is that of use against a hard limit, at whose end is the OOM killer.
 * 0.92: at 1 GiB 80 MiB are left, about what one burst takes between two ticks.
 * 0.80: where programs of this kind start to be watched, and the default of WEIR_GC_THRESHOLD.
 * 0.70: early enough to be seen in a dump; nothing is done yet.
 */
static const double scale[MARKS] = {0.70, 0.80, 0.92, 1.0};

/* A level falls only once its value is this far under the level's mark. */
#define HYSTERESIS 0.03

/*
 * memory.high is no wall: above it the kernel slows the program down and
 * reclaims, which may be just what it was set for. Whether that hurts is said
 * by the stall times, so this source alone is never critical.
 */
static const double marks_high[MARKS] = {0.85, 1.0, 1e9, 2e9};

/*
 * What is not available of RAM. MemAvailable already counts what the kernel can
 * drop, and a full page cache is normal, so the marks lie closer to the end.
 */
static const double marks_available[MARKS] = {0.85, 0.92, 0.97, 1.0};

/*
 * Share of the last 10 s in which some task, or all of them at once, waited for
 * memory. A healthy host shows 0; a tenth of the time is felt in throughput, and
 * a tenth with nobody running at all means that the kernel only moves pages.
 */
static const double marks_some[MARKS] = {0.04, 0.10, 0.40, 1.0};
static const double marks_full[MARKS] = {0.02, 0.05, 0.10, 1.0};

static double on_scale(double measure, const double marks[MARKS])
{
	double from = 0, scale_from = 0;
	for (unsigned i = 0; i < MARKS; i++) {
		if (measure < marks[i])
			return scale_from + (scale[i] - scale_from) * (measure - from) / (marks[i] - from);
		from = marks[i];
		scale_from = scale[i];
	}
	return 1;
}

static void consider(
    struct pressure *worst, const char *source, double value, uint64_t used_bytes, uint64_t limit_bytes)
{
	if (worst->source != NULL && value <= worst->value)
		return;
	worst->source = source;
	worst->value = value;
	worst->used_bytes = used_bytes;
	worst->limit_bytes = limit_bytes;
}

/* A limit of 0 or UINT64_MAX is none. */
static void consider_use(struct pressure *worst, const char *source, uint64_t used_bytes,
    uint64_t limit_bytes, const double marks[MARKS])
{
	if (limit_bytes == 0 || limit_bytes == UINT64_MAX)
		return;
	consider(worst, source, on_scale((double)used_bytes / (double)limit_bytes, marks), used_bytes,
	    limit_bytes);
}

static enum pressure_level level_of(double value, enum pressure_level previous)
{
	for (unsigned mark = MARK_CRITICAL + 1; mark-- > MARK_LOW;) {
		enum pressure_level level = (enum pressure_level)(mark + PRESSURE_LOW);
		if (value >= scale[mark] - (level <= previous ? HYSTERESIS : 0))
			return level;
	}
	return PRESSURE_NONE;
}

struct pressure pressure_judge(
    const struct meminfo *info, uint64_t memory_limit_bytes, uint64_t rss_bytes, enum pressure_level previous)
{
	struct pressure worst = {.source = NULL};
	uint64_t system_used = info->total_bytes - MIN(info->available_bytes, info->total_bytes);
	bool has_cgroup_limit = info->has_cgroup && info->cgroup_limit_bytes != UINT64_MAX;

	/* Where two say the same, the earlier one is named. */
	if (info->has_cgroup) {
		consider_use(&worst, "cgroup", info->cgroup_used_bytes, info->cgroup_limit_bytes, scale);
		consider_use(&worst, "cgroup", info->fullest_used_bytes, info->fullest_limit_bytes, scale);
		consider_use(&worst, "cgroup_high", info->fullest_high_used_bytes, info->fullest_high_bytes,
		    marks_high);
	}
	consider_use(&worst, "limit", rss_bytes, memory_limit_bytes, scale);
	/* A kernel too old to say what is available says 0; nothing at all left is then not a fact. */
	if (info->available_bytes != 0)
		consider_use(&worst, "available", system_used, info->total_bytes, marks_available);
	if (info->has_psi) {
		double some = on_scale(info->psi_some_avg10, marks_some),
		       full = on_scale(info->psi_full_avg10, marks_full);
		/* Stall time has no bytes: beside it stands the use that it belongs to. */
		consider(&worst, "psi", MAX(some, full),
		    has_cgroup_limit ? info->cgroup_used_bytes : system_used,
		    has_cgroup_limit ? info->cgroup_limit_bytes : info->total_bytes);
	}

	if (worst.source == NULL)
		worst.source = "none";
	worst.level = level_of(worst.value, previous);
	worst.has_psi = info->has_psi;
	worst.psi_some_avg10 = info->has_psi ? info->psi_some_avg10 : 0;
	worst.psi_full_avg10 = info->has_psi ? info->psi_full_avg10 : 0;
	return worst;
}

uint64_t pressure_memory_limit(const struct meminfo *info, uint64_t memory_limit_bytes)
{
	if (memory_limit_bytes != 0)
		return memory_limit_bytes;
	uint64_t limit = info->total_bytes != 0 ? info->total_bytes : UINT64_MAX;
	/* A cgroup may be allowed more than there is. */
	if (info->has_cgroup && info->cgroup_limit_bytes != 0)
		limit = MIN(limit, info->cgroup_limit_bytes);
	return limit;
}

uint64_t pressure_memory_used(const struct meminfo *info, uint64_t memory_limit_bytes, uint64_t rss_bytes)
{
	if (memory_limit_bytes != 0)
		return rss_bytes;
	if (info->has_cgroup && info->cgroup_limit_bytes != 0 &&
	    info->cgroup_limit_bytes <= info->total_bytes)
		return info->cgroup_used_bytes;
	return info->total_bytes - MIN(info->available_bytes, info->total_bytes);
}

const char *pressure_level_name(enum pressure_level level)
{
	static const char *const names[] = {
	    [PRESSURE_NONE] = "none",
	    [PRESSURE_LOW] = "low",
	    [PRESSURE_MEDIUM] = "medium",
	    [PRESSURE_CRITICAL] = "critical",
	};
	return (unsigned)level < ARRAY_LENGTH(names) ? names[level] : names[PRESSURE_NONE];
}
