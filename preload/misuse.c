/*
 * misuse.c -- the report on a double, inner or wild free.
 *
 * Called by free and realloc for pointers into the range whose entry does not say
 * that they are in use. Two threads that free one buffer at the same moment may both
 * pass; everything else is caught. A second line names the callers, where tracking is on
 * and so knows how to walk a stack. Takes no lock, allocates nothing.
 */
#include "preload/misuse.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/pool.h"
#include "preload/preload.h"
#include "track/stack.h"

#ifdef DLFO_STRUCT_HAS_EH_DBASE
/* From glibc 2.35 on: of the loader, without its lock. */
#pragma weak _dl_find_object
#endif

#define CALLERS_SHOWN 8 /* as many as a line has room for */

static void describe_buffer(struct out *out, const struct pool_buffer_info *info)
{
	uint64_t age = clock_now_ticks() - (uint32_t)info->last_used_ticks;

	out_str(out, "buffer ");
	out_u64(out, info->id);
	out_str(out, " at ");
	out_hex(out, info->address);
	out_str(out, ", ");
	out_u64(out, info->size_bytes);
	out_str(out, info->is_in_use ? " bytes, in use for " : " bytes, freed ");
	if (age == 0)
		out_str(out, "a moment");
	else
		out_duration(out, (double)age / TICKS_PER_SECOND);
	out_str(out, info->is_in_use ? ", handed out " : " ago, handed out ");
	out_number_of(out, info->use_count, "time");
}

/* "relay+0x1234", as addr2line takes it: the offset from where the file is loaded. */
static void put_caller(struct out *out, uintptr_t pc)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	struct dl_find_object object;

	if (_dl_find_object != NULL && _dl_find_object((void *)pc, &object) == 0) {
		const char *path = object.dlfo_link_map->l_name, *slash = strrchr(path, '/');

		/* The program itself has no name in the loader's list. */
		out_str(out, path[0] == '\0' ? program_invocation_short_name
			     : slash != NULL ? slash + 1
					     : path);
		out_char(out, '+');
		pc -= object.dlfo_link_map->l_addr;
	}
#endif
	out_hex(out, pc);
}

static void say_callers(void)
{
	struct stack stack;
	struct log_line line;

	/* The walk takes no lock, so it may interrupt another one of this thread: where a handler frees. */
	if (!preload.settings.track || !log_is_on(LOG_ERROR) || !stack_capture(&stack) ||
	    !log_begin(&line, LOG_ERROR))
		return;
	out_str(&line.out, "the call came from ");
	for (unsigned i = 0; i < MIN(stack.count, (unsigned)CALLERS_SHOWN); i++) {
		out_str(&line.out, i > 0 ? ", " : "");
		put_caller(&line.out, stack.pcs[i]);
	}
	log_end(&line);
}

void misuse_free(const void *p)
{
	struct pool_buffer_info info = {0};
	enum pool_pointer what = pool_describe(p, &info);
	struct log_line line;

	atomic_fetch_add_explicit(&pool.errors, 1, memory_order_relaxed);
	if (log_begin(&line, LOG_ERROR)) {
		out_str(&line.out, what == POOL_POINTER_FREE	? "double free of "
				   : what == POOL_POINTER_INNER ? "free of an inner pointer "
								: "free of a wild pointer ");
		out_hex(&line.out, (uint64_t)(uintptr_t)p);
		if (what == POOL_POINTER_FREE || what == POOL_POINTER_INNER) {
			out_str(&line.out, what == POOL_POINTER_FREE ? ": " : ", inside ");
			describe_buffer(&line.out, &info);
		} else {
			out_str(&line.out,
			    ": no buffer of the pool is there (freed before, or never handed out)");
		}
		out_str(&line.out, preload.settings.on_misuse == ON_MISUSE_ABORT
				       ? "; aborting (WEIR_ON_MISUSE=abort)"
				       : "; ignored");
		log_end(&line);
	}
	say_callers();
	if (preload.settings.on_misuse == ON_MISUSE_ABORT)
		abort();
}
