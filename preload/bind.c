/*
 * bind.c -- finding jemalloc's own functions, and libc's behind ours.
 *
 * Our object is linked against libjemalloc.so.2, so it is loaded, and its static TLS is
 * in place. Its functions are looked up in it alone: RTLD_NEXT would find libc's, and
 * the mallocx family skips jemalloc's fast path. Until preload_bind() is over, next
 * points at functions which do that first. The first call comes before any second thread
 * can exist, perhaps before any constructor; binding allocates nothing. As long as the
 * loader is still at work, bootstrap.c serves.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "preload/bootstrap.h"
#include "preload/elf_symbol.h"
#include "preload/preload.h"
#include "preload/quiet.h"

static void *first_malloc(size_t size);
static void first_free(void *p);
static void *first_calloc(size_t count, size_t size);
static void *first_realloc(void *p, size_t size);
static int first_posix_memalign(void **to, size_t alignment, size_t size);
static size_t first_usable_size(void *p);

struct next next = {
    .malloc = first_malloc,
    .free = first_free,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .posix_memalign = first_posix_memalign,
    .malloc_usable_size = first_usable_size,
};

static const struct link_map *jemalloc;

static void (*jemalloc_free)(void *);

/* Blocks of bootstrap.c may be freed or grown at any time; only where there are any does anybody have to ask. */
static void free_unless_bootstrap(void *p)
{
	if (LIKELY(!bootstrap_owns(p)))
		jemalloc_free(p);
}

/* Where jemalloc's system calls cannot be made quiet. */
static void (*free_loud)(void *);

static void free_keeping_errno(void *p)
{
	int saved = errno;

	free_loud(p);
	errno = saved;
}

static void *(*jemalloc_realloc)(void *, size_t);

static void *realloc_unless_bootstrap(void *p, size_t size)
{
	void *to;

	if (LIKELY(!bootstrap_owns(p)))
		return jemalloc_realloc(p, size);
	to = next.malloc(size);
	if (to != NULL)
		memcpy(to, p, MIN(size, bootstrap_size(p)));
	return to;
}

static void *find(const char *name)
{
	void *function = elf_find_symbol(jemalloc, name);

	if (function == NULL) {
		log_text(
		    LOG_ERROR, "libjemalloc.so.2 lacks a function that every jemalloc has; cannot go on");
		abort();
	}
	return function;
}

void preload_bind(void)
{
	int saved = errno;

	if (jemalloc != NULL)
		return;
	jemalloc = elf_find_object("libjemalloc.so.2");
	if (jemalloc == NULL) {
		log_text(
		    LOG_ERROR, "libjemalloc.so.2 is not loaded, though this object needs it; cannot go on");
		abort();
	}
	next.malloc = (void *(*)(size_t))find("malloc");
	jemalloc_free = (void (*)(void *))find("free");
	next.free = bootstrap_is_used() ? free_unless_bootstrap : jemalloc_free;
	if (!quiet_start(jemalloc)) {
		free_loud = next.free;
		next.free = free_keeping_errno;
	}
	next.free_foreign = next.free;
	next.calloc = (void *(*)(size_t, size_t))find("calloc");
	jemalloc_realloc = (void *(*)(void *, size_t))find("realloc");
	next.realloc = bootstrap_is_used() ? realloc_unless_bootstrap : jemalloc_realloc;
	next.posix_memalign = (int (*)(void **, size_t, size_t))find("posix_memalign");
	next.malloc_usable_size = (size_t(*)(void *))find("malloc_usable_size");
	next.mallctl =
	    (int (*)(const char *, void *, size_t *, void *, size_t))elf_find_symbol(jemalloc, "mallctl");
	/* The first call registers jemalloc's handlers for fork; ours come right after. */
	next.free(next.malloc(1));
	preload_watch_fork();
	errno = saved;
}

void *preload_real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

void *preload_jemalloc(const char *name)
{
	preload_bind();
	return elf_find_symbol(jemalloc, name);
}

/* --- the first calls --------------------------------------------------------- */

static void *bootstrap_or_fail(size_t alignment, size_t size)
{
	void *p = bootstrap_alloc(alignment, size);

	if (p == NULL)
		errno = ENOMEM;
	return p;
}

static void *first_malloc(size_t size)
{
	if (bootstrap_is_needed())
		return bootstrap_or_fail(16, size);
	preload_bind();
	return next.malloc(size);
}

static void first_free(void *p)
{
	if (p == NULL || bootstrap_owns(p))
		return;
	preload_bind();
	next.free(p);
}

static void *first_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (!bootstrap_is_needed()) {
		preload_bind();
		return next.calloc(count, size);
	}
	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return bootstrap_or_fail(16, bytes);
}

static void *first_realloc(void *p, size_t size)
{
	void *to;

	if (!bootstrap_is_needed()) {
		preload_bind();
		return next.realloc(p, size);
	}
	to = bootstrap_or_fail(16, size);
	if (to != NULL && p != NULL)
		memcpy(to, p, MIN(size, bootstrap_size(p)));
	return to;
}

static int first_posix_memalign(void **to, size_t alignment, size_t size)
{
	if (!bootstrap_is_needed()) {
		preload_bind();
		return next.posix_memalign(to, alignment, size);
	}
	*to = bootstrap_alloc(alignment, size);
	return *to != NULL ? 0 : ENOMEM;
}

static size_t first_usable_size(void *p)
{
	if (bootstrap_owns(p))
		return bootstrap_size(p);
	preload_bind();
	return next.malloc_usable_size(p);
}
