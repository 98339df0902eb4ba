/*
 * test_range.c -- the range: reserved whole or halved, committed piece by piece, owned by arenas.
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_suite.h"
#include "tests/common/engine.h"

static void start(size_t bytes)
{
	ck_assert(engine_start(3, bytes));
}

START_TEST(a_range_is_as_long_as_wanted_and_aligned_to_chunks)
{
	start(128 * MIB);
	ck_assert_uint_eq(range.bytes, 128 * MIB);
	ck_assert_uint_eq(range.base % ((uintptr_t)1 << CHUNK_SHIFT), 0);
	ck_assert_uint_eq(range_committed(), 0);
	/* What is only reserved is no buffer, and can be asked about. */
	ck_assert(pool_contains((void *)range.base));
	ck_assert(pool_contains((char *)range.base + range.bytes - 1));
	ck_assert(!pool_contains((char *)range.base + range.bytes));
	ck_assert(!pool_contains((char *)range.base - 1));
	ck_assert(!pool_is_buffer((char *)range.base + 64 * MIB));
	engine_stop();
}
END_TEST

START_TEST(chunks_come_from_the_low_end_and_belong_to_who_asked)
{
	static const unsigned owners[] = {0, 2, 1, 1, 0};
	uint32_t expected = 1, got;
	start(128 * MIB);
	for (unsigned i = 0; i < ARRAY_LENGTH(owners); i++) {
		uint32_t first = range_extend(owners[i], 1, 0, &got);
		ck_assert_uint_eq(first, expected);
		ck_assert_uint_eq(got, i == 0 ? CHUNK_PAGES - 1 : CHUNK_PAGES);
		expected = first + got;
		ck_assert_uint_eq(range_committed(), expected);
		for (uint32_t page = first; page < first + got; page++) {
			ck_assert_uint_eq(page_owner(page), owners[i]);
			ck_assert_int_eq(run_at(page)->state, RUN_NONE);
			ck_assert_uint_eq(hot_count(page, 1), 0);
		}
		/* Usable to the last byte, and zero. */
		char *bytes = page_address(first);
		ck_assert(bytes[0] == 0 && bytes[(size_t)got * PAGE_BYTES - 1] == 0);
		bytes[0] = bytes[(size_t)got * PAGE_BYTES - 1] = 1;
	}
	engine_stop();
}
END_TEST

START_TEST(an_arena_is_given_as_much_again_as_it_has_up_to_a_bound)
{
	static const struct {
		uint32_t has, gets; /* chunks */
	} cases[] = {{0, 1}, {1, 1}, {2, 2}, {7, 7}, {16, 16}, {100, 16}};
	uint32_t got, first;
	start(512 * MIB);
	ck_assert_uint_ne(range_extend(0, 1, 0, &got), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		first = range_extend(1, 1, cases[i].has * CHUNK_PAGES, &got);
		ck_assert_uint_ne(first, 0);
		ck_assert_uint_eq(got, cases[i].gets * CHUNK_PAGES);
		ck_assert_uint_eq(page_owner(first + got - 1), 1);
	}
	engine_stop();
}
END_TEST

START_TEST(at_least_what_is_asked_for_is_committed_in_one_piece)
{
	uint32_t got, first;
	start(256 * MIB);
	first = range_extend(1, CHUNK_PAGES, 0, &got); /* page 0 is lost, so one chunk is not enough */
	ck_assert_uint_eq(first, 1);
	ck_assert_uint_eq(got, 2 * CHUNK_PAGES - 1);
	first = range_extend(2, 5 * CHUNK_PAGES + 1, 0, &got);
	ck_assert_uint_eq(first, 2 * CHUNK_PAGES);
	ck_assert_uint_eq(got, 6 * CHUNK_PAGES);
	for (uint32_t page = first; page < first + got; page++)
		ck_assert_uint_eq(page_owner(page), 2);
	engine_stop();
}
END_TEST

START_TEST(extensions_grow_with_the_arena_and_the_range_is_used_to_its_end)
{
	uint32_t got, first, next = 1, largest = 0;
	start(2 * GIB);
	while ((first = range_extend(0, 1, next, &got)) != 0) {
		ck_assert_uint_eq(first, next);
		next = first + got;
		largest = MAX(largest, got);
	}
	ck_assert_uint_eq(next, range.bytes >> PAGE_SHIFT);
	ck_assert_uint_eq(range_committed(), next);
	ck_assert_uint_eq(largest, 16 * CHUNK_PAGES);
	ck_assert_uint_eq(range_extend(1, 1, 0, &got), 0);
	engine_stop();
}
END_TEST

START_TEST(a_piece_that_is_too_long_leaves_what_is_left_to_others)
{
	uint32_t got;
	start(32 * MIB);
	ck_assert_uint_ne(range_extend(0, 6 * CHUNK_PAGES, 0, &got), 0);
	ck_assert_uint_eq(range_committed(), 7 * CHUNK_PAGES);
	ck_assert_uint_eq(range_extend(0, CHUNK_PAGES + 1, 0, &got), 0);
	ck_assert_uint_eq(range_extend(0, UINT32_MAX / 2, 0, &got), 0);
	ck_assert_uint_eq(range_committed(), 7 * CHUNK_PAGES);
	ck_assert_uint_eq(range_extend(1, CHUNK_PAGES, 0, &got), 7 * CHUNK_PAGES);
	ck_assert_uint_eq(range_extend(1, 1, 0, &got), 0);
	ck_assert_uint_eq(range.lock.word, 0);
	engine_stop();
}
END_TEST

START_TEST(a_pointer_to_what_is_not_committed_meets_no_buffer_and_no_fault)
{
	uint32_t got;
	start(64 * MIB);
	ck_assert_uint_ne(range_extend(0, 1, 0, &got), 0);
	ck_assert_uint_eq(range.fast_bytes, range.bytes);
	for (uint32_t page = 0; page < range.bytes >> PAGE_SHIFT; page++)
		ck_need(run_at(page)->state == RUN_NONE);
	engine_stop();
}
END_TEST

START_TEST(where_free_has_more_to_do_no_pointer_takes_the_fast_path)
{
	struct settings settings;
	settings_default(&settings);
	settings.zero_on_free = true;
	ck_assert(engine_pool(&settings));
	ck_assert_uint_eq(range.fast_bytes, 0);
	ck_assert_ptr_nonnull(pool_malloc(100000));
	ck_assert_uint_eq(range.fast_bytes, 0);
	engine_stop();
}
END_TEST

/* What is mapped of us, from /proc: in bytes. */
static uint64_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file == NULL || fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

START_TEST(what_nobody_used_can_be_given_back_and_what_is_used_stays)
{
	uint64_t before = address_space();
	uint32_t got, first;
	char *bytes;
	start(2 * GIB);
	first = range_extend(1, 3 * CHUNK_PAGES, 0, &got);
	bytes = page_address(first);
	bytes[0] = bytes[(size_t)got * PAGE_BYTES - 1] = 1;
	range_cut(100 * MIB);
	ck_assert_uint_eq(range.bytes, 100 * MIB);
	ck_assert_uint_eq(range.fast_bytes, 100 * MIB);
	ck_assert(!pool_contains((char *)range.base + 100 * MIB));
	ck_assert_uint_le(address_space() - before, 150 * MIB);
	/* Less than is used: just that. */
	range_cut(0);
	ck_assert_uint_eq(range.bytes, (size_t)range_committed() << PAGE_SHIFT);
	ck_assert(bytes[0] == 1 && bytes[(size_t)got * PAGE_BYTES - 1] == 1);
	ck_assert_int_eq(run_at(first + got - 1)->state, RUN_NONE);
	ck_assert_uint_eq(range_extend(0, 1, 0, &got), 0);
	/* It never grows. */
	range_cut(GIB);
	ck_assert_uint_eq(range.bytes, (size_t)range_committed() << PAGE_SHIFT);
	engine_stop();
}
END_TEST

/* Whether RLIMIT_AS works: not under qemu-user. */
static bool is_address_space_limited(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct rlimit limit = {address_space() + 64 * MIB, RLIM_INFINITY};
		setrlimit(RLIMIT_AS, &limit);
		_exit(sys_reserve(32 * MIB) != NULL && sys_reserve(128 * MIB) == NULL ? 42 : 0);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

/* 42: as expected; run in a child, whose address space is limited to so much more than it has. */
static int under_limit(uint64_t more, size_t wanted, size_t least, size_t most)
{
	struct rlimit limit = {address_space() + more, RLIM_INFINITY};
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return 1;
	bool is_there = engine_start(1, wanted);
	if (least == 0)
		return is_there || range.bytes != 0 || pool_contains(&limit) ? 2 : 42;
	if (!is_there || range.bytes < least || range.bytes > most)
		return 3;
	/* All of it can be used: tables and pages are part of what was reserved. */
	uint32_t got, first;
	while ((first = range_extend(0, 1, 0, &got)) != 0)
		memset(page_address(first), 1, PAGE_BYTES);
	return range_committed() == range.bytes >> PAGE_SHIFT ? 42 : 4;
}

static const struct {
	uint64_t more;
	size_t wanted, least, most;
} limits[] = {
    {300 * MIB, 4 * GIB, 128 * MIB, 256 * MIB},
    {100 * MIB, (size_t)1 << 42, 64 * MIB, 64 * MIB},
    {50 * MIB, GIB, 32 * MIB, 32 * MIB},
    {30 * MIB, GIB, 0, 0},
    {2 * GIB, 512 * MIB, 512 * MIB, 512 * MIB},
};

START_TEST(a_cut_does_not_wait_for_a_holder_that_is_gone)
{
	start(128 * MIB);
	/* As in a child of _Fork() whose parent was extending the range. */
	lock_acquire(&range.lock);
	range_cut(32 * MIB);
	ck_assert_uint_eq(range.bytes, 128 * MIB);
	lock_release(&range.lock);
	range_cut(32 * MIB);
	ck_assert_uint_eq(range.bytes, 32 * MIB);
	engine_stop();
}
END_TEST

START_TEST(where_address_space_is_short_the_range_is_halved_until_it_fits)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(under_limit(limits[_i].more, limits[_i].wanted, limits[_i].least, limits[_i].most));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x", status);
}
END_TEST

START_TEST(a_pool_leaves_most_of_a_tight_address_space_to_the_program)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = {address_space() + 400 * MIB, RLIM_INFINITY};
		struct settings settings;
		settings_default(&settings);
		setrlimit(RLIMIT_AS, &limit);
		if (!engine_pool(&settings) || range.bytes < 32 * MIB || range.bytes > 64 * MIB)
			_exit(1);
		if (pool_malloc(100000) == NULL || malloc(200 * MIB) == NULL)
			_exit(2);
		_exit(42);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x", status);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, a_range_is_as_long_as_wanted_and_aligned_to_chunks);
	tcase_add_test(tests, chunks_come_from_the_low_end_and_belong_to_who_asked);
	tcase_add_test(tests, an_arena_is_given_as_much_again_as_it_has_up_to_a_bound);
	tcase_add_test(tests, at_least_what_is_asked_for_is_committed_in_one_piece);
	tcase_add_test(tests, extensions_grow_with_the_arena_and_the_range_is_used_to_its_end);
	tcase_add_test(tests, a_piece_that_is_too_long_leaves_what_is_left_to_others);
	tcase_add_test(tests, what_nobody_used_can_be_given_back_and_what_is_used_stays);
	tcase_add_test(tests, a_cut_does_not_wait_for_a_holder_that_is_gone);
	tcase_add_test(tests, a_pointer_to_what_is_not_committed_meets_no_buffer_and_no_fault);
	tcase_add_test(tests, where_free_has_more_to_do_no_pointer_takes_the_fast_path);
	if (!is_address_space_limited())
		return;
	tcase_add_loop_test(
	    tests, where_address_space_is_short_the_range_is_halved_until_it_fits, 0, ARRAY_LENGTH(limits));
	if (address_space() < GIB) /* a sanitizer's shadow makes any limit a wide one */
		tcase_add_test(tests, a_pool_leaves_most_of_a_tight_address_space_to_the_program);
}

int main(void)
{
	return run_suite("range", add_tests);
}
