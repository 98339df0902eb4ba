/*
 * test_slab.c -- slots cut from slabs: apart, aligned, all of them used, and given back whole.
 */
#include "pool/slab.h"
#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

#define SLAB_CLASSES_END 17
#define HELD_MAX 1200

static struct arena *arena;

static void start(void)
{
	uint32_t got, first;
	ck_assert(engine_start(1, 32 * MIB));
	arena = &arenas.at[0];
	first = range_extend(0, 1, 0, &got);
	runs_free_as_marked(&arena->runs, first, got, 0);
}

/* As arenas_take() does. */
static uint32_t take(unsigned class)
{
	uint32_t page = slab_take(arena, class);
	if (page != 0) {
		run_at(page)->size_class = (uint8_t) class;
		run_at(page)->state = RUN_IN_USE;
	}
	return page;
}

static char *slot_start(uint32_t page)
{
	return (char *)page_address(page) + run_at(page)->offset;
}

START_TEST(the_slots_of_a_slab_lie_side_by_side_and_fill_it)
{
	unsigned class = (unsigned)_i;
	if (!size_class_is_slab(class))
		return;
	unsigned slots = size_class_slab_slots(class);
	uint32_t pages[8], length = size_class_slab_pages(class);
	start();
	for (unsigned i = 0; i < slots; i++) {
		pages[i] = take(class);
		ck_assert_uint_ne(pages[i], 0);
		ck_engine_is_whole(0);
		ck_assert_uint_eq((uintptr_t)slot_start(pages[i]) % size_class_alignment(class), 0);
		ck_assert_uint_eq(slot_start(pages[i]) - slot_start(pages[0]), i * size_class_bytes(class));
		ck_assert_uint_eq(arena->out_pages, length);
		memset(slot_start(pages[i]), (int)i + 1, size_class_bytes(class));
	}
	/* Exactly the run: its first byte and its last are slots', and it is full. */
	ck_assert_uint_eq((uintptr_t)slot_start(pages[0]) % PAGE_BYTES, 0);
	ck_assert_uint_eq(slots * size_class_bytes(class), length * PAGE_BYTES);
	ck_assert_uint_eq(arena->slabs[class], 0);
	ck_assert_uint_eq(arena->slab_free_bytes, 0);
	for (unsigned i = 0; i < slots; i++) {
		const char *bytes = slot_start(pages[i]);
		ck_assert_int_eq(bytes[0], (int)i + 1);
		ck_assert_int_eq(bytes[size_class_bytes(class) - 1], (int)i + 1);
	}
	/* The next one needs another slab. */
	uint32_t other = take(class);
	ck_assert_uint_eq(arena->out_pages, 2 * length);
	slab_give(arena, other, 5);
	ck_assert_uint_eq(arena->out_pages, length);
	ck_engine_is_whole(0);
	for (unsigned i = 0; i < slots; i++) {
		ck_assert_uint_eq(arena->out_pages, length);
		slab_give(arena, pages[(i * 3 + 1) % slots], 5); /* 3 and 4 or 8 have no common factor */
		ck_engine_is_whole(0);
	}
	ck_assert_uint_eq(arena->out_pages, 0);
	ck_assert_uint_eq(arena->runs.free_pages, CHUNK_PAGES - 1);
	ck_assert_uint_eq(arena->runs.hot_pages, length * 2);
	engine_stop();
}
END_TEST

START_TEST(a_slot_that_is_free_is_used_before_a_new_slab)
{
	uint32_t pages[12], slot;
	start();
	for (unsigned i = 0; i < 12; i++)
		pages[i] = take(9); /* 9216: four slots of nine pages */
	ck_assert_uint_eq(arena->out_pages, 27);
	slab_give(arena, pages[1], 0);
	slab_give(arena, pages[6], 0);
	ck_engine_is_whole(0);
	slot = take(9);
	ck_assert(slot == pages[1] || slot == pages[6]);
	slot = take(9);
	ck_assert(slot == pages[1] || slot == pages[6]);
	ck_assert_uint_eq(arena->out_pages, 27);
	ck_assert_uint_eq(arena->slab_free_bytes, 0);
	engine_stop();
}
END_TEST

START_TEST(a_slab_is_made_of_resident_pages_first)
{
	uint32_t run, cold = 0;
	bool was_cold;
	start();
	run = runs_take(&arena->runs, RUNS_COLD, 40, &was_cold);
	run_at(run)->state = RUN_NONE;
	cold = runs_take(&arena->runs, RUNS_COLD, 100, &was_cold); /* a wall */
	ck_assert_uint_eq(cold, run + 40);
	runs_free_hot(&arena->runs, run, 40, 0);
	ck_assert_uint_eq(take(1), run);
	engine_stop();
}
END_TEST

START_TEST(random_slots_keep_what_is_written_and_the_slabs_add_up)
{
	static struct {
		uint32_t page;
		uint64_t seed;
	} held[HELD_MAX];
	uint64_t state = 99;
	unsigned count = 0, refused = 0;
	memset(held, 0, sizeof(held));
	start();
	for (int i = 0; i < 20000; i++) {
		unsigned k = (unsigned)(random_next(&state) % HELD_MAX), class;
		if (held[k].page != 0) {
			class = run_at(held[k].page)->size_class;
			ck_need(pattern_check(slot_start(held[k].page), size_class_bytes(class), held[k].seed,
				    PATTERN_SPARSE) == PATTERN_OK);
			slab_give(arena, held[k].page, (uint32_t)i);
			held[k].page = 0;
			count--;
		} else {
			do
				class = (unsigned)(random_next(&state) % SLAB_CLASSES_END);
			while (!size_class_is_slab(class));
			held[k].page = take(class);
			held[k].seed = random_next(&state);
			refused += held[k].page == 0;
			if (held[k].page == 0)
				continue;
			pattern_fill(
			    slot_start(held[k].page), size_class_bytes(class), held[k].seed, PATTERN_SPARSE);
			count++;
		}
		if (i % 16 == 0)
			ck_engine_is_whole(0);
	}
	ck_assert_uint_gt(count, 0);
	ck_assert_uint_gt(refused, 0); /* one chunk does not hold them all: that, too, was gone through */
	for (unsigned k = 0; k < HELD_MAX; k++)
		if (held[k].page != 0)
			slab_give(arena, held[k].page, 0);
	ck_engine_is_whole(0);
	ck_assert_uint_eq(arena->out_pages, 0);
	ck_assert_uint_eq(arena->slab_free_bytes, 0);
	ck_assert_uint_eq(runs_free_length(&arena->runs, 1), CHUNK_PAGES - 1);
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_slots_of_a_slab_lie_side_by_side_and_fill_it, 0, SLAB_CLASSES_END);
	tcase_add_test(tests, a_slot_that_is_free_is_used_before_a_new_slab);
	tcase_add_test(tests, a_slab_is_made_of_resident_pages_first);
	tcase_add_test(tests, random_slots_keep_what_is_written_and_the_slabs_add_up);
}

int main(void)
{
	return run_suite("slab", add_tests);
}
