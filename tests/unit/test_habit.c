/*
 * test_habit.c -- who only takes and who only gives, by misses and overflows alone.
 */
#include "pool/habit.h"
#include "run_suite.h"

/* So many misses in each of so many ticks: what the last one was taken for. */
static enum habit habit_after(unsigned misses, unsigned ticks, uint32_t *now)
{
	enum habit habit = HABIT_NONE;
	*now += 40; /* what was before is forgotten */
	for (unsigned tick = 0; tick < ticks; tick++, ++*now)
		for (unsigned i = 0; i < misses; i++)
			habit = habit_note_miss(i % 3, *now);
	return habit;
}

START_TEST(who_misses_often_and_gives_nothing_back_only_takes_and_who_does_so_slowly_does_not)
{
	uint32_t now = 1;
	habit_forget();
	ck_assert_int_eq(habit_after(2047, 1, &now), HABIT_NONE);
	ck_assert_int_eq(habit_after(2048, 1, &now), HABIT_TAKES_MANY);
	ck_assert_int_eq(habit_note_miss(1, now - 1), HABIT_TAKES_ONE_SIZE);
	/* It goes on with the next tick. */
	ck_assert_int_eq(habit_note_miss(2, now), HABIT_TAKES_MANY);
	ck_assert_int_eq(habit_after(1100, 2, &now), HABIT_TAKES_MANY);
	/* However many, but never so many at a time. */
	ck_assert_int_eq(habit_after(1000, 200, &now), HABIT_NONE);
	ck_assert_int_eq(habit_after(2048, 1, &now), HABIT_TAKES_MANY);
	habit_note_overflow();
	ck_assert_int_eq(habit_note_miss(0, now), HABIT_NONE);
}
END_TEST

START_TEST(who_was_fast_and_waited_for_some_ticks_still_is)
{
	uint32_t now = 1;

	habit_forget();
	ck_assert_int_eq(habit_after(20000, 1, &now), HABIT_TAKES_MANY);
	now += 3;
	ck_assert_int_eq(habit_note_miss(0, now), HABIT_TAKES_MANY);
	/* Having missed once there, and nothing before that. */
	ck_assert_int_eq(habit_note_miss(1, now + 1), HABIT_NONE);
	ck_assert_int_eq(habit_after(20000, 1, &now), HABIT_TAKES_MANY);
	ck_assert_int_eq(habit_note_miss(1, now + 4), HABIT_NONE);
}
END_TEST

START_TEST(who_only_overflows_only_gives_until_it_misses)
{
	habit_forget();
	for (unsigned i = 0; i < 7; i++)
		ck_assert(!habit_note_overflow());
	ck_assert(habit_note_overflow());
	ck_assert(habit_note_overflow());
	habit_note_miss(1, 5);
	ck_assert(!habit_note_overflow());
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(
	    tests, who_misses_often_and_gives_nothing_back_only_takes_and_who_does_so_slowly_does_not);
	tcase_add_test(tests, who_was_fast_and_waited_for_some_ticks_still_is);
	tcase_add_test(tests, who_only_overflows_only_gives_until_it_misses);
}

int main(void)
{
	return run_suite("habit", add_tests);
}
