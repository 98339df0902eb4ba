/*
 * cxx.c -- the C++ operators, under their mangled names.
 *
 * All 20 of them are here, in C programs too: a plugin in C++ that is loaded
 * later would otherwise bind to jemalloc's. new is malloc, delete is free, and
 * whatever size or alignment a delete says, free knows better.
 *
 * When memory is out, the C++ library's own operator takes over: it knows how to
 * run the new_handler, to try again (through our malloc), and to throw. It throws
 * through our frame, so this file is compiled with -fexceptions. Its lookup
 * is cold and may allocate; without any C++ library there is nothing that
 * could be thrown, and the process ends with a line that says so.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "base/log.h"
#include "preload/alloc.h"
#include "preload/preload.h"

_Static_assert(_Generic((size_t)0, unsigned long : 1, default : 0), "the names below have size_t as m");

#define CXX_RUNTIME "libstdc++.so.6"

/* Only its address is passed on. */
struct nothrow;

/*
 * The operator of the C++ library that the program uses: the next one, unless
 * that is jemalloc's, which hides what a new_handler throws. jemalloc needs
 * libstdc++ itself, so that is there then.
 */
static COLD void *find_operator(const char *name)
{
	void *function = preload_real(name);
	if (function == NULL || function == preload_jemalloc(name)) {
		void *runtime = dlopen(CXX_RUNTIME, RTLD_LAZY | RTLD_NOLOAD);
		void *own = runtime != NULL ? dlsym(runtime, name) : NULL;
		if (own != NULL)
			function = own;
	}
	if (function == NULL) {
		log_text(
		    LOG_ERROR, "operator new: out of memory, and no C++ library to throw std::bad_alloc");
		abort();
	}
	return function;
}

/* Each operator and its slow path. The size is never 0 when it comes to malloc: every new is its own. */

#define NEW(name)                                                                                            \
	void *name(size_t size);                                                                             \
	static COLD void *name##_slow(size_t size)                                                           \
	{                                                                                                    \
		void *(*real)(size_t) = find_operator(#name);                                                \
		return real(size);                                                                           \
	}                                                                                                    \
	EXPORT void *name(size_t size)                                                                       \
	{                                                                                                    \
		void *p = alloc_malloc(size);                                                                \
		return LIKELY(p != NULL) ? p : name##_slow(size);                                            \
	}

#define NEW_NOTHROW(name)                                                                                    \
	void *name(size_t size, const struct nothrow *tag);                                                  \
	static COLD void *name##_slow(size_t size, const struct nothrow *tag)                                \
	{                                                                                                    \
		void *(*real)(size_t, const struct nothrow *) = find_operator(#name);                        \
		return real(size, tag);                                                                      \
	}                                                                                                    \
	EXPORT void *name(size_t size, const struct nothrow *tag)                                            \
	{                                                                                                    \
		void *p = alloc_malloc(size);                                                                \
		return LIKELY(p != NULL) ? p : name##_slow(size, tag);                                       \
	}

/*
 * libstdc++ rounds a size up to the alignment without a look at what overflows, and then hands out
 * next to nothing. A size that no allocator can serve goes the way of the plain form.
 */
static void *aligned(size_t alignment, size_t size)
{
	bool is_power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
	return is_power_of_two ? alloc_aligned(alignment, MAX(size, 1)) : NULL;
}

#define NEW_ALIGNED(name, plain)                                                                             \
	void *name(size_t size, size_t alignment);                                                           \
	static COLD void *name##_slow(size_t size, size_t alignment)                                         \
	{                                                                                                    \
		if (size > PTRDIFF_MAX)                                                                      \
			return plain##_slow(size);                                                           \
		void *(*real)(size_t, size_t) = find_operator(#name);                                        \
		return real(size, alignment);                                                                \
	}                                                                                                    \
	EXPORT void *name(size_t size, size_t alignment)                                                     \
	{                                                                                                    \
		void *p = aligned(alignment, size);                                                          \
		return LIKELY(p != NULL) ? p : name##_slow(size, alignment);                                 \
	}

#define NEW_ALIGNED_NOTHROW(name, plain)                                                                     \
	void *name(size_t size, size_t alignment, const struct nothrow *tag);                                \
	static COLD void *name##_slow(size_t size, size_t alignment, const struct nothrow *tag)              \
	{                                                                                                    \
		if (size > PTRDIFF_MAX)                                                                      \
			return plain##_slow(size, tag);                                                      \
		void *(*real)(size_t, size_t, const struct nothrow *) = find_operator(#name);                \
		return real(size, alignment, tag);                                                           \
	}                                                                                                    \
	EXPORT void *name(size_t size, size_t alignment, const struct nothrow *tag)                          \
	{                                                                                                    \
		void *p = aligned(alignment, size);                                                          \
		return LIKELY(p != NULL) ? p : name##_slow(size, alignment, tag);                            \
	}

NEW(_Znwm)
NEW(_Znam)
NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
NEW_NOTHROW(_ZnamRKSt9nothrow_t)
NEW_ALIGNED(_ZnwmSt11align_val_t, _Znwm)
NEW_ALIGNED(_ZnamSt11align_val_t, _Znam)
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t, _ZnwmRKSt9nothrow_t)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t, _ZnamRKSt9nothrow_t)

/* The arguments after the first are hints; C has no way to leave them unnamed. */

#define DELETE(name, ...)                                                                                    \
	void name(void *p, ##__VA_ARGS__);                                                                   \
	EXPORT void name(void *p, ##__VA_ARGS__)                                                             \
	{                                                                                                    \
		alloc_free(p);                                                                               \
	}

#define SIZE size_t size UNUSED
#define ALIGNMENT size_t alignment UNUSED
#define TAG const struct nothrow *tag UNUSED

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm, SIZE)
DELETE(_ZdaPvm, SIZE)
DELETE(_ZdlPvRKSt9nothrow_t, TAG)
DELETE(_ZdaPvRKSt9nothrow_t, TAG)
DELETE(_ZdlPvSt11align_val_t, ALIGNMENT)
DELETE(_ZdaPvSt11align_val_t, ALIGNMENT)
DELETE(_ZdlPvmSt11align_val_t, SIZE, ALIGNMENT)
DELETE(_ZdaPvmSt11align_val_t, SIZE, ALIGNMENT)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, ALIGNMENT, TAG)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, ALIGNMENT, TAG)
