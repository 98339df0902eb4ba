/*
 * test_lib_model.c -- random sequences of everything a program may do with a pool, against a model
 * of a hundred lines: which ids live, what is in them, and what the figures must therefore be.
 *
 * Each sequence has a pool of its own with random settings, and is named by its seed; every other pool is
 * spread over shards from the start.
 * TEST_SEQUENCES=n runs more of them.
 */
#include "lib/engine.h"
#include "lib/state.h"
#include "lib_pool.h"
#include "tests/common/engine.h"
#include "tests/common/pattern.h"

#define STEPS 300
#define HELD_MAX 80
#define STALE_MAX 64

struct holding {
	weir_id id;
	unsigned char *data;
	size_t size, capacity;
	uint64_t seed;
	bool is_temporary;
};

/* What must hold of the pool, as a program knows it. */
static struct model {
	struct weir_pool *pool;
	struct weir_pool_config config;
	uint64_t random;
	struct holding held[HELD_MAX];
	unsigned count;
	weir_id stale[STALE_MAX]; /* released, or never handed out; 0: none */
	uint64_t allocations, too_large, not_found;
} model;

static uint64_t roll(uint64_t sides)
{
	return random_next(&model.random) % sides;
}

static void write_pattern(struct holding *h)
{
	h->seed = random_next(&model.random);
	pattern_fill(h->data, h->size, h->seed, PATTERN_SPARSE);
}

static void check_pattern(const struct holding *h)
{
	ck_need(pattern_check(h->data, h->size, h->seed, PATTERN_SPARSE) == PATTERN_OK);
}

static size_t random_request(void)
{
	unsigned bits = 65 - (unsigned)__builtin_clzll(model.config.max_buffer_bytes);

	return roll(20) == 0 ? 0 : random_size(&model.random, bits);
}

/* Two buffers never share a byte. */
static void check_apart(const struct holding *h)
{
	for (unsigned i = 0; i < model.count; i++) {
		const struct holding *other = &model.held[i];

		ck_need(other->id != h->id);
		ck_need(h->data + h->capacity <= other->data || other->data + other->capacity <= h->data);
	}
}

static void step_allocate(void)
{
	size_t size = random_request();
	struct weir_buffer_info info;
	struct weir_buffer buffer;
	struct holding h;
	int error;

	if (model.count == HELD_MAX)
		return;
	error = weir_pool_allocate(model.pool, size, &buffer);
	if (size > model.config.max_buffer_bytes) {
		ck_need(error == WEIR_ERROR_TOO_LARGE);
		model.too_large++;
		return;
	}
	ck_need(error == WEIR_OK);
	ck_need(buffer.size == MAX(size, model.config.min_buffer_bytes) && buffer.capacity >= buffer.size);
	ck_need((uintptr_t)buffer.data % 64 == 0);
	ck_need(weir_pool_lookup(model.pool, buffer.id, &info) == WEIR_OK);
	h = (struct holding){buffer.id, buffer.data, buffer.size, buffer.capacity, 0, info.is_temporary != 0};
	check_apart(&h);
	write_pattern(&h);
	model.held[model.count++] = h;
	model.allocations++;
}

static void forget(unsigned at)
{
	model.stale[roll(STALE_MAX)] = model.held[at].id;
	model.held[at] = model.held[--model.count];
}

static void step_release(void)
{
	unsigned at;

	if (model.count == 0)
		return;
	at = (unsigned)roll(model.count);
	check_pattern(&model.held[at]);
	ck_need(weir_pool_release(model.pool, model.held[at].id) == WEIR_OK);
	forget(at);
}

static void step_stale(void)
{
	weir_id id = model.stale[roll(STALE_MAX)];
	struct weir_buffer_info info;
	struct weir_buffer buffer;

	if (id == 0)
		return;
	switch (roll(3)) {
	case 0:
		ck_need(weir_pool_release(model.pool, id) == WEIR_ERROR_NOT_FOUND);
		break;
	case 1:
		ck_need(weir_pool_lookup(model.pool, id, &info) == WEIR_ERROR_NOT_FOUND);
		break;
	default:
		ck_need(weir_pool_resize(model.pool, id, 5000, &buffer) == WEIR_ERROR_NOT_FOUND);
	}
	model.not_found++;
}

static void step_resize(void)
{
	struct weir_buffer_info info;
	struct weir_buffer buffer;
	size_t size, wanted, kept;
	struct holding *h, before;
	int error;

	if (model.count == 0)
		return;
	h = &model.held[roll(model.count)];
	before = *h;
	size = random_request();
	error = weir_pool_resize(model.pool, h->id, size, &buffer);
	ck_need(buffer.id == before.id);
	if (error != WEIR_OK) {
		ck_need(error == WEIR_ERROR_TOO_LARGE);
		ck_need(size > model.config.max_buffer_bytes ||
			(size == 0 && before.capacity >= model.config.max_buffer_bytes) ||
			(size == 0 && (size_t)((double)before.capacity * model.config.growth_factor) <=
					  before.capacity));
		ck_need(buffer.data == before.data && buffer.size == before.size);
		model.too_large++;
		check_pattern(h);
		return;
	}
	wanted = size == 0 ? MIN((size_t)((double)before.capacity * model.config.growth_factor),
				 model.config.max_buffer_bytes)
			   : MAX(size, model.config.min_buffer_bytes);
	ck_need(buffer.size == wanted && buffer.capacity >= wanted);
	/* Not much is kept that is not wanted. */
	if (wanted < before.capacity / 2)
		ck_need(buffer.capacity <= MAX(wanted + wanted / 2, (size_t)8192));
	kept = MIN(wanted, before.size);
	before.data = buffer.data;
	if (kept == before.size) {
		check_pattern(&before);
	} else {
		/* The pattern is sparse; the words that both sizes have are the same. */
		ck_need(pattern_check(buffer.data, MIN(kept, (size_t)64), before.seed, PATTERN_DENSE) ==
			PATTERN_OK);
	}
	ck_need(weir_pool_lookup(model.pool, h->id, &info) == WEIR_OK);
	ck_need(info.data == buffer.data && info.capacity == buffer.capacity);
	*h = model.held[--model.count];
	before.size = buffer.size;
	before.capacity = buffer.capacity;
	before.is_temporary = info.is_temporary != 0;
	check_apart(&before);
	write_pattern(&before);
	model.held[model.count++] = before;
}

static void step_time(void)
{
	lib_time += roll(40) * SECOND;
	switch (roll(4)) {
	case 0:
		weir_pool_collect(model.pool);
		break;
	case 1:
		weir_pool_clean_up(model.pool);
		break;
	default:
		weir_pool_maintain(model.pool, 0);
	}
}

static void check_figures(void)
{
	struct weir_pool_metrics m = lib_metrics(model.pool);
	uint64_t own = 0, used = 0, temporary = 0;
	struct weir_pool_errors errors;

	for (unsigned i = 0; i < model.count; i++) {
		const struct holding *h = &model.held[i];

		own += !h->is_temporary;
		used += h->is_temporary ? 0 : h->capacity;
		temporary += h->is_temporary;
	}
	ck_assert_uint_eq(m.buffers_in_use, own);
	ck_assert_uint_eq(m.total_used_bytes, used);
	ck_assert_uint_eq(m.temporary_in_use, temporary);
	ck_assert_uint_eq(m.allocations, model.allocations);
	/* The limits hold, in use and idle together. */
	ck_assert_uint_le(m.buffer_count, model.config.max_buffers);
	if (model.config.max_bytes != 0)
		ck_assert_uint_le(m.total_allocated_bytes, model.config.max_bytes);
	ck_assert_uint_ge(m.total_allocated_bytes, used);
	ck_assert_int_eq(weir_pool_errors(model.pool, &errors), WEIR_OK);
	ck_assert_uint_eq(errors.too_large, model.too_large);
	ck_assert_uint_eq(errors.not_found, model.not_found);
	ck_assert_uint_eq(errors.no_memory + errors.engine_exhausted, 0);
	ck_assert_uint_eq(weir_pool_buffers(model.pool, NULL, 0), m.buffer_count + temporary);
}

static void begin(uint64_t seed)
{
	memset(&model, 0, sizeof(model));
	model.random = seed;
	model.config = lib_config();
	model.config.max_buffers = 1 + roll(60);
	model.config.max_bytes = roll(2) == 0 ? 0 : 64 * KIB + roll(4 * MIB);
	model.config.min_buffer_bytes = roll(3) == 0 ? 1 + roll(8000) : 4096;
	model.config.max_buffer_bytes = 16 * KIB << roll(7);
	model.config.growth_factor = 1.0 + (double)roll(31) / 10;
	model.config.gc_threshold = 0.1 + (double)roll(10) / 11;
	model.config.is_zeroing = roll(4) == 0;
	model.config.max_idle_ns = (1 + roll(400)) * SECOND;
	model.pool = lib_pool(&model.config);
	/* Every other one as if threads had fought for it. */
	if (seed % 2 == 0)
		spread_begin(model.pool);
	/* An id of a pool that is gone. */
	model.stale[0] = (seed + 1) << 20;
}

static void run_sequence(uint64_t seed)
{
	begin(seed);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = (unsigned)roll(100);

		if (what < 45)
			step_allocate();
		else if (what < 75)
			step_release();
		else if (what < 88)
			step_resize();
		else if (what < 94)
			step_stale();
		else
			step_time();
		if (step % 50 == 49)
			check_figures();
	}
	for (unsigned i = 0; i < model.count; i++)
		check_pattern(&model.held[i]);
	ck_assert_int_eq((int)weir_pool_destroy(model.pool), (int)model.count);
}

START_TEST(whatever_a_program_does_the_pool_is_as_the_model_says)
{
	const char *wanted = getenv("TEST_SEQUENCES");
	unsigned long sequences = wanted != NULL ? strtoul(wanted, NULL, 10) : test_rounds(2000);
	static struct pool_stats stats;

	weir_set_log(NULL, NULL, 0);
	lib_machine(50);
	for (unsigned long seed = 1; seed <= sequences; seed++) {
		run_sequence(seed);
		if (seed % 500 == 0 || seed == sequences) {
			ck_engine_is_whole(ENGINE_MAGAZINES_EXACT);
			engine_get()->collect(&stats, NULL, 0);
			ck_assert_msg(stats.buffers_in_use == 0, "seed %lu: the engine misses %u buffers",
			    seed, (unsigned)stats.buffers_in_use);
		}
	}
	lib_machine_gone();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_set_timeout(tests, 600);
	tcase_add_test(tests, whatever_a_program_does_the_pool_is_as_the_model_says);
}

int main(void)
{
	setenv("WEIR_LOG", "error", 1);
	return run_suite("lib_model", add_tests);
}
