/*
 * test_batch_stream.c -- token batches: what callbacks may do, how streams end, and scarce memory. Time is an
 * argument: nothing here waits.
 */
#include "batch_lanes.h"

/* --- within the callback -------------------------------------------------------------- */

static void add_to_other(const struct weir_batch *batch)
{
	(void)batch;
	add_all(1, "elsewhere", 1);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[1].id), 0);
}

START_TEST(a_callback_may_use_other_streams)
{
	start_plain();
	add_all(0, "here", 1);
	seen.within = add_to_other;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "here");
	ck_text(1, "elsewhere");
	stop();
}
END_TEST

static void add_to_itself(const struct weir_batch *batch)
{
	const char *start_of = batch->spans[0].iov_base;

	ck_assert_int_eq(weir_stream_flush(batcher, batch->stream), WEIR_ERROR_BUSY);
	add_all(0, "later ", 100);
	/* What is offered stays as it is. */
	ck_assert_mem_eq(start_of, "now ", 4);
	ck_assert_uint_eq(weir_stream_pending(batcher, batch->stream), 604);
}

START_TEST(tokens_that_a_callback_adds_to_its_own_stream_come_after_it)
{
	start_plain();
	add_all(0, "now ", 1);
	seen.within = add_to_itself;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_text(0, "now ");
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 600);
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 604);
	stop();
}
END_TEST

START_TEST(tokens_added_while_an_offer_fails_come_after_what_it_left)
{
	start_plain();
	add_all(0, "now ", 1);
	seen.within = add_to_itself;
	seen.takes = 1;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	seen.takes = INT64_MAX;
	weir_batcher_maintain(batcher, 10 * MS);
	ck_assert_uint_eq(lanes[0].length, 604);
	ck_assert_mem_eq(lanes[0].text, "now later later ", 16);
	stop();
}
END_TEST

static void add_later(const struct weir_batch *batch)
{
	(void)batch;
	add_all(0, "later", 1);
}

START_TEST(tokens_added_while_a_large_one_is_offered_come_after_its_rest)
{
	start_plain();
	make_large();
	seen.within = add_later;
	seen.takes = 1000;
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, large, sizeof(large)), 0);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 2005);
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 3005);
	ck_assert_mem_eq(lanes[0].text, large, sizeof(large));
	ck_assert_mem_eq(lanes[0].text + 3000, "later", 5);
	stop();
}
END_TEST

static void discard_itself(const struct weir_batch *batch)
{
	ck_assert_int_eq(weir_stream_close(batcher, batch->stream, WEIR_CLOSE_DISCARD), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(add(0, "x"), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(seen.closed, 0);
}

START_TEST(a_callback_may_close_its_own_stream_and_what_it_took_counts)
{
	start_plain();
	add_all(0, "0123456789", 1);
	seen.within = discard_itself;
	seen.takes = 4;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_uint_eq(seen.dropped_bytes, 6);
	ck_text(0, "0123");
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(metrics().streams, LANES - 1);
	ck_assert_uint_eq(pool->out, 0);
	stop();
}
END_TEST

static void destroy_all(const struct weir_batch *batch)
{
	(void)batch;
	ck_assert_int_eq(weir_batcher_destroy(batcher), WEIR_ERROR_BUSY);
}

START_TEST(a_callback_cannot_destroy_its_batcher)
{
	start_plain();
	add_all(0, "x", 1);
	seen.within = destroy_all;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	add_all(0, "y", 1);
	stop();
	ck_text(0, "xy");
}
END_TEST

/* --- closing -------------------------------------------------------------------------- */

START_TEST(a_stream_that_is_closed_drains_first)
{
	start_plain();
	add_all(0, "rest", 1);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DRAIN), 0);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_CLOSE);
	ck_text(0, "rest");
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_uint_eq(seen.dropped_bytes, 0);
	stop();
}
END_TEST

START_TEST(a_stream_whose_rest_is_refused_closes_when_it_is_taken)
{
	start_plain();
	add_all(0, "rest", 1);
	seen.takes = 1;
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DRAIN), WEIR_ERROR_AGAIN);
	ck_assert_int_eq(add(0, "more"), WEIR_ERROR_NOT_FOUND);
	ck_assert_uint_eq(seen.closed, 0);
	seen.takes = INT64_MAX;
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 10 * MS), UINT64_MAX);
	ck_assert_uint_eq(seen.closed, 1);
	ck_text(0, "rest");
	stop();
}
END_TEST

START_TEST(a_stream_that_is_discarded_drops_what_it_holds_and_says_so)
{
	start_plain();
	add_all(0, "12345", 2);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DISCARD), 0);
	ck_assert_uint_eq(seen.offers, 0);
	ck_assert_uint_eq(seen.dropped_bytes, 10);
	ck_assert_uint_eq(metrics().dropped_bytes, 10);
	ck_assert_uint_eq(metrics().tokens, 2);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[0].id, WEIR_CLOSE_DISCARD), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_stream_close(batcher, lanes[1].id, 2), WEIR_ERROR_INVALID);
	stop();
}
END_TEST

START_TEST(the_id_of_a_closed_stream_names_no_other)
{
	weir_stream stale, other = 0;

	start_plain();
	stale = lanes[0].id;
	ck_assert_int_eq(weir_stream_close(batcher, stale, WEIR_CLOSE_DISCARD), 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(weir_stream_open(batcher, &lanes[0], &other), 0);
		ck_need(other != stale && other != 0);
		ck_need(weir_stream_add(batcher, stale, "x", 1) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_stream_add(batcher, other, "x", 1) == 0);
		/* Now that there is room for more in its place, too. */
		ck_need(weir_stream_add(batcher, stale, "x", 1) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_stream_pending(batcher, other) == 1);
		ck_need(weir_stream_flush(batcher, stale) == WEIR_ERROR_NOT_FOUND);
		ck_need(weir_stream_pending(batcher, stale) == 0);
		ck_assert_int_eq(weir_stream_close(batcher, other, WEIR_CLOSE_DRAIN), 0);
	}
	ck_assert_int_eq(weir_stream_add(batcher, 0, "x", 1), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_stream_add(batcher, UINT64_MAX, "x", 1), WEIR_ERROR_NOT_FOUND);
	ck_assert_int_eq(weir_stream_flush(batcher, 0), WEIR_ERROR_NOT_FOUND);
	stop();
}
END_TEST

START_TEST(destroying_a_batcher_offers_all_once_and_says_what_was_dropped)
{
	start_plain();
	add_all(0, "taken", 1);
	add_all(1, "not", 1);
	seen.takes = 3;
	ck_assert_int_eq(weir_batcher_destroy(batcher), 2);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_uint_eq(seen.closed, LANES);
	ck_assert_uint_eq(seen.dropped_bytes, 2);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_int_eq(pool->retained, 0);
	ck_assert_int_eq(weir_batcher_destroy(NULL), 0);
}
END_TEST

/* --- streams that were left ------------------------------------------------------------- */

START_TEST(an_abandoned_stream_is_offered_once_more_dropped_and_closed)
{
	uint64_t now = 0;

	start_plain();
	add_all(0, "nobody takes it", 1);
	seen.takes = 0;
	for (; now < 5 * MINUTE; now += SECOND)
		weir_batcher_maintain(batcher, now);
	ck_assert_uint_eq(seen.closed, 0);
	ck_assert_uint_eq(pool->out, 1);
	weir_batcher_maintain(batcher, now + SECOND);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_ABANDONED);
	ck_assert_uint_eq(seen.closed, 1);
	ck_assert_uint_eq(seen.dropped_bytes, 15);
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_uint_eq(metrics().streams_abandoned, 1);
	ck_assert_int_eq(add(0, "x"), WEIR_ERROR_NOT_FOUND);
	stop();
}
END_TEST

START_TEST(a_stream_that_is_still_added_to_is_not_abandoned)
{
	start_plain();
	seen.takes = 0;
	for (uint64_t now = 0; now < 20 * MINUTE; now += 4 * MINUTE) {
		weir_batcher_maintain(batcher, now);
		add_all(0, "x", 1);
		weir_batcher_maintain(batcher, now + 20 * MS);
	}
	ck_assert_uint_eq(seen.closed, 0);
	stop();
}
END_TEST

START_TEST(a_batch_without_an_age_limit_goes_out_when_it_was_left_and_the_stream_stays)
{
	struct weir_batcher_config config = plain();

	config.max_age_ns = 0;
	start(&config);
	add_all(0, "left", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, MINUTE), 5 * MINUTE);
	ck_assert_uint_eq(seen.offers, 0);
	weir_batcher_maintain(batcher, 5 * MINUTE);
	ck_text(0, "left");
	ck_assert_uint_eq(pool->out, 0);
	ck_assert_uint_eq(seen.closed, 0);
	add_all(0, "x", 1);
	stop();
}
END_TEST

/* --- scarce memory -------------------------------------------------------------------- */

START_TEST(under_medium_pressure_batches_go_out_earlier_and_fill_half)
{
	start_plain();
	pool->pressure = WEIR_PRESSURE_MEDIUM;
	weir_batcher_maintain(batcher, 0);
	add_all(0, "x", 511);
	ck_assert_uint_eq(seen.offers, 0);
	add_all(0, "x", 1);
	ck_assert_uint_eq(seen.sizes[0], 512);
	ck_assert_uint_le(pool->largest, 512);
	add_all(0, "y", 1);
	ck_assert_uint_eq(weir_batcher_maintain(batcher, 4 * MS), 5 * MS);
	weir_batcher_maintain(batcher, 5 * MS);
	ck_assert_int_eq(seen.last.reason, WEIR_FLUSH_PRESSURE);
	ck_assert_uint_eq(pool->out, 0);
	/* A token that is larger than that is still gathered, if one batch can hold it. */
	make_large();
	ck_assert_int_eq(weir_stream_add(batcher, lanes[1].id, large, 1000), 0);
	ck_assert_uint_eq(seen.last.bytes, 1000);
	ck_assert(seen.was_in_pool);
	stop();
}
END_TEST

START_TEST(under_critical_pressure_everything_goes_out_and_little_is_filled)
{
	start_plain();
	add_all(0, "x", 700);
	add_all(1, "y", 10);
	pool->pressure = WEIR_PRESSURE_CRITICAL;
	weir_batcher_maintain(batcher, 1);
	ck_assert_uint_eq(seen.offers, 2);
	ck_assert_uint_eq(pool->out, 0);
	add_all(0, "z", 64);
	ck_assert_uint_eq(seen.last.bytes, 64);
	ck_assert_uint_eq(pool->out, 0);
	/* And when it has passed all is as before. */
	pool->pressure = WEIR_PRESSURE_NONE;
	weir_batcher_maintain(batcher, 2);
	add_all(0, "z", 1023);
	ck_assert_uint_eq(seen.offers, 3);
	stop();
}
END_TEST

START_TEST(under_pressure_what_cannot_go_out_moves_into_smaller_buffers)
{
	start_plain();
	add_all(0, "x", 1000);
	seen.takes = 900;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), WEIR_ERROR_AGAIN);
	seen.takes = 0;
	ck_assert_uint_eq(pool->out_bytes, 1024);
	pool->pressure = WEIR_PRESSURE_CRITICAL;
	weir_batcher_maintain(batcher, 1);
	ck_assert_uint_eq(pool->out_bytes, 100);
	ck_assert_uint_eq(metrics().shrinks, 1);
	seen.takes = INT64_MAX;
	ck_assert_int_eq(weir_stream_flush(batcher, lanes[0].id), 0);
	ck_assert_uint_eq(lanes[0].length, 1000);
	stop();
}
END_TEST

START_TEST(without_memory_a_token_is_refused_whole_and_what_is_held_goes_out_first)
{
	char token[100] = "tok";

	start_plain();
	pool->is_failing = true;
	ck_assert_int_eq(add(0, "x"), WEIR_ERROR_NO_MEMORY);
	ck_assert_uint_eq(weir_stream_pending(batcher, lanes[0].id), 0);
	pool->is_failing = false;
	add_all(0, "held", 1);
	pool->is_failing = true;
	/* The buffer of 64 cannot grow. What is in it is offered, and still there is no room. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 100), WEIR_ERROR_NO_MEMORY);
	ck_text(0, "held");
	/* But for what fits into it there is. */
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 60), 0);
	ck_assert_int_eq(weir_stream_add(batcher, lanes[0].id, token, 60), 0);
	ck_assert_uint_eq(metrics().tokens_refused_memory, 2);
	ck_assert_uint_ge(pool->failed, 3);
	stop();
	ck_assert_uint_eq(lanes[0].length, 124);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_callback_may_use_other_streams);
	tcase_add_test(tests, tokens_that_a_callback_adds_to_its_own_stream_come_after_it);
	tcase_add_test(tests, tokens_added_while_an_offer_fails_come_after_what_it_left);
	tcase_add_test(tests, tokens_added_while_a_large_one_is_offered_come_after_its_rest);
	tcase_add_test(tests, a_callback_may_close_its_own_stream_and_what_it_took_counts);
	tcase_add_test(tests, a_callback_cannot_destroy_its_batcher);
	tcase_add_test(tests, a_stream_that_is_closed_drains_first);
	tcase_add_test(tests, a_stream_whose_rest_is_refused_closes_when_it_is_taken);
	tcase_add_test(tests, a_stream_that_is_discarded_drops_what_it_holds_and_says_so);
	tcase_add_test(tests, the_id_of_a_closed_stream_names_no_other);
	tcase_add_test(tests, destroying_a_batcher_offers_all_once_and_says_what_was_dropped);
	tcase_add_test(tests, an_abandoned_stream_is_offered_once_more_dropped_and_closed);
	tcase_add_test(tests, a_stream_that_is_still_added_to_is_not_abandoned);
	tcase_add_test(tests, a_batch_without_an_age_limit_goes_out_when_it_was_left_and_the_stream_stays);
	tcase_add_test(tests, under_medium_pressure_batches_go_out_earlier_and_fill_half);
	tcase_add_test(tests, under_critical_pressure_everything_goes_out_and_little_is_filled);
	tcase_add_test(tests, under_pressure_what_cannot_go_out_moves_into_smaller_buffers);
	tcase_add_test(tests, without_memory_a_token_is_refused_whole_and_what_is_held_goes_out_first);
}

int main(void)
{
	return run_suite("batch_stream", add_tests);
}
