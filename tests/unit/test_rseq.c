/*
 * test_rseq.c -- a CPU's stacks: their arithmetic, and that nothing is lost when
 * sequences are torn apart by signals and other threads.
 *
 * The arithmetic is tested on a struct rseq of our own, which the kernel does not
 * know, so that it also runs where there are no restartable sequences
 * (qemu-user). Such a one is right only while one thread uses it, uninterrupted.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/rseq.h"
#include "base/sys.h"
#include "run_suite.h"
#include "tests/common/pattern.h"

#define CPUS_MAX 4
#define STACK(n) (256 + (size_t)(n)*512)
#define STACK_ITEMS 100

static _Alignas(RSEQ_AREA_BYTES) char own_areas[CPUS_MAX][RSEQ_AREA_BYTES];
static _Alignas(RSEQ_AREA_BYTES) char zeros[RSEQ_AREA_BYTES];
static char *own_table[RSEQ_AREAS_BEFORE + CPUS_MAX];
/* As the kernel's struct rseq: cpu_id_start, cpu_id, rseq_cs, flags. */
static __thread struct {
	uint32_t cpu_id_start, cpu_id;
	uint64_t sequence;
	uint32_t flags, unused[3];
} own_rseq __attribute__((aligned(32)));

/* The table of a row of areas. */
static char **fill_table(char **table, char *areas, unsigned count)
{
	for (unsigned i = 0; i < RSEQ_AREAS_BEFORE; i++)
		table[i] = zeros;
	for (unsigned cpu = 0; cpu < count; cpu++)
		table[RSEQ_AREAS_BEFORE + cpu] = areas + ((size_t)cpu << RSEQ_AREA_SHIFT);
	return table + RSEQ_AREAS_BEFORE;
}

static struct rseq_cpus own_cpus(uint32_t cpu)
{
	memset(own_areas, 0, sizeof(own_areas));
	own_rseq.cpu_id_start = own_rseq.cpu_id = cpu;
	return (struct rseq_cpus){.areas = fill_table(own_table, own_areas[0], CPUS_MAX),
	    .offset = (char *)&own_rseq - (char *)__builtin_thread_pointer()};
}

static struct rseq_stack *own_stack(unsigned cpu, unsigned n)
{
	return (void *)(own_areas[cpu] + STACK(n));
}

START_TEST(a_stack_gives_back_what_was_pushed_last_first)
{
	struct rseq_cpus cpus = own_cpus((uint32_t)_i);
	struct rseq_stack *stack = own_stack((unsigned)_i, 1);
	stack->room = 3;
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 0);
	ck_assert(rseq_push(&cpus, STACK(1), 11));
	ck_assert(rseq_push(&cpus, STACK(1), UINT32_MAX));
	ck_assert(rseq_push(&cpus, STACK(1), 1u << 31));
	ck_assert_uint_eq(stack->count, 3);
	ck_assert(!rseq_push(&cpus, STACK(1), 14));
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 1u << 31);
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), UINT32_MAX);
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 11);
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 0);
	ck_assert_uint_eq(stack->count, 0);
	/* Nothing else of any area was written but what lies above the count. */
	stack->room = 0;
	memset(stack->items, 0, 3 * sizeof(uint32_t));
	for (size_t i = 0; i < sizeof(own_areas); i++)
		ck_assert_msg(
		    ((const char *)own_areas)[i] == 0, "byte %zu is %d", i, ((const char *)own_areas)[i]);
}
END_TEST

START_TEST(random_pushes_and_pops_follow_a_model)
{
	struct rseq_cpus cpus = own_cpus(0);
	static struct {
		uint32_t count, room, items[STACK_ITEMS];
	} model[3];
	uint64_t state = 20260101;
	uint32_t item = 0;
	memset(model, 0, sizeof(model));
	for (int i = 0; i < 200000; i++) {
		uint64_t choice = random_next(&state);
		unsigned n = choice % 3;
		struct rseq_stack *stack = own_stack(0, n);
		choice >>= 8;
		if (choice % 64 == 0) {
			/* Room goes up and down under what is there. */
			model[n].room = stack->room = (uint32_t)(choice >> 8) % (STACK_ITEMS + 1);
		} else if (choice % 2 == 0) {
			bool fits = model[n].count < model[n].room;
			ck_assert_int_eq(rseq_push(&cpus, STACK(n), ++item), fits);
			if (fits)
				model[n].items[model[n].count++] = item;
		} else {
			uint32_t expected = model[n].count == 0 ? 0 : model[n].items[--model[n].count];
			ck_assert_uint_eq(rseq_pop(&cpus, STACK(n)), expected);
		}
		ck_assert_uint_eq(stack->count, model[n].count);
	}
}
END_TEST

START_TEST(a_stopped_cpu_misses_and_keeps_what_it_has)
{
	struct rseq_cpus cpus = own_cpus(2);
	own_stack(2, 1)->room = 10;
	ck_assert(rseq_push(&cpus, STACK(1), 7));
	cpus.areas[2] = zeros;
	ck_assert(!rseq_push(&cpus, STACK(1), 8));
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 0);
	ck_assert_uint_eq(own_stack(2, 1)->count, 1);
	cpus.areas[2] = own_areas[2];
	ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 7);
	/* Another CPU's area is not ours. */
	cpus.areas[1] = zeros;
	ck_assert(rseq_push(&cpus, STACK(1), 9));
}
END_TEST

START_TEST(a_thread_that_is_not_registered_misses)
{
	/* Not registered (-1), and failed (-2). */
	static const uint32_t ids[] = {UINT32_MAX, UINT32_MAX - 1};
	for (unsigned i = 0; i < ARRAY_LENGTH(ids); i++) {
		struct rseq_cpus cpus = own_cpus(ids[i]);
		for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
			own_stack(cpu, 1)->room = 10;
			own_stack(cpu, 1)->count = 1;
			own_stack(cpu, 1)->items[0] = 5;
		}
		ck_assert_uint_eq(rseq_pop(&cpus, STACK(1)), 0);
		ck_assert(!rseq_push(&cpus, STACK(1), 6));
		ck_assert_int_lt(rseq_cpu(&cpus), 0);
	}
}
END_TEST

static void *use_stand_in(void *context)
{
	const struct rseq_cpus *cpus = context;
	bool misses = !rseq_push(cpus, STACK(1), 6) && rseq_pop(cpus, STACK(1)) == 0 && rseq_cpu(cpus) == -1;

	return misses ? context : NULL;
}

START_TEST(without_sequences_every_thread_misses)
{
	struct rseq_cpus cpus = own_cpus(0);
	pthread_t thread;
	void *result;

	own_stack(0, 1)->room = 10;
	own_stack(0, 1)->count = 1;
	cpus.offset = rseq_stand_in();
	ck_assert_ptr_nonnull(use_stand_in(&cpus));
	ck_assert_int_eq(pthread_create(&thread, NULL, use_stand_in, &cpus), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_nonnull(result);
}
END_TEST

START_TEST(the_cpu_is_the_one_that_the_kernel_says)
{
	struct rseq_cpus cpus;
	cpu_set_t all, one;
	ck_assert(rseq_find(&cpus.offset));
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
		ck_assert_int_eq(rseq_cpu(&cpus), cpu);
	}
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
}
END_TEST

/* --- with the kernel ---------------------------------------------------------- */

#define STORM_THREADS 8
#define STORM_STACKS 3
#define STORM_ITEMS 512 /* fewer than there is room for: a push that misses tries elsewhere */
#define STORM_NS (700 * MILLISECOND)

static struct {
	struct rseq_cpus cpus;
	char *areas, **table;
	unsigned bound;
	_Atomic unsigned char held[STORM_ITEMS + 1]; /* 1 while a thread or handler has it */
	atomic_ulong moves, signals, faults;
} storm;

static struct rseq_stack *storm_stack(unsigned cpu, unsigned n)
{
	return (void *)(storm.areas + ((size_t)cpu << RSEQ_AREA_SHIFT) + STACK(n));
}

static void storm_begin(void)
{
	storm.bound = sys_cpu_bound();
	ck_assert(rseq_find(&storm.cpus.offset));
	storm.areas = aligned_alloc(PAGE_BYTES, (size_t)storm.bound << RSEQ_AREA_SHIFT);
	memset(storm.areas, 0, (size_t)storm.bound << RSEQ_AREA_SHIFT);
	storm.table = malloc((RSEQ_AREAS_BEFORE + storm.bound) * sizeof(*storm.table));
	storm.cpus.areas = fill_table(storm.table, storm.areas, storm.bound);
}

static void storm_end(void)
{
	free(storm.table);
	free(storm.areas);
}

/* One item from one stack to another; nobody else may have it meanwhile. */
static void move_item(unsigned from, unsigned to)
{
	uint32_t item = rseq_pop(&storm.cpus, STACK(from % STORM_STACKS));
	if (item == 0)
		return;
	if (item > STORM_ITEMS || atomic_exchange(&storm.held[item], 1) != 0) {
		atomic_fetch_add(&storm.faults, 1);
		return;
	}
	atomic_store(&storm.held[item], 0);
	while (!rseq_push(&storm.cpus, STACK(to++ % STORM_STACKS), item))
		;
	atomic_fetch_add_explicit(&storm.moves, 1, memory_order_relaxed);
}

/* A sequence that was under way here must start again: its stack is not as it was. */
static void on_signal(int number UNUSED)
{
	static _Atomic unsigned turn;
	unsigned n = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&storm.signals, 1, memory_order_relaxed);
	move_item(n, n / STORM_STACKS);
	move_item(n + 1, n);
}

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void *storm_thread(void *seed)
{
	uint64_t state = (uintptr_t)seed, end = now_ns() + STORM_NS;
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	/* Odd, and another for each thread: it falls everywhere into the loop. */
	struct itimerspec every = {
	    {0, 20011 + 97 * (long)(uintptr_t)seed}, {0, 20011 + 97 * (long)(uintptr_t)seed}};
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &every, NULL) != 0) {
		atomic_fetch_add(&storm.faults, 1000000);
		return NULL;
	}
	while (now_ns() < end)
		for (int i = 0; i < 200; i++) {
			uint64_t choice = random_next(&state);
			move_item(choice & 0xff, choice >> 8 & 0xff);
		}
	timer_delete(timer);
	return NULL;
}

START_TEST(no_item_is_lost_or_there_twice_under_signals_and_threads)
{
	pthread_t threads[STORM_THREADS];
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	unsigned seen[STORM_ITEMS + 1] = {0}, count = 0;
	uint32_t item = 1;

	storm_begin();
	for (unsigned cpu = 0; cpu < storm.bound; cpu++)
		for (unsigned n = 0; n < STORM_STACKS; n++)
			storm_stack(cpu, n)->room = STACK_ITEMS;
	/* On some CPU that we may run on each; they wander with the threads. */
	for (unsigned tries = 0; item <= STORM_ITEMS && tries < 100 * STORM_ITEMS; tries++) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(tries % storm.bound, &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			continue;
		item += rseq_push(&storm.cpus, STACK(tries % STORM_STACKS), item);
	}
	cpu_set_t all;
	memset(&all, 0xff, sizeof(all));
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
	ck_assert_uint_eq(item, STORM_ITEMS + 1);
	sigaction(SIGUSR2, &action, NULL);
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, storm_thread, (void *)(i + 1)), 0);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(storm.faults, 0);
	ck_assert_uint_gt(storm.signals, 1000);
	ck_assert_uint_gt(storm.moves, 100000);
	for (unsigned cpu = 0; cpu < storm.bound; cpu++)
		for (unsigned n = 0; n < STORM_STACKS; n++) {
			const struct rseq_stack *stack = storm_stack(cpu, n);
			ck_assert_uint_le(stack->count, stack->room);
			for (uint32_t i = 0; i < stack->count; i++) {
				ck_assert(stack->items[i] >= 1 && stack->items[i] <= STORM_ITEMS);
				ck_assert_uint_eq(seen[stack->items[i]]++, 0);
				count++;
			}
		}
	ck_assert_uint_eq(count, STORM_ITEMS);
	storm_end();
}
END_TEST

/* --- stopping a CPU, as a drain does -------------------------------------------- */

static struct {
	atomic_bool is_over;
	atomic_ulong tries;
} stopping;

static void *push_and_pop(void *unused UNUSED)
{
	while (!atomic_load_explicit(&stopping.is_over, memory_order_relaxed)) {
		uint32_t item = rseq_pop(&storm.cpus, STACK(0));
		while (item != 0 && !rseq_push(&storm.cpus, STACK(0), item))
			;
		atomic_fetch_add_explicit(&stopping.tries, 1, memory_order_relaxed);
	}
	return NULL;
}

START_TEST(behind_swap_and_fence_a_stack_belongs_to_who_stopped_it)
{
	pthread_t threads[3];
	cpu_set_t all, one;
	int cpu = sched_getcpu();
	struct rseq_stack *stack;
	char **area, *own_area;

	storm_begin();
	area = &storm.cpus.areas[cpu];
	own_area = *area;
	stack = storm_stack((unsigned)cpu, 0);
	stack->room = STACK_ITEMS;
	for (uint32_t i = 0; i < 8; i++)
		stack->items[stack->count++] = i + 1;
	/* The others on that CPU, we on any. */
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	atomic_store(&stopping.is_over, false);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&threads[i], NULL, push_and_pop, NULL), 0);
		ck_assert_int_eq(pthread_setaffinity_np(threads[i], sizeof(one), &one), 0);
	}
	while (atomic_load(&stopping.tries) < 1000)
		sched_yield();
	for (int i = 0; i < 2000; i++) {
		uint32_t count;
		STORE_RELAXED(area, zeros);
		ck_assert(sys_rseq_fence((unsigned)cpu));
		count = LOAD_RELAXED(&stack->count);
		ck_assert_uint_le(count, 8);
		/* Turn it over; had anybody a sequence under way, items would be lost or doubled. */
		for (uint32_t a = 0; a < count / 2; a++) {
			uint32_t item = stack->items[a];
			stack->items[a] = stack->items[count - 1 - a];
			stack->items[count - 1 - a] = item;
		}
		ck_assert_uint_eq(LOAD_RELAXED(&stack->count), count);
		STORE_RELEASE(area, own_area);
	}
	atomic_store(&stopping.is_over, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	/* A thread that had wandered off may have left items nowhere else: it was pinned. */
	uint32_t seen = 0;
	for (uint32_t i = 0; i < stack->count; i++)
		seen |= 1u << stack->items[i];
	ck_assert_uint_eq(stack->count, 8);
	ck_assert_uint_eq(seen, 0x1fe);
	storm_end();
}
END_TEST

static void add_tests(TCase *tests)
{
	ptrdiff_t offset;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, without_sequences_every_thread_misses);
	tcase_add_test(tests, a_thread_that_is_not_registered_misses);
	if (!WEIR_HAS_RSEQ)
		return;
	tcase_add_loop_test(tests, a_stack_gives_back_what_was_pushed_last_first, 0, CPUS_MAX);
	tcase_add_test(tests, random_pushes_and_pops_follow_a_model);
	tcase_add_test(tests, a_stopped_cpu_misses_and_keeps_what_it_has);
	/* qemu-user knows no rseq, and GLIBC_TUNABLES can switch it off. */
	if (!rseq_find(&offset))
		return;
	tcase_add_test(tests, the_cpu_is_the_one_that_the_kernel_says);
	tcase_add_test(tests, no_item_is_lost_or_there_twice_under_signals_and_threads);
	tcase_add_test(tests, behind_swap_and_fence_a_stack_belongs_to_who_stopped_it);
}

int main(void)
{
	return run_suite("rseq", add_tests);
}
