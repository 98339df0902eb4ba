/*
 * test_batch.c -- token batches: when one goes out, large tokens, offers that are refused. Time is
 * an argument: nothing here waits.
 */
#include "batch_lanes.h"

/* --- limits ---------------------------------------------------------------------- */

START_TEST(the_default_config_is_what_the_header_says)
{
	struct weir_batcher_config config = weir_batcher_config_default();

	ck_assert_uint_eq(config.max_tokens, 64);
	ck_assert_uint_eq(config.max_bytes, 65536);
	ck_assert_uint_eq(config.first_bytes, 4096);
	ck_assert_uint_eq(config.max_pending_bytes, 65536);
	ck_assert_uint_eq(config.max_age_ns, 20 * MS);
	ck_assert_uint_eq(config.retry_ns, 10 * MS);
	ck_assert_uint_eq(config.max_idle_ns, 5 * MINUTE);
	ck_assert_ptr_null(config.flush);
}
END_TEST

START_TEST(a_config_out_of_bounds_makes_no_batcher)
{
	struct weir_batcher *none = (void *)&seen;
	struct weir_batcher_config wrong[7];

	pool = checked_pool_start(64, 4096);
	for (int i = 0; i < 7; i++)
		wrong[i] = plain();
	wrong[0].flush = NULL;
	wrong[1].max_bytes = 4097;
	wrong[2].first_bytes = 1025;
	wrong[3].max_pending_bytes = 1023;
	wrong[4].retry_ns = 0;
	wrong[5].first_bytes = 0;
	wrong[6].reserved[7] = 1;
	for (int i = 0; i < 7; i++) {
		ck_assert_int_eq(weir_batcher_create(&none, pool, &wrong[i]), WEIR_ERROR_INVALID);
		ck_assert_ptr_null(none);
	}
	ck_assert_int_eq(pool->retained, 0);
}
END_TEST

START_TEST(a_batch_goes_out_when_it_has_its_count)
{
	struct weir_batcher_config config = plain();

	config.max_tokens = 3;
	start(&config);
	add_all(0, "ab", 2);
	ck_assert_uint_eq(seen.offers, 0);
	add_all(0, "ab", 1);
	ck_assert_uint_eq(seen.offers, 1);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_COUNT);
	ck_assert_uint_eq(seen.last.tokens, 3);
	ck_text(0, "ababab");
	add_all(0, "c", 7);
	ck_assert_uint_eq(seen.offers, 3);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 1);
	stop();
	ck_text(0, "abababccccccc");
}
END_TEST

START_TEST(a_batch_goes_out_when_it_has_its_bytes)
{
	char token[512];

	start_plain();
	memset(token, 'x', sizeof(token));
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 500), 0);
	ck_assert_uint_eq(seen.offers, 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 512), 0);
	ck_assert_uint_eq(seen.offers, 0);
	/* 1,012 and 13 would be one too many: what was there goes first, whole. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 13), 0);
	ck_assert_uint_eq(seen.offers, 1);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_BYTES);
	ck_assert_uint_eq(seen.last.bytes, 1012);
	ck_assert_uint_eq(seen.last.tokens, 2);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 13);
	/* To the last byte of the limit: it goes with it. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[1].id, token, 512), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[1].id, token, 512), 0);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_uint_eq(seen.last.bytes, 1024);
	stop();
}
END_TEST

START_TEST(a_batch_goes_out_at_its_age_and_not_before)
{
	start_plain();
	weir_batcher_maintain(batcher, 1000 * MS);
	add_all(0, "first", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 1010 * MS), 1020 * MS);
	add_all(0, " second", 1);
	add_all(1, "other", 1);
	weir_batcher_maintain(batcher, 1020 * MS - 1);
	ck_assert_uint_eq(seen.offers, 0);
	ck_assert_uint_eq(weir_batcher_next_ns(batcher), 1020 * MS);
	/* The first token's age counts; the other stream's is younger. */
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 1020 * MS), 1030 * MS);
	ck_assert_uint_eq(seen.offers, 1);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_AGE);
	ck_text(0, "first second");
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 1030 * MS), UINT64_MAX);
	ck_text(1, "other");
	stop();
}
END_TEST

/* Among many streams some share a queue. */
START_TEST(what_is_due_does_not_take_along_what_is_not)
{
	static struct lane many[64];

	start_plain();
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 64; i++) {
		ck_assert_int_eq(weir_stream_open(batcher, &many[i], &many[i].id), 0);
		weir_batcher_maintain(batcher, (uint64_t)i * MS / 4);
		ck_assert_int_eq(weir_stream_add(batcher, many[i].id, "x", 1), 0);
	}
	for (unsigned i = 0; i < 64; i++) {
		weir_batcher_maintain(batcher, 20 * MS + i * MS / 4);
		ck_assert_uint_eq(seen.offers, i + 1);
		ck_assert_uint_eq(many[i].length, 1);
	}
	stop();
}
END_TEST

START_TEST(time_that_goes_back_counts_as_the_latest)
{
	start_plain();
	weir_batcher_maintain(batcher, 1000 * MS);
	add_all(0, "x", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 5 * MS), 1020 * MS);
	add_all(1, "y", 1);
	ck_assert_uint_eq(weir_batcher_next_ns(batcher), 1020 * MS);
	weir_batcher_maintain(batcher, 1020 * MS);
	ck_assert_uint_eq(seen.offers, 2);
	stop();
}
END_TEST

START_TEST(a_flush_hands_out_one_span_of_the_pools_memory)
{
	start_plain();
	add_all(0, "hello ", 100);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_DEMAND);
	ck_assert_int_eq(seen.last.span_count, 1);
	ck_assert_uint_eq(seen.last.bytes, 600);
	ck_assert(seen.was_in_pool);
	/* Nothing left, nothing offered. */
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(seen.offers, 1);
	stop();
}
END_TEST

START_TEST(a_buffer_grows_by_the_growth_factor_up_to_the_largest_batch)
{
	static const size_t steps[] = {64, 96, 144, 216, 324, 486, 729, 1024};
	size_t step = 0;

	start_plain();
	for (int i = 0; i < 1023; i++) {
		add_all(0, "x", 1);
		if (metrics().buffer_bytes != steps[step])
			step++;
		ck_need(metrics().buffer_bytes == steps[step]);
		ck_need(metrics().buffers_held == 1);
	}
	ck_assert_uint_eq(step, ARRAY_LENGTH(steps) - 1);
	ck_assert_uint_eq(metrics().growths, ARRAY_LENGTH(steps) - 1);
	ck_assert_uint_eq(seen.offers, 0);
	add_all(0, "x", 1);
	ck_assert_uint_eq(seen.last.bytes, 1024);
	ck_assert_uint_eq(pool->largest, 1024);
	stop();
}
END_TEST

START_TEST(a_flush_gives_the_buffer_back)
{
	start_plain();
	add_all(0, "x", 1);
	add_all(1, "y", 1);
	ck_assert_uint_eq(pool->out, 2);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(pool->out, 1);
	weir_batcher_maintain(batcher, 20 * MS);
	ck_assert_uint_eq(pool->out, 0);
	stop();
}
END_TEST

START_TEST(a_full_batch_keeps_its_buffer_for_the_next_until_none_comes)
{
	struct weir_batcher_config config = plain();
	uint64_t requests;

	config.max_tokens = 2;
	start(&config);
	add_all(0, "x", 2);
	ck_assert_uint_eq(pool->out, 1);
	requests = pool->requests;
	add_all(0, "x", 100);
	ck_assert_uint_eq(pool->requests, requests);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 19 * MS), 20 * MS);
	ck_assert_uint_eq(pool->out, 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 20 * MS), UINT64_MAX);
	ck_assert_uint_eq(pool->out, 0);
	stop();
}
END_TEST

/* --- large tokens ------------------------------------------------------------------ */

START_TEST(a_large_token_goes_out_alone_uncopied_behind_what_was_there)
{
	start_plain();
	make_large();
	add_all(0, "before", 1);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), 0);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_int_eq(seen.reasons[0], WEIR_FLUSH_BYTES);
	ck_assert_int_eq(seen.reasons[1], WEIR_FLUSH_LARGE);
	ck_assert_ptr_eq(seen.last_start, large);
	ck_assert_uint_eq(seen.last.tokens, 1);
	ck_assert_uint_eq(lanes[0].length, 3006);
	ck_assert_mem_eq(lanes[0].text + 6, large, sizeof(large));
	ck_assert_uint_eq(metrics().tokens, 2);
	stop();
}
END_TEST

START_TEST(what_a_callback_leaves_of_a_large_token_is_kept)
{
	start_plain();
	make_large();
	seen.takes = 1000;
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), 0);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 2000);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, sizeof(large));
	ck_assert_mem_eq(lanes[0].text, large, sizeof(large));
	stop();
}
END_TEST

START_TEST(a_large_token_of_which_nothing_is_taken_stays_with_the_caller)
{
	start_plain();
	make_large();
	seen.takes = -11;
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), WEIR_ERROR_AGAIN);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 0);
	/* What was before it is not taken: it is not even offered. */
	add_all(0, "before", 1);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_BYTES);
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "before");
	ck_assert_uint_eq(metrics().tokens_refused_full, 2);
	stop();
}
END_TEST

/* --- offers that are refused ---------------------------------------------------------- */

START_TEST(what_is_not_taken_comes_again_first_and_only_once)
{
	start_plain();
	add_all(0, "0123456789", 1);
	seen.takes = 4;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	add_all(0, "abcdef", 1);
	seen.takes = 0;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	seen.takes = 8;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	ck_text(0, "0123456789ab");
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "0123456789abcdef");
	ck_assert_uint_eq(metrics().flushes_refused, 3);
	ck_assert_uint_eq(pool->errors[POOL_ERROR_FLUSH_FAILED], 3);
	stop();
}
END_TEST

START_TEST(a_refused_offer_is_repeated_after_its_time)
{
	start_plain();
	weir_batcher_maintain(batcher, 100 * MS);
	add_all(0, "x", 1);
	seen.takes = -1;
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 120 * MS), 130 * MS);
	ck_assert_uint_eq(seen.offers, 1);
	add_all(0, "y", 1);
	weir_batcher_maintain(batcher, 130 * MS - 1);
	ck_assert_uint_eq(seen.offers, 1);
	seen.takes = INT64_MAX;
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 130 * MS), UINT64_MAX);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_RETRY);
	ck_text(0, "xy");
	stop();
}
END_TEST

START_TEST(after_a_refusal_no_limit_brings_about_an_offer)
{
	struct weir_batcher_config config = plain();

	config.max_tokens = 2;
	start(&config);
	seen.takes = 0;
	add_all(0, "a", 2);
	ck_assert_uint_eq(seen.offers, 1);
	add_all(0, "b", 1000);
	ck_assert_uint_eq(seen.offers, 1);
	seen.takes = INT64_MAX;
	weir_batcher_maintain(batcher, 10 * MS);
	ck_assert_uint_eq(lanes[0].length, 1002);
	add_all(0, "c", 2);
	ck_assert_uint_eq(lanes[0].length, 1004);
	stop();
}
END_TEST

START_TEST(a_full_backlog_refuses_tokens_and_keeps_nothing_of_them)
{
	struct weir_batcher_config config = plain();
	char token[100];

	config.max_pending_bytes = 2048;
	start(&config);
	memset(token, 't', sizeof(token));
	seen.takes = 0;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 100), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 49), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 48), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 1), WEIR_ERROR_AGAIN);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 2048);
	ck_assert_uint_le(metrics().buffer_bytes, 2048 + 1024);
	ck_assert_uint_le(pool->largest, 1024);
	ck_assert_uint_eq(metrics().tokens_refused_full, 2);
	ck_assert_uint_eq(pool->errors[POOL_ERROR_TOKEN_REFUSED], 2);
	/* Others are not concerned. */
	seen.takes = INT64_MAX;
	add_all(1, "fine", 1);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[1].id), 0);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 2048);
	ck_assert_int_gt(seen.last.span_count, 1);
	stop();
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_default_config_is_what_the_header_says);
	tcase_add_test(tests, a_config_out_of_bounds_makes_no_batcher);
	tcase_add_test(tests, a_batch_goes_out_when_it_has_its_count);
	tcase_add_test(tests, a_batch_goes_out_when_it_has_its_bytes);
	tcase_add_test(tests, a_batch_goes_out_at_its_age_and_not_before);
	tcase_add_test(tests, what_is_due_does_not_take_along_what_is_not);
	tcase_add_test(tests, time_that_goes_back_counts_as_the_latest);
	tcase_add_test(tests, a_flush_hands_out_one_span_of_the_pools_memory);
	tcase_add_test(tests, a_buffer_grows_by_the_growth_factor_up_to_the_largest_batch);
	tcase_add_test(tests, a_flush_gives_the_buffer_back);
	tcase_add_test(tests, a_full_batch_keeps_its_buffer_for_the_next_until_none_comes);
	tcase_add_test(tests, a_large_token_goes_out_alone_uncopied_behind_what_was_there);
	tcase_add_test(tests, what_a_callback_leaves_of_a_large_token_is_kept);
	tcase_add_test(tests, a_large_token_of_which_nothing_is_taken_stays_with_the_caller);
	tcase_add_test(tests, what_is_not_taken_comes_again_first_and_only_once);
	tcase_add_test(tests, a_refused_offer_is_repeated_after_its_time);
	tcase_add_test(tests, after_a_refusal_no_limit_brings_about_an_offer);
	tcase_add_test(tests, a_full_backlog_refuses_tokens_and_keeps_nothing_of_them);
}

int main(void)
{
	return run_suite("batch", add_tests);
}
