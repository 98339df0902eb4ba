/*
 * test_lib_faults.c -- every mapping, madvise and allocation that the library makes fails once, each in
 * its turn: nothing is lost, nothing leaks, and afterwards all goes on.
 *
 * The linker puts the functions below in the places of those of libc (--wrap), so each call of
 * the engine's, too, passes here. A round runs the same work with the n-th call refused, and
 * n counts up until a round ends with no call left to refuse (by sevens under TSan and in an emulator).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/engine.h"
#include "lib_pool.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

/* --- the faults -------------------------------------------------------------------------------- */

enum kind { MMAP, MPROTECT, MADVISE, ALLOCATION, KINDS };

static struct {
	unsigned long calls[KINDS];  /* since the round began */
	unsigned long refuse[KINDS]; /* the call with that number, from 1; 0: none */
	bool is_for_good;	     /* and all after it */
	bool is_on;
	unsigned long refused;
} faults;

static bool refuses(enum kind kind)
{
	if (!faults.is_on)
		return false;
	faults.calls[kind]++;
	if (faults.refuse[kind] == 0 || (faults.is_for_good ? faults.calls[kind] < faults.refuse[kind]
							    : faults.calls[kind] != faults.refuse[kind]))
		return false;
	faults.refused++;
	errno = ENOMEM;
	return true;
}

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __real_mprotect(void *, size_t, int);
int __wrap_mprotect(void *, size_t, int);
int __real_madvise(void *, size_t, int);
int __wrap_madvise(void *, size_t, int);
void *__real_aligned_alloc(size_t, size_t);
void *__wrap_aligned_alloc(size_t, size_t);

void *__wrap_mmap(void *start, size_t length, int protection, int flags, int fd, off_t offset)
{
	return refuses(MMAP) ? MAP_FAILED : __real_mmap(start, length, protection, flags, fd, offset);
}

int __wrap_mprotect(void *start, size_t length, int protection)
{
	return refuses(MPROTECT) ? -1 : __real_mprotect(start, length, protection);
}

int __wrap_madvise(void *start, size_t length, int advice)
{
	return refuses(MADVISE) ? -1 : __real_madvise(start, length, advice);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return refuses(ALLOCATION) ? NULL : __real_aligned_alloc(alignment, size);
}

static void arm(enum kind kind, unsigned long number, bool is_for_good)
{
	memset(&faults, 0, sizeof(faults));
	faults.refuse[kind] = number;
	faults.is_for_good = is_for_good;
	faults.is_on = true;
}

/* --- the work ---------------------------------------------------------------------------------- */

#define HELD 90

static struct {
	struct weir_buffer buffer;
	uint64_t seed;
} held[HELD];

static void check_held(unsigned i)
{
	ck_need(pattern_check(held[i].buffer.data, held[i].buffer.size, held[i].seed, PATTERN_SPARSE) ==
		PATTERN_OK);
}

/* Whatever happens, a buffer that is held keeps its bytes, and one that is refused costs nothing. */
static unsigned work_steps = 800;

static void work(struct weir_pool *mine, uint64_t seed, unsigned steps)
{
	uint64_t random = seed;

	for (unsigned step = 0; step < steps; step++) {
		unsigned i = (unsigned)(random_next(&random) % HELD);
		size_t size = 1 + random_next(&random) % (200 * KIB);
		struct weir_buffer *buffer = &held[i].buffer, resized;
		int error;

		if (buffer->id == 0) {
			error = weir_pool_allocate(mine, size, buffer);
			ck_need(error == WEIR_OK || error == WEIR_ERROR_NO_MEMORY);
			ck_need((error == WEIR_OK) == (buffer->id != 0) &&
				(buffer->id != 0) == (buffer->data != NULL));
		} else if (step % 3 == 0) {
			check_held(i);
			error = weir_pool_resize(mine, buffer->id, size, &resized);
			ck_need(error == WEIR_OK || error == WEIR_ERROR_NO_MEMORY);
			ck_need(resized.id == buffer->id && resized.data != NULL);
			if (error != WEIR_OK) {
				ck_need(resized.data == buffer->data && resized.size == buffer->size);
				check_held(i);
				continue;
			}
			*buffer = resized;
		} else {
			check_held(i);
			ck_need(weir_pool_release(mine, buffer->id) == WEIR_OK);
			*buffer = (struct weir_buffer){0};
		}
		if (buffer->id != 0) {
			held[i].seed = random_next(&random);
			pattern_fill(buffer->data, buffer->size, held[i].seed, PATTERN_SPARSE);
		}
		if (step % 100 == 99) {
			lib_time += 10 * SECOND;
			weir_pool_maintain(mine, 0);
		}
		if (step % 250 == 249)
			weir_pool_clean_up(mine);
	}
}

static void release_all(struct weir_pool *mine)
{
	for (unsigned i = 0; i < HELD; i++) {
		if (held[i].buffer.id == 0)
			continue;
		check_held(i);
		ck_need(weir_pool_release(mine, held[i].buffer.id) == WEIR_OK);
		held[i].buffer = (struct weir_buffer){0};
	}
}

static struct weir_pool_config config(void)
{
	struct weir_pool_config c = lib_config();

	c.max_buffers = 70;
	c.max_idle_ns = 15 * SECOND;
	c.has_compression = 1;
	return c;
}

/* One life of a pool with the fault; false: there was no such call any more. */
static bool round_with(enum kind kind, unsigned long number, bool is_for_good)
{
	struct weir_pool_config c = config();
	static struct pool_stats stats;
	struct weir_pool *mine;
	bool was_refused;
	int error;

	/* After a purge that was refused, and not since pages are locked, the engine tries no other; here each has its turn. */
	atomic_store_explicit(&arenas.is_purge_refused, false, memory_order_relaxed);
	arm(kind, number, is_for_good);
	error = weir_pool_create(&mine, &c);
	ck_need(error == WEIR_OK || (error == WEIR_ERROR_NO_MEMORY && mine == NULL && faults.refused != 0));
	if (error == WEIR_OK)
		work(mine, 99, work_steps);
	was_refused = faults.refused != 0;
	faults.is_on = false;
	if (error == WEIR_OK) {
		release_all(mine);
		/* Then without faults: it goes on as if nothing had been. */
		work(mine, 7, work_steps / 2);
		release_all(mine);
		ck_assert_uint_eq(lib_metrics(mine).buffers_in_use + lib_metrics(mine).temporary_in_use, 0);
		ck_assert_int_eq((int)weir_pool_destroy(mine), 0);
	}
	engine_get()->collect(&stats, NULL, 0);
	ck_assert_uint_eq(stats.buffers_in_use, 0);
	if (range.bytes != 0)
		ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
	return was_refused;
}

/*
 * One thread makes all the calls, so TSan, 15 times slower, has nothing to see in each of them; nor has another
 * processor, whose emulator is as slow.
 */
static unsigned long stride(void)
{
#ifdef __SANITIZE_THREAD__
	return 7;
#else
	return test_rounds(8) == 8 ? 1 : 7;
#endif
}

static void one_after_the_other(enum kind kind, bool is_for_good, unsigned long at_least)
{
	unsigned long number = 1;

	lib_machine(50);
	/* The engine is there; its own start is another test. */
	engine_get();
	while (round_with(kind, number, is_for_good))
		number += is_for_good ? 5 * stride() : stride();
	ck_assert_msg(number > at_least, "only %lu calls were refused", number - 1);
	lib_machine_gone();
}

START_TEST(each_mapping_fails_once)
{
	one_after_the_other(MMAP, _i == 1, 1);
}
END_TEST

START_TEST(each_commit_fails_once)
{
	one_after_the_other(MPROTECT, _i == 1, 2);
}
END_TEST

START_TEST(each_madvise_fails_once)
{
	one_after_the_other(MADVISE, _i == 1, 10);
}
END_TEST

/* Without a range the engine has nothing, and malloc serves all there is, until it fails, too. */
START_TEST(each_allocation_of_malloc_fails_once)
{
	arm(MMAP, 1, true);
	engine_get();
	faults.is_on = false;
	ck_assert_uint_eq(range.bytes, 0);
	work_steps = 400;
	one_after_the_other(ALLOCATION, _i == 1, 100);
}
END_TEST

START_TEST(an_engine_that_finds_no_address_space_leaves_all_to_malloc)
{
	struct weir_pool_config c = config();
	struct weir_pool_errors errors;
	struct weir_pool *mine;

	arm(MMAP, 1, true);
	engine_get();
	faults.is_on = false;
	ck_assert_uint_eq(range.bytes, 0);
	ck_assert_int_eq(weir_pool_create(&mine, &c), WEIR_OK);
	work(mine, 5, work_steps);
	weir_pool_errors(mine, &errors);
	ck_assert_uint_gt(errors.engine_exhausted, 0);
	ck_assert_uint_eq(errors.no_memory, 0);
	release_all(mine);
	ck_assert_int_eq((int)weir_pool_destroy(mine), 0);
}
END_TEST

START_TEST(with_no_memory_at_all_a_request_is_refused_and_later_ones_are_not)
{
	struct weir_pool *mine = lib_pool(NULL);
	struct weir_pool_errors errors;
	struct weir_buffer buffer;

	faults.is_on = true;
	faults.is_for_good = true;
	for (unsigned kind = 0; kind < KINDS; kind++)
		faults.refuse[kind] = 1;
	ck_assert_int_eq(weir_pool_allocate(mine, 4096, &buffer), WEIR_ERROR_NO_MEMORY);
	ck_assert_uint_eq(buffer.id, 0);
	faults.is_on = false;
	weir_pool_errors(mine, &errors);
	ck_assert_uint_eq(errors.no_memory, 1);
	buffer = lib_take(mine, 4096);
	/* The limit knows nothing of the one that was refused. */
	for (unsigned i = 1; i < 50; i++)
		lib_take(mine, 4096);
	ck_assert_uint_eq(lib_metrics(mine).buffer_count, 50);
	ck_assert_uint_eq(lib_metrics(mine).temporary_in_use, 0);
	ck_assert_int_eq(weir_pool_release(mine, buffer.id), WEIR_OK);
	weir_pool_destroy(mine);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, each_mapping_fails_once, 0, 2);
	tcase_add_loop_test(tests, each_commit_fails_once, 0, 2);
	tcase_add_loop_test(tests, each_madvise_fails_once, 0, 2);
	tcase_add_loop_test(tests, each_allocation_of_malloc_fails_once, 0, 2);
	tcase_add_test(tests, an_engine_that_finds_no_address_space_leaves_all_to_malloc);
	tcase_add_test(tests, with_no_memory_at_all_a_request_is_refused_and_later_ones_are_not);
}

int main(void)
{
	setenv("WEIR_LOG", "off", 1);
	return run_suite("lib_faults", add_tests);
}
