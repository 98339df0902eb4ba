/*
 * injector.c -- a preloaded object that makes a program leak at one call site, and writes down how much.
 *
 * It stands before the allocator in LD_PRELOAD, forwards every request, and does one of two things:
 *
 *   LEAK_MODE=survey   counts the allocations of each call site, and how many of them came back;
 *   LEAK_MODE=inject   follows the allocations of LEAK_SITE, and does not pass on the share LEAK_SHARE of
 *                      their frees, once LEAK_AFTER seconds have gone by.
 *
 * What it found goes to LEAK_OUT.PID: in a survey the table of sites, once a second and at exit; when
 * injecting, a line for each leak, at most ten a second after the first two hundred.
 * LEAK_SIZES=FROM-TO bounds the sizes that are looked at, LEAK_SEED is what the share is drawn by.
 *
 * A site is the return addresses of the FRAMES_MAX innermost frames above the allocator, as MODULE+OFFSET
 * joined by commas. A request that is not the site's is forwarded by a jump, so that the allocator
 * behind sees the program's own stack. All requests of the site pass through the same frame of ours: one
 * frame more on top, always the same, which whoever compares frames leaves out by the name of this object.
 *
 * Invariants: a marked pointer stands in the table from before its owner knows it until just before it is
 * given back; what does not fit is not followed, and counted. No lock; nothing here allocates but the
 * unwinder at its first use, which is made before anything is followed. C++'s operators are forwarded too:
 * they would otherwise be bound to the allocator's, past us.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inject.h"

#define EXPORT __attribute__((visibility("default")))

#define SITES_MAX 16384	  /* a power of two; less than the 16 bits that a slot has */
#define BUFFER_BYTES 4096 /* from here on an object counts as a buffer */
#define LINES_AT_ONCE 200 /* leaks that are written down as they come */
#define LINE_GAP_MS 100
#define SURVEY_GAP_MS 1000

enum mode { MODE_OFF, MODE_SURVEY, MODE_INJECT };

struct site {
	_Atomic uint64_t key; /* hash of the frames; 0: free. Release once frames are written. */
	_Atomic bool is_ready;
	uint32_t frame_count;
	uintptr_t frames[FRAMES_MAX];
	/* Relaxed: statistics. */
	_Atomic uint64_t births, deaths, born_bytes, largest, life_ms, leaked, leaked_bytes;
};

static struct {
	/* Frozen at start. */
	enum mode mode;
	size_t smallest, largest;
	uint64_t share; /* of 2^32 */
	uint64_t after_ms, seed;
	uint64_t started_ms;
	const char *out;
	/* The site, as addresses, resolved when its modules are there. */
	const char *wanted;
	_Atomic uintptr_t caller; /* the innermost; 0: not resolved yet */
	struct unwound target;	  /* release by caller */
	_Atomic uint64_t resolved_ms;
	_Atomic uint64_t last_line_ms;
	_Atomic uint64_t threads;
} leak;

static struct site sites[SITES_MAX];

static __thread bool is_inside __attribute__((tls_model("initial-exec")));
static __thread uint64_t random_state __attribute__((tls_model("initial-exec")));

/* --- the allocator behind us ------------------------------------------------- */

static struct {
	void *(*malloc)(size_t);
	void (*free)(void *);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*new)(size_t);
	void *(*new_array)(size_t);
	void (*delete)(void *);
	void (*delete_array)(void *);
	void (*delete_sized)(void *, size_t);
	void (*delete_array_sized)(void *, size_t);
} next;

static void bind(void)
{
	const struct {
		const char *name;
		void **to;
	} names[] = {
	    {"free", (void **)&next.free},
	    {"calloc", (void **)&next.calloc},
	    {"realloc", (void **)&next.realloc},
	    {"posix_memalign", (void **)&next.posix_memalign},
	    {"aligned_alloc", (void **)&next.aligned_alloc},
	    {"memalign", (void **)&next.memalign},
	    {"_Znwm", (void **)&next.new},
	    {"_Znam", (void **)&next.new_array},
	    {"_ZdlPv", (void **)&next.delete},
	    {"_ZdaPv", (void **)&next.delete_array},
	    {"_ZdlPvm", (void **)&next.delete_sized},
	    {"_ZdaPvm", (void **)&next.delete_array_sized},
	    {"malloc", (void **)&next.malloc},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		*names[i].to = dlsym(RTLD_NEXT, names[i].name);
}

static inline void ensure_bound(void)
{
	if (UNLIKELY(next.malloc == NULL))
		bind();
}

/* --- small tools ------------------------------------------------------------- */

static uint32_t random32(void)
{
	if (UNLIKELY(random_state == 0))
		random_state = mix(leak.seed + (atomic_fetch_add(&leak.threads, 1) << 32)) | 1;
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static int open_out(int flags, const char *ending)
{
	char path[600];
	int length = snprintf(path, sizeof(path), "%s.%d%s", leak.out, (int)getpid(), ending);
	if (length < 0 || (size_t)length >= sizeof(path))
		return -1;
	int fd = (int)syscall(
	    SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0666);
	if (fd >= 0)
		syscall(SYS_fchmod, fd, 0666); /* a server that gives up root goes on with it */
	return fd;
}

static void put(int fd, const char *text, int length)
{
	if (length > 0)
		syscall(SYS_write, fd, text, (size_t)length);
}

/* --- the site, as addresses --------------------------------------------------- */

/* Once a second until it succeeds: what is looked for may be in a plug-in. */
static void try_resolve(void)
{
	struct unwound stack;
	uint64_t now = now_ms(), last = atomic_load(&leak.resolved_ms);
	if (now - last < 1000 || !atomic_compare_exchange_strong(&leak.resolved_ms, &last, now))
		return;
	is_inside = true;
	if (site_parse(leak.wanted, &stack)) {
		leak.target = stack;
		sites[0].frame_count = stack.count;
		memcpy(sites[0].frames, stack.frames, sizeof(stack.frames));
		atomic_store_explicit(&leak.caller, stack.frames[0], memory_order_release);
	}
	is_inside = false;
}

/* --- what is written down ---------------------------------------------------- */

static void write_frames(int fd, const struct site *site)
{
	char text[SITE_TEXT_MAX];
	put(fd, text, site_print(site->frames, site->frame_count, text));
	put(fd, "\n", 1);
}

/* A line a site: births deaths bytes-born largest mean-life-ms frames. */
static void write_survey(void)
{
	int fd = open_out(O_TRUNC, ".new");
	char text[200], from[600], to[600];
	if (fd < 0)
		return;
	put(fd, text,
	    snprintf(text, sizeof(text), "# survey ms %ju unmarked %ju\n",
		(uintmax_t)(now_ms() - leak.started_ms), (uintmax_t)table_unmarked()));
	for (size_t i = 0; i < SITES_MAX; i++) {
		struct site *site = &sites[i];
		uint64_t deaths;
		if (!atomic_load_explicit(&site->is_ready, memory_order_acquire))
			continue;
		deaths = atomic_load(&site->deaths);
		put(fd, text,
		    snprintf(text, sizeof(text), "%ju %ju %ju %ju %.1f ",
			(uintmax_t)atomic_load(&site->births), (uintmax_t)deaths,
			(uintmax_t)atomic_load(&site->born_bytes), (uintmax_t)atomic_load(&site->largest),
			(double)atomic_load(&site->life_ms) / (double)(deaths != 0 ? deaths : 1)));
		write_frames(fd, site);
	}
	syscall(SYS_close, fd);
	snprintf(from, sizeof(from), "%s.%d.new", leak.out, (int)getpid());
	snprintf(to, sizeof(to), "%s.%d", leak.out, (int)getpid());
	syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

/* A line a leak: unix-seconds leaked leaked-bytes births deaths mean-life-ms. */
static void write_leak(void)
{
	struct site *site = &sites[0];
	struct timespec t;
	char text[200];
	uint64_t deaths = atomic_load(&site->deaths);
	int fd = open_out(O_APPEND, "");
	if (fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	put(fd, text,
	    snprintf(text, sizeof(text), "%jd.%03ld %ju %ju %ju %ju %.1f\n", (intmax_t)t.tv_sec,
		t.tv_nsec / 1000000, (uintmax_t)atomic_load(&site->leaked),
		(uintmax_t)atomic_load(&site->leaked_bytes), (uintmax_t)atomic_load(&site->births),
		(uintmax_t)deaths, (double)atomic_load(&site->life_ms) / (double)(deaths != 0 ? deaths : 1)));
	syscall(SYS_close, fd);
}

/* True for one caller each time that gap_ms have gone by. */
static bool is_line_due(uint64_t gap_ms)
{
	uint64_t now = now_ms(), last = atomic_load(&leak.last_line_ms);
	return now - last >= gap_ms && atomic_compare_exchange_strong(&leak.last_line_ms, &last, now);
}

static void write_survey_if_due(void)
{
	int saved = errno;
	if (!is_line_due(SURVEY_GAP_MS))
		return;
	is_inside = true;
	write_survey();
	is_inside = false;
	errno = saved;
}

/* --- births and deaths ------------------------------------------------------- */

static uint64_t key_of(const struct unwound *stack)
{
	uint64_t key = 1;
	for (uint32_t i = 0; i < stack->count; i++)
		key = mix(key + stack->frames[i]);
	return key;
}

/* The site of a stack; SITES_MAX when there are too many. One for small objects, one for buffers. */
static uint32_t site_of(const struct unwound *stack, size_t size)
{
	uint64_t key = mix(key_of(stack) + (size >= BUFFER_BYTES)) | 1;
	for (size_t i = 0; i < 64; i++) {
		struct site *site = &sites[(key + i) % SITES_MAX];
		uint64_t seen = atomic_load_explicit(&site->key, memory_order_relaxed);
		if (seen == 0 && atomic_compare_exchange_strong(&site->key, &seen, key)) {
			site->frame_count = stack->count;
			memcpy(site->frames, stack->frames, sizeof(stack->frames));
			atomic_store_explicit(&site->is_ready, true, memory_order_release);
			seen = key;
		}
		if (seen == key)
			return (uint32_t)(site - sites);
	}
	return SITES_MAX;
}

static bool is_target(const struct unwound *stack)
{
	return stack->count >= leak.target.count &&
	       memcmp(stack->frames, leak.target.frames, leak.target.count * sizeof(stack->frames[0])) == 0;
}

/* Whether a request is one to be looked at more closely; caller is its return address. */
static inline bool is_candidate(size_t size, const void *caller)
{
	if (LIKELY(size < leak.smallest || size > leak.largest) || is_inside)
		return false;
	if (leak.mode == MODE_SURVEY)
		return true;
	if (leak.mode != MODE_INJECT)
		return false;
	uintptr_t wanted = atomic_load_explicit(&leak.caller, memory_order_acquire);
	if (UNLIKELY(wanted == 0))
		try_resolve();
	return wanted == (uintptr_t)caller;
}

/* Right after the allocation, before its owner has it. Keeps errno. */
static __attribute__((noinline)) void *born(void *p, size_t size)
{
	struct unwound stack;
	uint32_t at = SITES_MAX;
	if (p == NULL)
		return p;
	is_inside = true;
	stack_unwind(&stack);
	if (leak.mode == MODE_SURVEY)
		at = site_of(&stack, size);
	else if (is_target(&stack))
		at = 0;
	is_inside = false;
	if (at == SITES_MAX)
		return p;
	struct site *site = &sites[at];
	atomic_fetch_add_explicit(&site->births, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&site->born_bytes, size, memory_order_relaxed);
	if (size > atomic_load_explicit(&site->largest, memory_order_relaxed))
		atomic_store_explicit(&site->largest, size, memory_order_relaxed);
	table_mark(p, at, size);
	if (leak.mode == MODE_SURVEY)
		write_survey_if_due();
	return p;
}

/* Before p is given back: true if it is to be kept instead. Keeps errno. */
static bool dies(void *p, bool may_leak)
{
	struct followed was;
	int saved = errno;
	if (leak.mode == MODE_OFF || p == NULL || !table_unmark(p, &was))
		return false;
	struct site *site = &sites[was.site];
	uint64_t now = now_ms();
	if (may_leak && leak.mode == MODE_INJECT && leak.share != 0 &&
	    now - leak.started_ms >= leak.after_ms && random32() < leak.share) {
		atomic_fetch_add(&site->leaked_bytes, was.bytes);
		if (atomic_fetch_add(&site->leaked, 1) < LINES_AT_ONCE || is_line_due(LINE_GAP_MS)) {
			is_inside = true;
			write_leak();
			is_inside = false;
		}
		errno = saved;
		return true;
	}
	/* What realloc moves cannot be leaked by a free that is left out, so a survey does not count it. */
	if (may_leak || leak.mode == MODE_INJECT) {
		atomic_fetch_add_explicit(&site->deaths, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&site->life_ms, (uint32_t)now - was.born_ms, memory_order_relaxed);
	}
	return false;
}

/* --- the names ---------------------------------------------------------------- */

#define CALLER __builtin_return_address(0)

EXPORT void *malloc(size_t size)
{
	ensure_bound();
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.malloc(size);
	return born(next.malloc(size), size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	size_t bytes;
	ensure_bound();
	if (__builtin_mul_overflow(count, size, &bytes) || LIKELY(!is_candidate(bytes, CALLER)))
		return next.calloc(count, size);
	return born(next.calloc(count, size), bytes);
}

EXPORT void *realloc(void *p, size_t size)
{
	ensure_bound();
	dies(p, false);
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.realloc(p, size);
	return born(next.realloc(p, size), size);
}

EXPORT int posix_memalign(void **to, size_t alignment, size_t size)
{
	int error;
	ensure_bound();
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.posix_memalign(to, alignment, size);
	error = next.posix_memalign(to, alignment, size);
	if (error == 0)
		born(*to, size);
	return error;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	ensure_bound();
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.aligned_alloc(alignment, size);
	return born(next.aligned_alloc(alignment, size), size);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	ensure_bound();
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.memalign(alignment, size);
	return born(next.memalign(alignment, size), size);
}

EXPORT void free(void *p)
{
	ensure_bound();
	if (UNLIKELY(dies(p, true)))
		return;
	next.free(p);
}

/* operator new, new[], delete, delete[], and the sized ones. */
void *_Znwm(size_t size);
void *_Znam(size_t size);
void _ZdlPv(void *p);
void _ZdaPv(void *p);
void _ZdlPvm(void *p, size_t size);
void _ZdaPvm(void *p, size_t size);

EXPORT void *_Znwm(size_t size)
{
	ensure_bound();
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.new(size);
	return born(next.new(size), size);
}

EXPORT void *_Znam(size_t size)
{
	ensure_bound();
	if (LIKELY(!is_candidate(size, CALLER)))
		return next.new_array(size);
	return born(next.new_array(size), size);
}

EXPORT void _ZdlPv(void *p)
{
	ensure_bound();
	if (LIKELY(!dies(p, true)))
		next.delete(p);
}

EXPORT void _ZdaPv(void *p)
{
	ensure_bound();
	if (LIKELY(!dies(p, true)))
		next.delete_array(p);
}

EXPORT void _ZdlPvm(void *p, size_t size)
{
	ensure_bound();
	if (LIKELY(!dies(p, true)))
		next.delete_sized(p, size);
}

EXPORT void _ZdaPvm(void *p, size_t size)
{
	ensure_bound();
	if (LIKELY(!dies(p, true)))
		next.delete_array_sized(p, size);
}

/* --- start -------------------------------------------------------------------- */

/* Programs that write their title over their environment would take it away from us. */
static const char *setting(const char *name, const char *otherwise)
{
	const char *text = getenv(name);
	return text != NULL && text[0] != '\0' ? strdup(text) : otherwise;
}

static void read_sizes(const char *text)
{
	char *end;
	leak.smallest = strtoull(text, &end, 10);
	leak.largest = *end == '-' ? strtoull(end + 1, NULL, 10) : SIZE_MAX;
	if (leak.smallest == 0)
		leak.smallest = 1;
}

static void at_exit(void)
{
	if (leak.mode != MODE_SURVEY)
		return;
	is_inside = true;
	write_survey();
}

__attribute__((constructor)) static void start(void)
{
	const char *mode = setting("LEAK_MODE", "off");
	struct unwound warm;

	ensure_bound();
	is_inside = true;
	modules_start();
	leak.out = setting("LEAK_OUT", "/dev/null");
	leak.wanted = setting("LEAK_SITE", "");
	leak.share = (uint64_t)(strtod(setting("LEAK_SHARE", "0"), NULL) * 4294967296.0);
	leak.after_ms = (uint64_t)(strtod(setting("LEAK_AFTER", "0"), NULL) * 1000);
	leak.seed = strtoull(setting("LEAK_SEED", "1"), NULL, 10);
	read_sizes(setting("LEAK_SIZES", "1-1048576"));
	leak.started_ms = now_ms();
	/* The unwinder makes what it needs at its first use. */
	stack_unwind(&warm);
	is_inside = false;
	if (strcmp(mode, "survey") == 0)
		leak.mode = MODE_SURVEY;
	else if (strcmp(mode, "inject") == 0)
		leak.mode = MODE_INJECT;
	if (leak.mode != MODE_OFF)
		atexit(at_exit);
}
