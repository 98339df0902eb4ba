/*
 * weir_engine.h -- the engine of a process, as somebody reaches it who is linked apart from it.
 *
 * libweir-preload.so exports one as weir_engine. libweir, when it is loaded into such
 * a process, works on that engine instead of one of its own: one range, one limit, one
 * set of figures. Both come out of one build: whoever finds another version, release or
 * size than its own leaves it alone.
 *
 * All functions are thread-safe and keep errno; none may be called in a signal handler but collect().
 */
#ifndef WEIR_REPORT_WEIR_ENGINE_H
#define WEIR_REPORT_WEIR_ENGINE_H

#include "report/snapshot.h"

/* Counts up with every change of what a member means. */
#define ENGINE_VERSION 1

struct engine {
	uint32_t version;	 /* ENGINE_VERSION */
	uint32_t struct_bytes;	 /* sizeof(struct engine) */
	uint32_t settings_bytes; /* sizeof(struct settings) */
	uint32_t stats_bytes;	 /* sizeof(struct pool_stats) */
	uint32_t track_bytes;	 /* sizeof(struct track_snapshot) */
	const char *release;	 /* WEIR_VERSION */

	/* A buffer of 1 to SIZE_CLASS_MAX_BYTES, of the range; NULL: exhausted. */
	void *(*take)(size_t size);
	/* It comes back. False: it is no buffer in use, nothing was done. */
	bool (*give)(void *p);
	/* Of a buffer in use. */
	size_t (*usable_bytes)(const void *p);
	/* Where it is: into a free neighbour, to size at least; or down to size, which is less than
	 * half of it. False: it cannot. */
	bool (*grow)(void *p, size_t size, size_t wanted);
	bool (*shrink)(void *p, size_t size);

	/* Every idle page goes back to the kernel. Returns whether any did. */
	bool (*clean_up)(void);
	/* The figures, as pool_stats_collect(). */
	unsigned (*collect)(struct pool_stats *stats, struct pool_buffer_info *oldest, unsigned max);
	/* Lifetimes and leak risk, as track_collect(). NULL: nobody tracks. */
	void (*track)(struct track_snapshot *snapshot);
	/* Frozen. */
	const struct settings *settings;
};

/* What an engine says of the build that it comes out of, for its initializer. */
#define ENGINE_OF_THIS_BUILD                                                                                 \
	.version = ENGINE_VERSION, .struct_bytes = sizeof(struct engine),                                    \
	.settings_bytes = sizeof(struct settings), .stats_bytes = sizeof(struct pool_stats),                 \
	.track_bytes = sizeof(struct track_snapshot), .release = WEIR_VERSION

#endif
