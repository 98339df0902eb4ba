/*
 * test_dump_file.c -- what the JSON writer writes is what the reader of dumps reads.
 */
#include <math.h>
#include <string.h>

#include "cli/dump_parse.h"
#include "facts.h"
#include "run_suite.h"

static char text[512 * 1024];

static struct dump *written_and_read(void)
{
	char why[256];
	struct dump *dump;
	struct out out;

	out_init(&out, -1, text, sizeof(text) - 1);
	write_json(&out, &facts);
	ck_assert_int_eq(out.error, 0);
	dump = dump_parse(text, out.used, "written", why, sizeof why);
	ck_assert_msg(dump != NULL, "%s", why);
	return dump;
}

START_TEST(what_is_written_is_read)
{
	facts_reset();
	struct dump *dump = written_and_read();
	ck_assert_str_eq(dump->schema, "weir-dump");
	ck_assert_uint_eq(dump->pid, 4711);
	ck_assert_str_eq(dump->program, "ffmpeg");
	ck_assert_str_eq(dump->taken_at, "2026-01-01T01:02:05.125Z");
	ck_assert(dump->uptime_seconds == 3725.125);
	ck_assert_uint_eq(dump->metrics.total_used_bytes, 60 * MIB);
	ck_assert_uint_eq(dump->metrics.gc_count, 42);
	ck_assert(dump->metrics.reuse_rate == 0.98);
	ck_assert_uint_eq(dump->heap.requested_bytes, 55 * MIB);
	ck_assert_uint_eq(dump->heap.buffers_created, 20000);
	ck_assert_uint_eq(dump->class_count, 2);
	ck_assert_uint_eq(dump->classes[1].allocations, 400000);
	ck_assert_uint_eq(dump->buffer_count, 2);
	ck_assert_uint_eq(dump->buffers[0].size_bytes, 1000000);
	ck_assert(dump->buffers[0].in_use);
	ck_assert_uint_eq(dump->buffers_left_out, 98);
	ck_assert(dump->fallback.is_there);
	ck_assert_uint_eq(dump->fallback.resident, 50 * MIB);
	ck_assert_uint_eq(dump->process.threads, 9);
	ck_assert_str_eq(dump_setting(dump, "gc_interval"), "30s");
	ck_assert_ptr_null(dump_setting(dump, "no_such_setting"));
	ck_assert_uint_eq(dump->setting_count, option_count());
	dump_free(dump);
}
END_TEST

START_TEST(what_is_absent_is_said_to_be)
{
	facts_reset();
	facts.fallback.is_known = false;
	facts.pressure.has_psi = false;
	facts.track.is_active = false;
	struct dump *dump = written_and_read();
	ck_assert(!dump->fallback.is_there);
	ck_assert(!dump->risk.is_there);
	ck_assert(!dump->has_sites);
	ck_assert(isnan(dump->pressure.psi_some_avg10));
	ck_assert(isnan(dump->metrics.memory_leak_risk));
	ck_assert_uint_eq(dump->site_count, 0);
	ck_assert_uint_eq(dump->lifetime_count, 0);
	dump_free(dump);
}
END_TEST

static const char *const names[] = {
    "", "\"", "\\", "\n\x1b[2J", "\xff\xfe", "</script>", "%s%n", "\xe2\x80\xae"};

START_TEST(hostile_names_come_out_printable)
{
	facts_reset();
	strcpy(facts.exe, names[_i]);
	strcpy(facts.boot_id, names[_i]);
	struct dump *dump = written_and_read();
	ck_assert_ptr_null(strpbrk(dump->exe, "\n\x1b\xff"));
	ck_assert_ptr_null(strstr(dump->boot_id, "\xe2\x80\xae"));
	ck_assert_ptr_nonnull(dump->program);
	dump_free(dump);
}
END_TEST

START_TEST(the_largest_count_stays_the_largest)
{
	facts_reset();
	facts.pool.limit_bytes = UINT64_MAX;
	facts.pool.allocations = 1ull << 53;
	struct dump *dump = written_and_read();
	ck_assert_uint_eq(dump->heap.limit_bytes, UINT64_MAX);
	ck_assert_uint_eq(dump->metrics.allocations, 1ull << 53);
	dump_free(dump);
}
END_TEST

START_TEST(a_refusal_is_one_printable_line)
{
	char why[64] = "not touched";

	ck_assert_ptr_null(dump_parse("{\"schema\": 5}", 13, "a\033b\nc", why, sizeof why));
	ck_assert_ptr_nonnull(strstr(why, "a?b?c: is JSON"));
	ck_assert_ptr_null(strpbrk(why, "\n\033"));
	ck_assert_ptr_null(dump_parse("", 0, "x", why, sizeof why));
	ck_assert_str_eq(why, "x: is empty");
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, what_is_written_is_read);
	tcase_add_test(tests, what_is_absent_is_said_to_be);
	tcase_add_loop_test(tests, hostile_names_come_out_printable, 0, (int)ARRAY_LENGTH(names));
	tcase_add_test(tests, the_largest_count_stays_the_largest);
	tcase_add_test(tests, a_refusal_is_one_printable_line);
}

int main(void)
{
	return run_suite("dump_file", add_tests);
}
