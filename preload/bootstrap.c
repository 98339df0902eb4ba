/*
 * bootstrap.c -- memory for calls made before jemalloc can be called.
 *
 * While the loader still relocates (a resolver of an IFUNC may call malloc), the
 * thread-local variables of all objects are zero, not what they are initialised with, and
 * jemalloc would follow a null pointer. Invariants: blocks are never reused; owns() is true
 * for exactly our blocks. There is one thread only; never calls libc.
 */
#include "preload/bootstrap.h"

#include "base/sys.h"

#define BOOTSTRAP_BYTES ((size_t)64 << 20)
#define HEADER_BYTES ((size_t)16)

/* 1 as soon as the loader has copied the initial values of thread-local variables. */
static __thread volatile int is_tls_ready __attribute__((tls_model("initial-exec"))) = 1;

/* Mapped at the first need, which hardly any program has. */
static struct {
	char *bytes; /* BOOTSTRAP_BYTES, or NULL */
	size_t used;
} store;

void *bootstrap_alloc(size_t alignment, size_t size)
{
	size_t start = ROUND_UP(store.used + HEADER_BYTES, MAX(alignment, HEADER_BYTES));

	if (store.bytes == NULL) {
		char *bytes = sys_reserve(BOOTSTRAP_BYTES);

		if (bytes == NULL || !sys_commit(bytes, BOOTSTRAP_BYTES))
			return NULL;
		store.bytes = bytes;
	}
	if (start > BOOTSTRAP_BYTES || size > BOOTSTRAP_BYTES - start)
		return NULL;
	store.used = start + size;
	*(size_t *)(void *)(store.bytes + start - HEADER_BYTES) = size;
	return store.bytes + start;
}

bool bootstrap_owns(const void *p)
{
	return store.bytes != NULL && (uintptr_t)p - (uintptr_t)store.bytes < BOOTSTRAP_BYTES;
}

size_t bootstrap_size(const void *p)
{
	return *(const size_t *)(const void *)((const char *)p - HEADER_BYTES);
}

bool bootstrap_is_used(void)
{
	return store.used != 0;
}

bool bootstrap_is_needed(void)
{
	return is_tls_ready == 0;
}
