/*
 * start.c -- how Weir comes up, and the state that is frozen then.
 *
 * jemalloc is bound at the first call of any of our functions, which may come
 * before any constructor, even before libc has its environment. The pool, the
 * settings and the signal come up in our constructor; until then jemalloc serves everything. Nothing is ever torn down: frees come after every
 * destructor.
 */
#include <sys/auxv.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "pool/pool.h"
#include "preload/alloc.h"
#include "preload/keeper.h"
#include "preload/maintain.h"
#include "preload/meet.h"
#include "preload/preload.h"
#include "preload/sample.h"

struct preload preload;

static void say_hello(void)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO))
		return;
	out_str(&line.out, "Weir " WEIR_VERSION ": ");
	if (range.bytes == 0) {
		out_str(&line.out, "no pool, every request goes to jemalloc");
	} else {
		out_str(&line.out, "requests of ");
		out_u64(&line.out, pool.min_bytes);
		out_str(&line.out, " to ");
		out_u64(&line.out, pool.max_bytes);
		out_str(&line.out, " bytes are served from a pool of up to ");
		out_size_human(
		    &line.out, atomic_load_explicit(&pool.limit_pages, memory_order_relaxed) << PAGE_SHIFT);
		out_str(&line.out,
		    magazines.is_rseq ? "; magazines by restartable sequences" : "; magazines by locks");
	}
	log_end(&line);
}

void preload_start(void)
{
	static char *const nothing[] = {NULL};

	preload_bind();
	if (atomic_load_explicit(&preload.is_started, memory_order_acquire))
		return;
	settings_read(&preload.settings, environ == NULL ? nothing : environ);
	log_set_level((enum log_level)preload.settings.log);
	sys_start();
	clock_start(preload.settings.time_scale);
	if (preload.settings.enable && getauxval(AT_PAGESZ) != PAGE_BYTES)
		log_text(LOG_WARN, "the kernel's pages are not 4 KiB: every request goes to jemalloc");
	else if (preload.settings.enable && !pool_init(&preload.settings))
		log_text(LOG_WARN,
		    "no address space for the pool (see RLIMIT_AS): every request goes to jemalloc");
	if (range.bytes != 0 && preload.settings.zero_on_free)
		next.free = alloc_free_zeroing;
	sample_start();
	maintain_start();
	if (preload.settings.background == BACKGROUND_ALWAYS)
		keeper_start();
	signal_start();
	say_hello();
	meeting.is_over = true;
	atomic_store_explicit(&preload.is_started, true, memory_order_release);
}

__attribute__((constructor(101))) static void construct(void)
{
	preload_start();
}
