/*
 * test_headroom.c -- what is given back while memory is taken: the plan by facts, and looks of a real pool at the
 * files of a cgroup that the test writes. Nothing sleeps; the limits are of no real cgroup.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/headroom.h"
#include "pool/purge.h"
#include "pool/reclaim.h"
#include "run_suite.h"
#include "tests/common/engine.h"

#define LIMIT ((uint64_t)256 * MIB)
#define RESERVE (LIMIT / 8)

static struct headroom_plan plan_of(uint64_t room, uint64_t promised, uint64_t idle)
{
	return headroom_plan(&(struct headroom_facts){
	    .room_bytes = room, .limit_bytes = LIMIT, .promised_bytes = promised, .idle_bytes = idle});
}

static const struct {
	uint64_t room, promised, idle, purge, missing, step;
} plans[] = {
    /* Where there is room, what idles stays; the next look is after a quarter of what is free. */
    {LIMIT, 0, 0, 0, 0, (LIMIT - RESERVE) / 4},
    {RESERVE + 100 * MIB, 0, 50 * MIB, 0, 0, 25 * MIB},
    /* It is at most half of what is free beyond the reserve, once it has gone. */
    {RESERVE + 100 * MIB, 0, 80 * MIB, 20 * MIB, 0, 25 * MIB},
    {RESERVE, 0, 30 * MIB, 20 * MIB, 0, RESERVE / 4},
    /* What was handed out and not written to will be missing. */
    {RESERVE + 100 * MIB, 30 * MIB, 50 * MIB, 10 * MIB, 0, 70 * MIB / 4},
    {RESERVE + 10 * MIB, 20 * MIB, 90 * MIB, 190 * MIB / 3, 10 * MIB, 0},
    /* Less than the reserve: all that is missing goes at least, if there is so much. */
    {RESERVE - 12 * MIB, 0, 13 * MIB, 38 * MIB / 3, 12 * MIB, 0},
    {RESERVE - 12 * MIB, 0, 9 * MIB, 9 * MIB, 12 * MIB, (RESERVE - 12 * MIB) / 4},
    {0, 0, 0, 0, RESERVE, MIB},
    {0, LIMIT, 1 * MIB, 1 * MIB, RESERVE, MIB},
};

START_TEST(the_plan_follows_from_the_facts)
{
	struct headroom_plan plan = plan_of(plans[_i].room, plans[_i].promised, plans[_i].idle);

	ck_assert_uint_eq(plan.purge_bytes, plans[_i].purge);
	ck_assert_uint_eq(plan.missing_bytes, plans[_i].missing);
	if (plans[_i].step != 0)
		ck_assert_uint_eq(plan.step_bytes, plans[_i].step);
}
END_TEST

START_TEST(less_room_never_keeps_more_and_looks_no_later)
{
	for (uint64_t idle = 0; idle <= LIMIT; idle += 16 * MIB) {
		struct headroom_plan last = plan_of(LIMIT, 0, idle);

		for (uint64_t room = LIMIT; room >= 8 * MIB; room -= 8 * MIB) {
			struct headroom_plan plan = plan_of(room, 0, idle);

			ck_need(plan.purge_bytes >= last.purge_bytes && plan.purge_bytes <= idle);
			ck_need(plan.missing_bytes != 0 || plan.step_bytes <= last.step_bytes);
			/* Before the next look the reserve is not used up. */
			ck_need(plan.missing_bytes != 0 || room <= RESERVE + RESERVE / 4 ||
				plan.step_bytes <= room - RESERVE);
			last = plan;
		}
	}
}
END_TEST

static const struct {
	uint64_t room, idle, wanted, purge;
	bool is_urgent;
} circulating[] = {
    /* What circulates is no surplus, whatever else is. */
    {RESERVE + 100 * MIB, 80 * MIB, 80 * MIB, 0, false},
    {RESERVE + 100 * MIB, 80 * MIB, 70 * MIB, 10 * MIB, false},
    {RESERVE - 12 * MIB, 20 * MIB, 20 * MIB, 0, false},
    {RESERVE - 12 * MIB, 20 * MIB, 15 * MIB, 5 * MIB, false},
    /* With a third of the reserve left, as much of it goes as is missing to that. */
    {RESERVE / 3 - 2 * MIB, 20 * MIB, 20 * MIB, 2 * MIB, true},
    {RESERVE / 3 - 2 * MIB, 20 * MIB, 15 * MIB, 5 * MIB, true},
    {0, 9 * MIB, 9 * MIB, 9 * MIB, true},
};

START_TEST(what_circulates_goes_last)
{
	struct headroom_plan plan = headroom_plan(&(struct headroom_facts){.room_bytes = circulating[_i].room,
	    .limit_bytes = LIMIT,
	    .idle_bytes = circulating[_i].idle,
	    .wanted_bytes = circulating[_i].wanted});

	ck_assert_uint_eq(plan.purge_bytes, circulating[_i].purge);
	ck_assert(plan.is_urgent == circulating[_i].is_urgent);
	/* Nobody passes the wall between two looks: there the third begins. */
	ck_assert_uint_le(
	    plan.wall_bytes + RESERVE / 3, MAX(circulating[_i].room + plan.purge_bytes, RESERVE / 3));
}
END_TEST

/* --- a pool in a cgroup that only says so ----------------------------------------- */

#define BUFFER ((size_t)64 * KIB)
#define BUFFERS 1024 /* 64 MiB */
/* What a drain brought out of the magazines after the last purge may be left, of 32 MiB: up to 4.5 if we ran on many CPUs. */
#define DRAINED (6 * MIB)

static char root[64];
static void *buffers[2 * BUFFERS];
static unsigned others_purged;

static void write_file(const char *name, const char *text)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* What others use of the cgroup's 256 MiB beside the pool's pages. */
static void others_use(uint64_t bytes)
{
	char text[40];

	snprintf(
	    text, sizeof(text), "%llu\n", (unsigned long long)(bytes + (arenas_held_pages() << PAGE_SHIFT)));
	write_file("/cg/memory.current", text);
}

/* The monitor has seen what others took at once; how far away the mark was depends on the CPUs we ran on. */
static void others_came(uint64_t bytes)
{
	others_use(bytes);
	headroom_look_soon();
}

static void purge_others(void)
{
	others_purged++;
}

static void begin(void)
{
	struct settings settings;

	settings_default(&settings);
	settings.pool_limit = GIB;
	strcpy(root, "/tmp/weir-headroom.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	write_file("/proc/self/cgroup", "0::/\n");
	write_file("/proc/self/mountinfo", "30 1 0:26 / /cg rw,nosuid - cgroup2 cgroup2 rw\n");
	write_file("/proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 33554432 kB\n");
	write_file("/cg/memory.max", "268435456\n");
	write_file("/cg/memory.high", "max\n");
	write_file("/cg/memory.stat", "inactive_file 0\n");
	ck_assert(engine_pool(&settings));
	pool.purge_others = purge_others;
	others_purged = 0;
	others_use(0);
	meminfo_root = root;
}

static void end(void)
{
	char command[100];

	meminfo_root = "";
	snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
	engine_stop();
}

/* 64 MiB, of which every second buffer is freed: what idles is of no use for larger requests. */
static void leave_holes(void)
{
	for (unsigned i = 0; i < BUFFERS; i++) {
		ck_need((buffers[i] = pool_malloc(BUFFER)) != NULL);
		others_use(0);
	}
	for (unsigned i = 0; i < BUFFERS; i += 2)
		ck_need(pool_free((uintptr_t)buffers[i] - range.base));
}

static uint64_t hot_bytes(void)
{
	return arenas_hot_pages() << PAGE_SHIFT;
}

START_TEST(with_room_nothing_goes)
{
	begin();
	leave_holes();
	for (unsigned i = 0; i < 256; i++) {
		ck_need(pool_malloc(4 * BUFFER) != NULL);
		others_use(0);
	}
	ck_assert_uint_ge(hot_bytes(), 26 * MIB);
	ck_assert_uint_eq(arenas_pages().purged, 0);
	ck_assert_uint_eq(others_purged, 0);
	end();
}
END_TEST

START_TEST(while_there_is_room_a_request_purges_a_piece_at_most)
{
	uint64_t before;

	begin();
	leave_holes();
	/* 60 MiB are free, 32 of these the reserve: what idles, 32 MiB, is too much. */
	others_came(132 * MIB);
	for (unsigned i = 0; i < 100; i++) {
		others_use(132 * MIB - (uint64_t)i * 4 * BUFFER);
		before = arenas_pages().purged;
		ck_need(pool_malloc(4 * BUFFER) != NULL);
		ck_need(arenas_pages().purged - before <= PURGE_PIECE_PAGES);
	}
	ck_assert_uint_gt(arenas_pages().purged, 4 * PURGE_PIECE_PAGES);
	ck_assert_uint_eq(others_purged, 0);
	end();
}
END_TEST

START_TEST(where_memory_ends_all_that_idles_goes_before_it_does)
{
	uint64_t used = 0;

	begin();
	leave_holes();
	/* Others leave 40 MiB beside what the heap holds, and the program takes 60 MiB more. */
	others_came(152 * MIB);
	for (unsigned i = 0; i < 240; i++) {
		ck_need(pool_malloc(4 * BUFFER) != NULL);
		others_use(152 * MIB);
		used = 152 * MIB + (arenas_held_pages() << PAGE_SHIFT);
		ck_need(used <= LIMIT);
	}
	ck_assert_uint_gt(used, LIMIT - RESERVE);
	ck_assert_uint_lt(hot_bytes(), DRAINED);
	/* The reserve could not be had from the pool alone. */
	ck_assert_uint_gt(others_purged, 0);
	end();
}
END_TEST

START_TEST(what_is_taken_elsewhere_makes_the_pool_give_back)
{
	begin();
	leave_holes();
	/* Another allocator of the process takes 1 MiB after the other. */
	for (uint64_t elsewhere = 0; elsewhere < 210 * MIB; elsewhere += MIB) {
		others_use(elsewhere);
		headroom_grew(MIB);
		ck_need(elsewhere + (arenas_held_pages() << PAGE_SHIFT) <= LIMIT);
	}
	ck_assert_uint_lt(hot_bytes(), DRAINED);
	end();
}
END_TEST

START_TEST(what_was_handed_out_untouched_counts)
{
	char used[40];

	begin();
	leave_holes();
	/* The kernel knows of nothing that the program takes from here on, as long as it does not write to it. */
	snprintf(used, sizeof(used), "%llu\n", (unsigned long long)(64 * MIB));
	write_file("/cg/memory.current", used);
	for (unsigned i = 0; i < 560; i++)
		ck_need(pool_malloc(4 * BUFFER) != NULL);
	/* 140 MiB of it and the 64 leave too little for 32 that idle. */
	ck_assert_uint_ge(arenas_pages().purged << PAGE_SHIFT, MIB / 2);
	end();
}
END_TEST

START_TEST(what_grows_in_place_looks_at_the_limit)
{
	bool is_zero;
	char *p;

	begin();
	leave_holes();
	p = apart_take(2 * MIB, 16, &is_zero);
	ck_assert_ptr_nonnull(p);
	for (size_t size = 3 * MIB; size < 120 * MIB; size += 2 * MIB) {
		ck_need(pool_resize_in_place(p, size));
		others_use(60 * MIB);
		ck_need(60 * MIB + (arenas_held_pages() << PAGE_SHIFT) <= LIMIT);
	}
	/* 64 MiB of the pool, 120 and 60: what idles of the first, 32, leaves too little of the rest. */
	ck_assert_uint_ge(arenas_pages().purged << PAGE_SHIFT, 2 * MIB);
	end();
}
END_TEST

START_TEST(memory_high_is_kept_like_a_limit)
{
	begin();
	write_file("/cg/memory.high", "134217728\n");
	leave_holes();
	others_came(40 * MIB);
	for (unsigned i = 0; i < 60; i++) {
		ck_need(pool_malloc(4 * BUFFER) != NULL);
		others_use(40 * MIB);
		ck_need(40 * MIB + (arenas_held_pages() << PAGE_SHIFT) <= 128 * MIB);
	}
	/* By the limit of 256 MiB alone nothing would go. */
	ck_assert_uint_ge(arenas_pages().purged << PAGE_SHIFT, 4 * MIB);
	end();
}
END_TEST

/* Also where it is looked at again and again: once in each request, and as the marks say. */
START_TEST(a_steady_stream_near_the_limit_keeps_its_pages)
{
	uint64_t random = 88172645463325252ULL, fresh = 0, taken = 0, others;
	cpu_set_t one;

	begin();
	/* On one CPU: what idles in the magazines of others takes from the little that is free. */
	CPU_ZERO(&one);
	CPU_SET(magazine_cpu_current(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	for (unsigned i = 0; i < 160; i++)
		ck_need((buffers[i] = pool_malloc(2 * BUFFER)) != NULL);
	/* Others leave a good half of the reserve beside what the stream holds. */
	others = LIMIT - RESERVE * 2 / 3 - (arenas_held_pages() << PAGE_SHIFT);
	others_came(others);
	for (unsigned i = 0; i < 8000; i++) {
		unsigned k;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		k = random % 160;
		if (i == 4000) {
			fresh = arenas_pages().fresh;
			taken = fresh + arenas_pages().reused;
		}
		ck_need(pool_free((uintptr_t)buffers[k] - range.base));
		ck_need((buffers[k] = pool_malloc(BUFFER + random / 256 % (2 * BUFFER))) != NULL);
		if (i % 8 == 0)
			others_use(others);
		if (_i == 1)
			headroom_look_soon();
		headroom_grew(16 * KIB);
	}
	fresh = arenas_pages().fresh - fresh;
	taken = arenas_pages().fresh + arenas_pages().reused - taken;
	ck_assert_uint_gt(taken, 20000);
	/* A fifth where what circulates is given back. */
	ck_assert_uint_le(fresh, taken / 20);
	end();
}
END_TEST

/* What another thread takes between two calls of a purge that takes long. */
static uint64_t taken_meanwhile;

int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);

int __wrap_madvise(void *start, size_t bytes, int advice)
{
	bool was_cold;

	if (taken_meanwhile != 0) {
		taken_meanwhile -= MIB;
		ck_need(arenas_take_pages(MIB / PAGE_BYTES, 0, &was_cold) != 0);
	}
	return __real_madvise(start, bytes, advice);
}

START_TEST(what_others_take_during_a_purge_is_not_free)
{
	uint64_t before;

	begin();
	leave_holes();
	/* An aligned run comes alone, and counts as fresh. A MiB is left. What is missing to a third of the reserve goes at once, and meanwhile others take most of it. */
	others_came(LIMIT - (arenas_held_pages() << PAGE_SHIFT) - MIB);
	taken_meanwhile = 8 * MIB;
	ck_need(pool_aligned(2 * PAGE_BYTES, BUFFER) != NULL);
	ck_assert_uint_eq(taken_meanwhile, 0);
	/* So whoever takes more has to look, and finds that nothing is left. */
	others_use(LIMIT - (arenas_held_pages() << PAGE_SHIFT));
	before = arenas_pages().purged;
	ck_need(pool_aligned(2 * PAGE_BYTES, BUFFER) != NULL);
	ck_assert_uint_ge((arenas_pages().purged - before) << PAGE_SHIFT, 8 * MIB);
	end();
}
END_TEST

static struct pool_stats stats_now(void)
{
	struct pool_stats stats;

	pool_stats_collect(&stats, NULL, 0);
	return stats;
}

START_TEST(purges_that_a_request_waits_for_are_counted)
{
	struct pool_stats before, after;

	begin();
	leave_holes();
	before = stats_now();
	/* By the thread that does the maintenance nobody waits. */
	pool.maintain = NULL;
	ck_assert_uint_gt(reclaim_run(LOAD_RELAXED(&pool.now), PRESSURE_CRITICAL, false), 0);
	ck_assert_uint_eq(stats_now().request_purges, before.request_purges);
	leave_holes();
	others_came(LIMIT - (arenas_held_pages() << PAGE_SHIFT) - MIB);
	ck_need(pool_aligned(2 * PAGE_BYTES, BUFFER) != NULL);
	after = stats_now();
	ck_assert_uint_gt(after.request_purges, before.request_purges);
	ck_assert_uint_gt(after.longest_request_purge_ns, 0);
	/* One that began 51 us ago is slow. */
	before = after;
	purge_note_request(clock_precise_ns() - 51000);
	after = stats_now();
	ck_assert_uint_eq(after.request_purges, before.request_purges + 1);
	ck_assert_uint_eq(after.slow_request_purges, before.slow_request_purges + 1);
	ck_assert_uint_ge(after.longest_request_purge_ns, 51000);
	end();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_plan_follows_from_the_facts, 0, ARRAY_LENGTH(plans));
	tcase_add_test(tests, less_room_never_keeps_more_and_looks_no_later);
	tcase_add_loop_test(tests, what_circulates_goes_last, 0, ARRAY_LENGTH(circulating));
	tcase_add_loop_test(tests, a_steady_stream_near_the_limit_keeps_its_pages, 0, 2);
	tcase_add_test(tests, what_others_take_during_a_purge_is_not_free);
	tcase_add_test(tests, with_room_nothing_goes);
	tcase_add_test(tests, while_there_is_room_a_request_purges_a_piece_at_most);
	tcase_add_test(tests, where_memory_ends_all_that_idles_goes_before_it_does);
	tcase_add_test(tests, what_is_taken_elsewhere_makes_the_pool_give_back);
	tcase_add_test(tests, what_was_handed_out_untouched_counts);
	tcase_add_test(tests, what_grows_in_place_looks_at_the_limit);
	tcase_add_test(tests, memory_high_is_kept_like_a_limit);
	tcase_add_test(tests, purges_that_a_request_waits_for_are_counted);
}

int main(void)
{
	return run_suite("headroom", add_tests);
}
