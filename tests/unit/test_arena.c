/*
 * test_arena.c -- the heap: what is taken is whole and apart, what is given joins,
 * what is purged is really zero.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/purge.h"
#include "heap.h"
#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

static bool is_zero(uint32_t page, uint32_t pages)
{
	const uint64_t *words = page_address(page);
	for (size_t i = 0; i < pages * PAGE_BYTES / 8; i++)
		if (words[i] != 0)
			return false;
	return true;
}

START_TEST(what_is_taken_is_idle_of_its_class_and_counted)
{
	static const unsigned classes[] = {0, 3, 8, 14, 16, CLASS_64K, 64, SIZE_CLASSES - 1};
	uint32_t pages[8], serial = 0;
	start(1);
	for (unsigned i = 0; i < ARRAY_LENGTH(classes); i++) {
		uint64_t out = arenas.at[0].out_pages;
		unsigned count = arenas_take(classes[i], 3, 77, pages, &change);
		/* The range is extended for one; what then is left over may not be enough for three. */
		ck_assert_uint_ge(count, size_class_bytes(classes[i]) < MIB ? 3 : 1);
		ck_assert_uint_eq(change.out_pages, arenas.at[0].out_pages - out);
		for (unsigned k = 0; k < count; k++) {
			const struct run *run = run_at(pages[k]);
			ck_assert_int_eq(run->state, RUN_IDLE);
			ck_assert_uint_eq(run->size_class, classes[i]);
			ck_assert_uint_eq(run->buffer.use_count, 0);
			ck_assert_uint_eq(run->buffer.created, 77);
			/* The odd ones are for what is cut from leases. */
			ck_assert_uint_eq(run->buffer.serial & ~BUFFER_FLAGS, serial += 2);
			/* Never touched, so it is cold; but slots share pages. */
			ck_assert_int_eq(
			    (run->buffer.serial & BUFFER_WAS_COLD) != 0, !size_class_is_slab(classes[i]));
		}
		ck_engine_is_whole(0);
		out = arenas.at[0].out_pages;
		arenas_give(pages, count, 78, &change);
		ck_assert_uint_eq(change.out_pages, out - arenas.at[0].out_pages);
		ck_engine_is_whole(0);
		purge_oldest(0, 0, 78); /* so that the next are cold again */
	}
	ck_assert_uint_eq(arenas.at[0].out_pages, 0);
	ck_assert_uint_eq(arenas.at[0].creations * 2, serial);
	engine_stop();
}
END_TEST

START_TEST(resident_runs_go_before_untouched_ones_and_batches_stay_warm)
{
	uint32_t warm[2], pages[8], wall;
	start(1);
	warm[0] = take(CLASS_64K, 1);
	wall = take(CLASS_64K, 1);
	warm[1] = take(CLASS_64K, 1);
	take(CLASS_64K, 1);
	ck_assert(change.fresh_pages != 0);
	give(warm[0], 2);
	give(warm[1], 2);
	/* Two of eight are warm: no cold one comes along. */
	ck_assert_uint_eq(arenas_take(CLASS_64K, 8, 3, pages, &change), 2);
	ck_assert(change.fresh_pages == 0);
	ck_assert(pages[0] == warm[0] || pages[0] == warm[1]);
	ck_assert(pages[1] == warm[0] || pages[1] == warm[1]);
	ck_assert_uint_eq(run_at(pages[0])->buffer.serial & BUFFER_WAS_COLD, 0);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 8, 3, pages, &change), 8);
	ck_assert(change.fresh_pages != 0);
	ck_assert_uint_ne(wall, 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(uses_of_buffers_that_are_gone_are_not_forgotten)
{
	uint32_t a, b;
	start(1);
	a = take(CLASS_64K, 1);
	b = take(5, 1);
	run_at(a)->buffer.use_count = 41;
	run_at(b)->buffer.use_count = 1;
	give(a, 2);
	give(b, 2);
	ck_assert_uint_eq(arenas.at[0].retired_uses[CLASS_64K], 41);
	ck_assert_uint_eq(arenas.at[0].retired_uses[5], 1);
	engine_stop();
}
END_TEST

START_TEST(exact_runs_are_aligned_and_what_is_cut_off_stays_free_and_cold)
{
	static const uint32_t alignments[] = {1, 2, 8, 64, 512, 1024, 4096};
	start(1);
	give(take(CLASS_64K, 1), 1); /* some warm pages at the front */
	for (unsigned i = 0; i < ARRAY_LENGTH(alignments); i++)
		for (uint32_t pages = 1; pages <= 300; pages += 37) {
			uint64_t out = arenas.at[0].out_pages;
			uint32_t page = arenas_take_exact(pages, alignments[i], 1);
			ck_assert_uint_ne(page, 0);
			ck_assert_uint_eq((uintptr_t)page_address(page) % (alignments[i] * PAGE_BYTES), 0);
			ck_assert_uint_eq(run_at(page)->pages, pages);
			ck_assert_int_eq(run_at(page)->state, RUN_IDLE);
			ck_assert_uint_eq(arenas.at[0].out_pages, out + pages);
			ck_engine_is_whole(0);
			/* Of the pages that never were handed out, none is marked. */
			ck_assert_uint_le(arenas.at[0].runs.hot_pages, PAGES_64K);
			if (pages % 2 == 0) {
				run_at(page)->state = RUN_IN_USE;
				continue;
			}
			/* Back as it was: it was never touched, yet counts as warm; so purge it. */
			give(page, 1);
			purge_oldest(0, 0, 1);
			ck_engine_is_whole(0);
		}
	engine_stop();
}
END_TEST

START_TEST(a_run_grows_into_its_free_neighbour_and_no_further)
{
	uint32_t a, b, c;
	start(1);
	a = take(CLASS_64K, 1);
	b = take(CLASS_64K, 1);
	c = take(CLASS_64K, 1);
	ck_assert(b == a + PAGES_64K && c == b + PAGES_64K);
	run_at(a)->state = RUN_IN_USE;
	ck_assert_uint_eq(arenas_extend(a, PAGES_64K + 1, PAGES_64K + 4), 0);
	give(b, 2);
	ck_assert_uint_eq(arenas_extend(a, 2 * PAGES_64K + 1, 3 * PAGES_64K), 0);
	ck_assert_uint_eq(run_at(a)->pages, PAGES_64K);
	ck_assert_uint_eq(arenas_extend(a, PAGES_64K + 1, PAGES_64K + 4), PAGES_64K + 4);
	ck_engine_is_whole(0);
	/* More is wished for than there is, but enough is. */
	ck_assert_uint_eq(arenas_extend(a, PAGES_64K + 5, 4 * PAGES_64K), 2 * PAGES_64K);
	ck_assert_uint_eq(run_at(a)->pages, 2 * PAGES_64K);
	ck_assert_uint_eq(arenas.at[0].out_pages, 3 * PAGES_64K);
	ck_engine_is_whole(0);
	arenas_trim(a, 3, 9);
	ck_assert_uint_eq(run_at(a)->pages, 3);
	run_at(a)->size_class = (uint8_t)size_class_within(3);
	ck_assert_uint_eq(arenas.at[0].out_pages, PAGES_64K + 3);
	ck_assert_uint_eq(runs_free_length(&arenas.at[0].runs, a + 3), 2 * PAGES_64K - 3);
	ck_assert_uint_eq(run_at(a + 3)->free.freed, 9);
	ck_engine_is_whole(0);
	/* The last run before the frontier has no neighbour. */
	uint32_t last = arenas_take_exact(arenas.at[0].runs.free_pages - (2 * PAGES_64K - 3), 1, 1);
	ck_assert_uint_eq(last + run_at(last)->pages, range_committed());
	ck_assert_uint_eq(arenas_extend(last, run_at(last)->pages + 1, run_at(last)->pages + 9), 0);
	engine_stop();
}
END_TEST

START_TEST(what_is_purged_is_zero_and_what_is_held_is_not_touched)
{
	uint32_t pages[40];
	uint64_t purged;
	start(1);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 40, 1, pages, &change), 40);
	for (unsigned i = 0; i < 40; i++)
		pattern_fill(page_address(pages[i]), 64 * KIB, i, PATTERN_DENSE);
	for (unsigned i = 0; i < 40; i++)
		if (i % 4 != 0)
			give(pages[i], 10 + i);
	purged = purge_oldest(UINT64_MAX, UINT32_MAX / 4, 100);
	ck_assert_uint_eq(purged, 30 * PAGES_64K);
	ck_assert_uint_eq(arenas.at[0].purged_pages, purged);
	ck_assert_uint_eq(arenas.at[0].runs.hot_pages, 0);
	ck_engine_is_whole(0);
	for (unsigned i = 0; i < 40; i++) {
		unsigned char resident[PAGES_64K];
		if (i % 4 == 0) {
			ck_assert_uint_eq(
			    pattern_check(page_address(pages[i]), 64 * KIB, i, PATTERN_DENSE), PATTERN_OK);
			continue;
		}
		ck_assert_int_eq(mincore(page_address(pages[i]), 64 * KIB, resident), 0);
		for (unsigned k = 0; k < PAGES_64K; k++)
			ck_need((resident[k] & 1) == 0);
		ck_assert(is_zero(pages[i], PAGES_64K));
	}
	/* Taken again, it says that it is zero. */
	uint32_t again = take(CLASS_64K, 200);
	ck_assert_uint_ne(run_at(again)->buffer.serial & BUFFER_WAS_COLD, 0);
	ck_assert(is_zero(again, PAGES_64K));
	engine_stop();
}
END_TEST

/* Five runs of 64 KiB with walls between, freed at 10, 20 ... 50; the walls stay. */
static void five_runs(uint32_t *pages)
{
	uint32_t all[10];
	start(1);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 10, 1, all, &change), 10);
	for (uint32_t i = 0; i < 5; i++)
		pages[i] = all[2 * i];
	for (uint32_t i = 0; i < 5; i++)
		give(pages[i], 10 * (i + 1));
}

START_TEST(the_longest_idle_goes_first_and_only_the_surplus)
{
	uint32_t pages[5];
	five_runs(pages);
	ck_assert_uint_eq(purge_oldest(2 * PAGES_64K, UINT32_MAX / 4, 60), 2 * PAGES_64K);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(hot_count(pages[i], PAGES_64K), i < 2 ? 0 : PAGES_64K);
	/* Half a run: its end. What stays is still the oldest. */
	ck_assert_uint_eq(purge_oldest(6, UINT32_MAX / 4, 60), 6);
	ck_assert_uint_eq(hot_count(pages[2], 10), 10);
	ck_assert_uint_eq(hot_count(pages[2] + 10, 6), 0);
	ck_assert_uint_eq(run_at(pages[2])->free.freed, 30);
	ck_engine_is_whole(0);
	ck_assert_uint_eq(purge_oldest(0, UINT32_MAX / 4, 60), 0);
	engine_stop();
}
END_TEST

START_TEST(of_a_run_that_is_partly_cold_no_more_goes_than_the_surplus)
{
	uint32_t page;
	start(1);
	page = arenas_take_exact(500, 1, 1);
	ck_assert_uint_eq(page, 1);
	give(page, 2); /* joins the rest of the chunk, which was never touched */
	ck_assert_uint_eq(runs_free_length(&arenas.at[0].runs, 1), CHUNK_PAGES - 1);
	ck_assert_uint_eq(purge_oldest(1, UINT32_MAX / 4, 3), 1);
	ck_assert_uint_eq(purge_oldest(130, UINT32_MAX / 4, 3), 130);
	ck_assert_uint_eq(arenas.at[0].runs.hot_pages, 369);
	/* Requests take the front, so that is what stays. */
	ck_assert_uint_eq(hot_count(1, 369), 369);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(a_surplus_that_comes_in_parts_goes_from_the_end_of_what_is_resident)
{
	uint32_t page, left = 512;
	start(1);
	page = take(size_class_of(left * PAGE_BYTES), 0);
	give(page, 0);
	for (; left > 12; left -= 100) {
		ck_assert_uint_eq(purge_oldest(100, UINT32_MAX / 4, 0), 100);
		ck_assert_uint_eq(arenas_hot_pages(), left - 100);
		ck_assert_uint_eq(hot_count(page, left - 100), left - 100);
	}
	ck_assert_uint_eq(purge_oldest(100, UINT32_MAX / 4, 0), 12);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	engine_stop();
}
END_TEST

START_TEST(without_a_surplus_only_what_is_old_goes)
{
	start(1);
	give(take(size_class_of(512 * PAGE_BYTES), 0), 0);
	ck_assert_uint_eq(purge_oldest(0, 50, 49), 0);
	ck_assert_uint_eq(purge_oldest(0, 50, 50), 512);
	ck_assert_uint_eq(purge_oldest(0, 50, 51), 0);
	engine_stop();
}
END_TEST

START_TEST(what_was_idle_for_long_goes_wanted_or_not)
{
	uint32_t pages[5];
	five_runs(pages);
	/* At 60, so those of 10, 20 and 30 have been idle for 30 and more. */
	ck_assert_uint_eq(purge_oldest(0, 30, 60), 3 * PAGES_64K);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(hot_count(pages[i], PAGES_64K), i < 3 ? 0 : PAGES_64K);
	ck_assert_uint_eq(purge_oldest(0, 30, 69), 0);
	ck_assert_uint_eq(purge_oldest(0, 30, 70), PAGES_64K);
	ck_assert_uint_eq(purge_oldest(0, 0, 70), PAGES_64K);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(ages_hold_when_the_clock_comes_round)
{
	uint32_t page;
	start(1);
	page = take(CLASS_64K, UINT32_MAX - 5);
	give(page, UINT32_MAX - 5);
	ck_assert_uint_eq(purge_oldest(0, 30, 10), 0);
	ck_assert_uint_eq(purge_oldest(0, 30, 24), PAGES_64K);
	engine_stop();
}
END_TEST

/* The kernel does not purge what is locked. The sanitizers' mlock does nothing. */
static bool lock_pages(uint32_t page, uint32_t pages)
{
	return syscall(SYS_mlock, page_address(page), pages * PAGE_BYTES) == 0;
}

static void unlock_pages(uint32_t page, uint32_t pages)
{
	syscall(SYS_munlock, page_address(page), pages * PAGE_BYTES);
}

START_TEST(a_freed_run_that_is_locked_stays_and_all_others_go)
{
	uint32_t pages[5];
	five_runs(pages);
	pattern_fill(page_address(pages[0]), 64 * KIB, 5, PATTERN_DENSE);
	if (!lock_pages(pages[0], PAGES_64K)) {
		engine_stop();
		return; /* RLIMIT_MEMLOCK is too small here to have it refused */
	}
	ck_assert_uint_eq(purge_oldest(UINT64_MAX, 0, 60), 4 * PAGES_64K);
	ck_assert_uint_eq(arenas.at[0].purges_refused, 1);
	ck_assert(!arenas.is_purge_refused);
	ck_assert_uint_eq(arenas.at[0].runs.hot_pages, PAGES_64K);
	ck_assert_uint_eq(pattern_check(page_address(pages[0]), 64 * KIB, 5, PATTERN_DENSE), PATTERN_OK);
	/* It counts as freed when that was tried, and so is not at once tried again. */
	ck_assert_uint_eq(purge_oldest(0, 30, 89), 0);
	ck_assert_uint_eq(arenas.at[0].purges_refused, 1);
	ck_engine_is_whole(0);
	unlock_pages(pages[0], PAGES_64K);
	ck_assert_uint_eq(purge_oldest(0, 30, 90), PAGES_64K);
	ck_assert(is_zero(pages[0], PAGES_64K));
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

START_TEST(of_a_long_run_only_what_lies_about_locked_pages_stays)
{
	uint32_t page, pages = 4096, locked = 1000, hot;
	start(1);
	page = arenas_take_exact(pages, 1, 1);
	memset(page_address(page), 0x5a, pages * PAGE_BYTES);
	if (!lock_pages(page + locked, 4)) {
		engine_stop();
		return;
	}
	give(page, 2);
	ck_assert_uint_ge(purge_oldest(UINT64_MAX, 0, 60), pages - 64);
	hot = hot_count(page, pages);
	ck_assert_uint_ge(hot, 4);
	ck_assert_uint_le(hot, 64);
	ck_assert_uint_eq(hot_count(page + locked, 4), 4);
	ck_assert_uint_eq(arenas.at[0].runs.hot_pages, hot);
	for (uint32_t i = 0; i < pages; i++)
		if (hot_count(page + i, 1) == 0)
			ck_need(is_zero(page + i, 1));
	ck_engine_is_whole(0);
	unlock_pages(page + locked, 4);
	engine_stop();
}
END_TEST

START_TEST(where_all_is_locked_purging_rests_until_the_next_collection)
{
	uint32_t all[40];
	start(1);
	/* Walls between them, which nobody frees. */
	for (unsigned i = 0; i < ARRAY_LENGTH(all); i++)
		all[i] = take(CLASS_64K, 1);
	if (!lock_pages(1, CHUNK_PAGES - 1)) {
		engine_stop();
		return;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(all); i += 2)
		give(all[i], 2);
	ck_assert_uint_eq(purge_oldest(UINT64_MAX, 0, 60), 0);
	ck_assert_uint_eq(arenas.at[0].purges_refused, 16);
	ck_assert_uint_eq(purge_oldest(UINT64_MAX, 0, 61), 0);
	ck_assert_uint_eq(arenas.at[0].purges_refused, 16);
	unlock_pages(1, CHUNK_PAGES - 1);
	purge_try_again();
	ck_assert_uint_eq(purge_oldest(UINT64_MAX, 0, 62), 20 * PAGES_64K);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

/* A seccomp filter, say: in a child, which it stays on. */
START_TEST(a_purge_that_is_not_allowed_is_not_tried_again)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {ARRAY_LENGTH(code), code};
	uint32_t pages[5];
	int status = -1;
	five_runs(pages);
	pid_t child = fork();
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 ||
		    madvise(page_address(pages[0]), PAGE_BYTES, MADV_NORMAL) == 0)
			_exit(77); /* qemu-user has no filters */
		bool is_once = purge_oldest(UINT64_MAX, 0, 60) == 0 && arenas.at[0].purges_refused == 1 &&
			       arenas.is_purge_refused;
		purge_try_again();
		bool is_for_good = purge_oldest(UINT64_MAX, 0, 60) == 0 && arenas.at[0].purges_refused == 1 &&
				   arenas.at[0].runs.hot_pages == 5 * PAGES_64K;
		_exit(is_once && is_for_good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77),
	    "status %d", status);
	engine_stop();
}
END_TEST

START_TEST(a_range_that_is_used_up_says_so_and_recovers)
{
	uint32_t *pages = calloc(8192, sizeof(*pages)), got[4];
	unsigned count = 0, n;
	ck_assert(engine_start(2, 32 * MIB));
	while ((n = arenas_take(CLASS_64K, 4, 1, got, &change)) != 0)
		for (unsigned i = 0; i < n; i++)
			pages[count++] = got[i];
	ck_assert_uint_eq(change.out_pages, 0);
	ck_assert_uint_eq(range_committed(), 32 * MIB >> PAGE_SHIFT);
	ck_assert_uint_ge(count, 32 * MIB / (64 * KIB) - 8);
	ck_assert_uint_eq(arenas_take_exact(PAGES_64K + 20, 1, 1), 0);
	ck_engine_is_whole(0);
	arenas_give(pages, count, 2, &change);
	ck_assert_uint_eq(engine_out_pages(), 0);
	ck_engine_is_whole(0);
	ck_assert_uint_ne(take(SIZE_CLASSES - 25, 3), 0); /* 8 MiB: it has joined again */
	free(pages);
	engine_stop();
}
END_TEST

static struct purge_hand hand;

static uint64_t hand_purge(uint64_t pages, uint32_t now)
{
	purge_begin(&hand, pages, UINT32_MAX);
	return purge_piece(&hand, pages, UINT32_MAX, now);
}

START_TEST(some_pages_are_purged_wherever_they_are)
{
	uint32_t pages[4];
	start(2);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 2, 1, pages, &change), 2);
	arenas_settle(1);
	ck_assert_uint_eq(arenas_take(CLASS_64K, 2, 1, pages + 2, &change), 2);
	arenas_give(pages, 4, 2, &change);
	ck_assert_uint_eq(arenas_hot_pages(), 4 * PAGES_64K);
	hand_purge(3 * PAGES_64K, 2);
	ck_assert_uint_eq(arenas_hot_pages(), PAGES_64K);
	hand_purge(100 * PAGES_64K, 2);
	ck_assert_uint_eq(arenas_hot_pages(), 0);
	ck_engine_is_whole(0);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_is_taken_is_idle_of_its_class_and_counted);
	tcase_add_test(tests, resident_runs_go_before_untouched_ones_and_batches_stay_warm);
	tcase_add_test(tests, uses_of_buffers_that_are_gone_are_not_forgotten);
	tcase_add_test(tests, exact_runs_are_aligned_and_what_is_cut_off_stays_free_and_cold);
	tcase_add_test(tests, a_run_grows_into_its_free_neighbour_and_no_further);
	tcase_add_test(tests, what_is_purged_is_zero_and_what_is_held_is_not_touched);
	tcase_add_test(tests, the_longest_idle_goes_first_and_only_the_surplus);
	tcase_add_test(tests, of_a_run_that_is_partly_cold_no_more_goes_than_the_surplus);
	tcase_add_test(tests, a_surplus_that_comes_in_parts_goes_from_the_end_of_what_is_resident);
	tcase_add_test(tests, without_a_surplus_only_what_is_old_goes);
	tcase_add_test(tests, what_was_idle_for_long_goes_wanted_or_not);
	tcase_add_test(tests, ages_hold_when_the_clock_comes_round);
	tcase_add_test(tests, a_freed_run_that_is_locked_stays_and_all_others_go);
	tcase_add_test(tests, of_a_long_run_only_what_lies_about_locked_pages_stays);
	tcase_add_test(tests, where_all_is_locked_purging_rests_until_the_next_collection);
	tcase_add_test(tests, a_purge_that_is_not_allowed_is_not_tried_again);
	tcase_add_test(tests, a_range_that_is_used_up_says_so_and_recovers);
	tcase_add_test(tests, some_pages_are_purged_wherever_they_are);
}

int main(void)
{
	return run_suite("arena", add_tests);
}
