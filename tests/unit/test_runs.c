/*
 * test_runs.c -- the free runs of an arena against a model that knows only pages.
 *
 * The model has a state and a temperature a page and finds runs by looking. After
 * each operation it and the table agree, and engine_fault() finds table and
 * bins consistent.
 */
#include "run_suite.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

#define STEPS 6000

enum model_state { MODEL_FREE, MODEL_TAKEN, MODEL_AWAY };

static struct {
	uint32_t end; /* pages 1 to end - 1 are there */
	unsigned char state[4 * CHUNK_PAGES], is_hot[4 * CHUNK_PAGES];
	uint32_t taken[4 * CHUNK_PAGES]; /* at the first page: the length, as of a withdrawn run; else 0 */
	uint64_t random;
	uint32_t now;
} model;

static struct runs *runs;

static uint32_t random_below(uint32_t bound)
{
	return (uint32_t)(random_next(&model.random) % bound);
}

/* One arena with so many chunks, all of them one cold free run. */
static void start(uint32_t chunks)
{
	uint32_t got, first;

	ck_assert(engine_start(1, 32 * MIB));
	/* Only this part of the engine is under test: no magazines, and out_pages is kept here. */
	magazines.areas = NULL;
	runs = &arenas.at[0].runs;
	memset(&model, 0, sizeof(model));
	first = range_extend(0, chunks * CHUNK_PAGES - 1, 0, &got);
	ck_assert_uint_eq(first, 1);
	model.end = first + got;
	runs_free_as_marked(runs, first, got, 0);
}

static uint32_t model_length(uint32_t page)
{
	uint32_t end = page;

	while (end < model.end && model.state[end] == MODEL_FREE)
		end++;
	return end - page;
}

static uint32_t model_hot(uint32_t page, uint32_t pages)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < pages; i++)
		count += model.is_hot[page + i];
	return count;
}

static enum temperature model_temperature(uint32_t page, uint32_t pages)
{
	uint32_t hot = model_hot(page, pages);

	if (hot * 2 >= pages)
		return RUNS_HOT;
	return hot != 0 ? RUNS_WARM : RUNS_COLD;
}

/* As the caller of runs_take() does. */
static void write_taken(uint32_t page, uint32_t pages)
{
	struct run *run = run_at(page);

	run->state = RUN_IN_USE;
	run->size_class = (uint8_t)size_class_within(pages);
	run->offset = 0;
	run->pages = pages;
	arenas.at[0].out_pages += pages;
	memset(model.state + page, MODEL_TAKEN, pages);
	model.taken[page] = pages;
}

static void agree(void)
{
	for (uint32_t page = 1; page < model.end; page++) {
		ck_need(hot_count(page, 1) == model.is_hot[page]);
		if (model.state[page] != MODEL_FREE)
			continue;
		uint32_t length = model_length(page);
		ck_need(runs_free_length(runs, page) == length);
		for (uint32_t i = 1; i < length; i++)
			ck_need(hot_count(page + i, 1) == model.is_hot[page + i]);
		page += length - 1;
	}
	ck_engine_is_whole(ENGINE_MAY_BE_BUSY);
}

/* Of the free runs of that temperature with room the least length, or, of warm ones, resident part; 0: none. */
static uint32_t model_best(enum temperature temperature, uint32_t pages)
{
	uint32_t best = 0;

	for (uint32_t page = 1; page < model.end; page++) {
		uint32_t length = model_length(page), key;
		if (length == 0)
			continue;
		key = temperature == RUNS_WARM ? model_hot(page, length) : length;
		if (key >= pages && model_temperature(page, length) == temperature &&
		    (best == 0 || key < best))
			best = key;
		page += length - 1;
	}
	return best;
}

/* Whether a run of that temperature is long enough. */
static bool model_has(enum temperature temperature, uint32_t pages)
{
	for (uint32_t page = 1; page < model.end; page++) {
		uint32_t length = model_length(page);

		if (length >= pages && model_temperature(page, length) == temperature)
			return true;
		page += MAX(length, 1u) - 1;
	}
	return false;
}

/* Where the free run starts that page is in. */
static uint32_t model_start(uint32_t page)
{
	while (page > 1 && model.state[page - 1] == MODEL_FREE)
		page--;
	return page;
}

/* The most of so many pages in a row of a free run that are resident: at its ends, or where its first such is. */
static uint32_t model_warmest(uint32_t start, uint32_t pages)
{
	uint32_t length = model_length(start), last = start + length - pages, first = start;

	while (first < last && !model.is_hot[first])
		first++;
	return MAX(MAX(model_hot(start, pages), model_hot(last, pages)), model_hot(first, pages));
}

/* A row lies in a run that is resident all over or nowhere, and goes on as far as it is wanted or the run has room. */
static void check_row(uint32_t start, uint32_t page, uint32_t pages, unsigned most, unsigned count)
{
	uint32_t length = model_length(start), hot = model_hot(start, length);

	if (page == start && (hot == 0 || hot == length))
		ck_assert_uint_eq(count, MIN(most, length / pages));
	else
		ck_assert_uint_eq(count, 1);
}

static void take(unsigned most)
{
	enum temperature temperature = random_below(2) == 0 ? RUNS_HOT : RUNS_COLD, found;
	uint32_t pages = 1 + random_below(random_below(8) == 0 ? 400 : 24);
	uint32_t hot = model_best(RUNS_HOT, pages), warm = model_best(RUNS_WARM, pages), start;
	bool has = runs_has_hot(runs, pages), was_cold = false, is_there;
	unsigned count = 1;
	uint32_t page = most == 1 ? runs_take(runs, temperature, pages, &was_cold)
				  : runs_take_row(runs, temperature, pages, most, &count, &was_cold);

	/* Exact up to 256 pages; above, a guess that errs to no. */
	ck_assert(!has || hot != 0 || warm != 0);
	ck_assert(has || pages > RUNS_EXACT_BINS || (hot == 0 && warm == 0));
	is_there = temperature == RUNS_HOT ? hot != 0 || warm != 0
					   : model_has(RUNS_WARM, pages) || model_has(RUNS_COLD, pages);
	ck_assert_int_eq(page != 0, is_there);
	if (page == 0) {
		ck_assert_uint_eq(count, most == 1);
		return;
	}
	start = model_start(page);
	found = model_temperature(start, model_length(start));
	ck_assert_uint_le(page + pages, start + model_length(start));
	ck_assert_int_eq(was_cold, model_hot(page, pages) == 0);
	ck_assert_uint_eq(model_hot(page, pages), model_warmest(start, pages));
	if (temperature == RUNS_COLD)
		ck_assert_int_ne(found, RUNS_HOT);
	else if (hot != 0)
		ck_assert_uint_eq(model_length(start), hot);
	else
		ck_assert_uint_eq(model_hot(start, model_length(start)), warm);
	check_row(start, page, pages, most, count);
	for (; count > 0; count--, page += pages)
		write_taken(page, pages);
}

static void step_take(void)
{
	take(1);
}

static void step_take_row(void)
{
	take(1 + random_below(6));
}

static void step_take_roomy(void)
{
	uint32_t pages = 1 + random_below(24), room = random_below(200), whole = pages + room, start, length;
	uint32_t hot = model_best(RUNS_HOT, whole), cold = model_best(RUNS_COLD, whole), page;
	bool was_cold = false, has_warm = model_has(RUNS_WARM, whole), has_hot = model_has(RUNS_HOT, pages);
	enum temperature found;

	page = runs_take_roomy(runs, pages, room, &was_cold);
	ck_assert_int_eq(page != 0, hot != 0 || has_warm || has_hot || cold != 0);
	if (page == 0)
		return;
	start = model_start(page);
	length = model_length(start);
	found = model_temperature(start, length);
	if (hot != 0) {
		ck_assert_int_eq(found, RUNS_HOT);
		ck_assert_uint_eq(length, hot);
	} else if (has_warm) {
		ck_assert_int_eq(found, RUNS_WARM);
		ck_assert_uint_eq(model_hot(page, whole), model_warmest(start, whole));
	} else if (has_hot) { /* no other is longer */
		ck_assert_int_eq(found, RUNS_HOT);
		ck_assert(!model_has(RUNS_HOT, length + 1));
		ck_assert_uint_eq(model_hot(page, pages), model_warmest(start, pages));
	} else {
		ck_assert_int_eq(found, RUNS_COLD);
		ck_assert_uint_eq(length, cold);
	}
	ck_assert_uint_ge(start + length, page + (length >= whole ? whole : pages));
	ck_assert_int_eq(was_cold, model_hot(page, pages) == 0);
	write_taken(page, pages);
}

/* The first page of the n-th thing in that state, from a random one on; 0: none. */
static uint32_t pick(enum model_state state)
{
	uint32_t from = 1 + random_below(model.end - 1);

	for (uint32_t i = 0; i < model.end; i++) {
		uint32_t page = (from + i) % model.end;
		if (page == 0 || model.state[page] != state)
			continue;
		if (state == MODEL_FREE ? page == 1 || model.state[page - 1] != MODEL_FREE
					: model.taken[page] != 0)
			return page;
	}
	return 0;
}

static void step_free(void)
{
	uint32_t page = pick(MODEL_TAKEN), pages;

	if (page == 0)
		return;
	pages = model.taken[page];
	model.taken[page] = 0;
	memset(model.state + page, MODEL_FREE, pages);
	run_at(page)->state = RUN_NONE;
	arenas.at[0].out_pages -= pages;
	if (random_below(4) == 0) {
		runs_free_as_marked(runs, page, pages, model.now);
	} else {
		runs_free_hot(runs, page, pages, model.now);
		memset(model.is_hot + page, 1, pages);
	}
}

static void step_take_at(void)
{
	uint32_t page = pick(MODEL_FREE), length, pages;
	bool was_cold = false;

	if (page == 0)
		return;
	length = model_length(page);
	ck_assert(!runs_take_at(runs, page, length + 1, &was_cold));
	if (length > 1) /* only from where a run starts */
		ck_assert(!runs_take_at(runs, page + 1 + random_below(length - 1), 1, &was_cold));
	pages = 1 + random_below(length);
	ck_assert(runs_take_at(runs, page, pages, &was_cold));
	ck_assert_int_eq(was_cold, model_hot(page, pages) == 0);
	write_taken(page, pages);
}

static void step_withdraw(void)
{
	uint32_t page = pick(MODEL_FREE), length;

	if (page == 0)
		return;
	length = model_length(page);
	runs_withdraw(runs, page);
	ck_assert_int_eq(run_at(page)->state, RUN_BUSY);
	ck_assert_uint_eq(runs_free_length(runs, page), 0);
	memset(model.state + page, MODEL_AWAY, length);
	model.taken[page] = length;
}

static void step_restore(void)
{
	uint32_t page = pick(MODEL_AWAY), length, cold_from, cold;

	if (page == 0)
		return;
	length = model.taken[page];
	cold_from = random_below(length);
	cold = random_below(length - cold_from + 1);
	hot_mark(page + cold_from, cold, false);
	memset(model.is_hot + page + cold_from, 0, cold);
	memset(model.state + page, MODEL_FREE, length);
	model.taken[page] = 0;
	runs_restore(runs, page, model.now - random_below(100));
}

START_TEST(random_work_follows_a_model_of_pages)
{
	static void (*const steps[])(void) = {step_take, step_take, step_take_row, step_take_roomy, step_free,
	    step_free, step_take_at, step_withdraw, step_restore, step_restore};
	start(1 + (uint32_t)_i % 2);
	model.random = (uint64_t)_i * 977 + 5;
	model.now = _i % 2 == 0 ? 1000 : UINT32_MAX - STEPS / 2; /* the clock may come round */
	for (int i = 0; i < STEPS; i++) {
		model.now += random_below(3);
		steps[random_below(ARRAY_LENGTH(steps))]();
		agree();
	}
	while (pick(MODEL_AWAY) != 0)
		step_restore();
	while (pick(MODEL_TAKEN) != 0)
		step_free();
	agree();
	/* Nothing stays apart: it is one run again. */
	ck_assert_uint_eq(runs_free_length(runs, 1), model.end - 1);
	ck_assert_uint_eq(runs->free_pages, model.end - 1);
	ck_assert_uint_eq(runs->counts[RUNS_HOT] + runs->counts[RUNS_WARM] + runs->counts[RUNS_COLD], 1);
	engine_stop();
}
END_TEST

/* Cut the arena into taken runs of these lengths with one taken page between them; all cold. */
static void carve(const uint32_t *lengths, unsigned count, uint32_t *pages)
{
	bool was_cold;

	for (unsigned i = 0; i < count; i++) {
		pages[i] = runs_take(runs, RUNS_COLD, lengths[i], &was_cold);
		write_taken(pages[i], lengths[i]);
		uint32_t wall = runs_take(runs, RUNS_COLD, 1, &was_cold);
		ck_assert_uint_eq(wall, pages[i] + lengths[i]);
		write_taken(wall, 1);
	}
}

static void free_at(uint32_t page, uint32_t now)
{
	uint32_t pages = model.taken[page];

	run_at(page)->state = RUN_NONE;
	arenas.at[0].out_pages -= pages;
	memset(model.state + page, MODEL_FREE, pages);
	memset(model.is_hot + page, 1, pages);
	model.taken[page] = 0;
	runs_free_hot(runs, page, pages, now);
}

START_TEST(what_is_left_of_a_run_keeps_its_age)
{
	static const uint32_t lengths[] = {4, 20, 6};
	uint32_t pages[3];
	bool was_cold;
	start(1);
	carve(lengths, 3, pages);
	for (uint32_t i = 0; i < 3; i++)
		free_at(pages[i], 10 * (i + 1));
	ck_assert_uint_eq(runs_take(runs, RUNS_HOT, 15, &was_cold), pages[1]);
	ck_assert(!was_cold);
	write_taken(pages[1], 15);
	agree();
	ck_assert_uint_eq(run_at(pages[1] + 15)->free.freed, 20);
	engine_stop();
}
END_TEST

START_TEST(a_large_old_run_joined_by_a_small_fresh_one_stays_old)
{
	static const uint32_t lengths[] = {90, 8};
	uint32_t pages[2];
	start(1);
	carve(lengths, 2, pages);
	free_at(pages[0], 1000);
	free_at(pages[1], 1500);
	free_at(pages[0] + 90, 2000); /* the wall of one page between them */
	agree();
	/* The mean of when their pages were freed: (90 * 1000 + 1 * 2000 + 8 * 1500) / 99 */
	ck_assert_uint_ge(run_at(pages[0])->free.freed, 1050);
	ck_assert_uint_le(run_at(pages[0])->free.freed, 1051);
	engine_stop();
}
END_TEST

START_TEST(a_restored_run_is_as_old_as_it_was_and_as_warm_as_its_marks)
{
	static const uint32_t lengths[] = {10, 10, 10};
	uint32_t pages[3];
	start(1);
	carve(lengths, 3, pages);
	for (uint32_t i = 0; i < 3; i++)
		free_at(pages[i], 10 * (i + 1));
	runs_withdraw(runs, pages[2]);
	ck_assert_uint_eq(runs->hot_pages, 20);
	hot_mark(pages[2] + 6, 4, false);
	memset(model.is_hot + pages[2] + 6, 0, 4);
	runs_restore(runs, pages[2], 30);
	ck_assert_uint_eq(run_at(pages[2])->free.freed, 30);
	ck_assert_uint_eq(run_at(pages[2])->free.hot_pages, 6);
	agree();
	runs_withdraw(runs, pages[2]);
	hot_mark(pages[2], 10, false);
	memset(model.is_hot + pages[2], 0, 10);
	runs_restore(runs, pages[2], 30);
	ck_assert_uint_eq(runs->hot_pages, 20);
	agree();
	engine_stop();
}
END_TEST

/* The run at page that was taken is free, and so many of its pages are resident, from the at-th on. */
static void free_partly(uint32_t page, uint32_t at, uint32_t hot)
{
	uint32_t pages = model.taken[page];

	free_at(page, 1);
	runs_withdraw(runs, page);
	hot_mark(page, at, false);
	hot_mark(page + at + hot, pages - at - hot, false);
	memset(model.is_hot + page, 0, at);
	memset(model.is_hot + page + at + hot, 0, pages - at - hot);
	runs_restore(runs, page, 1);
	agree();
}

/* In a run of 400 pages 60 are resident: where, and what a request for so many finds. */
static const struct {
	uint32_t at, pages;
	enum temperature temperature;
	uint32_t page, resident;
} warm_takes[] = {
    /* As many as are asked for: as good as a hot run, wherever they are. */
    {0, 60, RUNS_HOT, 0, 60},
    {340, 60, RUNS_HOT, 340, 60},
    {100, 50, RUNS_HOT, 100, 50},
    {340, 10, RUNS_HOT, 340, 10},
    /* Fewer: next to them. */
    {0, 61, RUNS_COLD, 0, 60},
    {0, 300, RUNS_COLD, 0, 60},
    {340, 300, RUNS_COLD, 100, 60},
    {100, 200, RUNS_COLD, 0, 60},
    {300, 200, RUNS_COLD, 200, 60},
};

START_TEST(what_is_resident_of_a_long_run_is_taken_before_pages_that_fault)
{
	static const uint32_t lengths[] = {400, 300};
	uint32_t pages[2], fresh;
	bool was_cold;
	start(1);
	carve(lengths, 2, pages);
	free_partly(pages[0], warm_takes[_i].at, 60);
	/* A cold one that fits better. */
	free_partly(pages[1], 0, 0);
	fresh = (uint32_t)runs->fresh_pages;
	ck_assert_uint_eq(runs_take(runs, warm_takes[_i].temperature, warm_takes[_i].pages, &was_cold),
	    pages[0] + warm_takes[_i].page);
	ck_assert(!was_cold);
	ck_assert_uint_eq(runs->fresh_pages - fresh, warm_takes[_i].pages - warm_takes[_i].resident);
	engine_stop();
}
END_TEST

START_TEST(the_only_run_is_found_however_little_of_it_is_resident)
{
	static const uint32_t lengths[] = {400, 600};
	uint32_t pages[2], least = (uint32_t)_i;
	bool was_cold;
	start(1);
	carve(lengths, 2, pages);
	free_partly(pages[0], 7, least);
	ck_assert_uint_eq(runs_take(runs, RUNS_HOT, 399, &was_cold), 0);
	ck_assert_uint_ne(runs_take(runs, RUNS_COLD, 399, &was_cold), 0);
	engine_stop();
}
END_TEST

START_TEST(runs_of_different_arenas_do_not_join)
{
	uint32_t got, first[2];
	bool was_cold;
	ck_assert(engine_start(2, 32 * MIB));
	for (unsigned i = 0; i < 2; i++) {
		first[i] = range_extend(i, 1, 0, &got);
		runs_free_as_marked(&arenas.at[i].runs, first[i], got, 0);
		ck_assert_uint_eq(runs_free_length(&arenas.at[i].runs, first[i]), got);
	}
	ck_engine_is_whole(0);
	ck_assert(!runs_take_at(&arenas.at[0].runs, first[1], 1, &was_cold));
	ck_assert_uint_eq(runs_free_length(&arenas.at[0].runs, first[1]), 0);
	/* At the very end of what is committed there is no neighbour to look at. */
	ck_assert_uint_eq(runs_free_length(&arenas.at[1].runs, range_committed()), 0);
	engine_stop();
}
END_TEST

START_TEST(marks_are_set_and_counted_page_by_page)
{
	static unsigned char marks[CHUNK_PAGES];
	start(1);
	memset(marks, 0, sizeof(marks));
	model.random = 3;
	for (int i = 0; i < 3000; i++) {
		uint32_t page = random_below(CHUNK_PAGES), pages = random_below(CHUNK_PAGES - page + 1),
			 count = 0;
		bool is_hot = random_below(2) == 0;
		if (random_below(2) == 0)
			pages = MIN(pages, 70u);
		hot_mark(page, pages, is_hot);
		memset(marks + page, is_hot, pages);
		page = random_below(CHUNK_PAGES);
		pages = random_below(CHUNK_PAGES - page + 1);
		for (uint32_t k = 0; k < pages; k++)
			count += marks[page + k];
		ck_need(hot_count(page, pages) == count);
	}
	engine_stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, random_work_follows_a_model_of_pages, 0, 4);
	tcase_add_test(tests, what_is_left_of_a_run_keeps_its_age);
	tcase_add_test(tests, a_large_old_run_joined_by_a_small_fresh_one_stays_old);
	tcase_add_test(tests, a_restored_run_is_as_old_as_it_was_and_as_warm_as_its_marks);
	tcase_add_loop_test(tests, what_is_resident_of_a_long_run_is_taken_before_pages_that_fault, 0,
	    (int)ARRAY_LENGTH(warm_takes));
	tcase_add_loop_test(tests, the_only_run_is_found_however_little_of_it_is_resident, 0, 20);
	tcase_add_test(tests, runs_of_different_arenas_do_not_join);
	tcase_add_test(tests, marks_are_set_and_counted_page_by_page);
}

int main(void)
{
	return run_suite("runs", add_tests);
}
