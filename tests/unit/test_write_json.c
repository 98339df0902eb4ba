/*
 * test_write_json.c -- the JSON dump: read back by another's parser, with the
 * names of weir-dump(5), whatever the facts are.
 */

#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "facts.h"
#include "run_suite.h"

static char text[256 * 1024];
static size_t length;

/* Written, parsed strictly (no duplicate names, UTF-8, finite numbers), or NULL. */
static json_t *written(void)
{
	struct out out;
	out_init(&out, -1, text, sizeof(text) - 1);
	write_json(&out, &facts);
	ck_assert_int_eq(out.error, 0);
	text[out.used] = '\0';
	length = out.used;
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json != NULL, "line %d: %s", error.line, error.text);
	return json;
}

static json_t *at(json_t *json, const char *object, const char *name)
{
	json_t *value = json_object_get(json_object_get(json, object), name);
	ck_assert_msg(value != NULL, "%s.%s is missing", object, name);
	return value;
}

static void names_are(json_t *object, const char *const *names)
{
	size_t count = 0;
	for (; names[count] != NULL; count++)
		ck_assert_msg(json_object_get(object, names[count]) != NULL, "%s is missing", names[count]);
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		bool is_known = false;
		for (size_t i = 0; i < count; i++)
			is_known |= strcmp(names[i], name) == 0;
		ck_assert_msg(is_known, "%s is not promised", name);
	}
}

static const char *const top_names[] = {"schema", "schema_version", "weir_version", "pid", "program", "exe",
    "boot_id", "started_at", "taken_at", "uptime_seconds", "sequence", "trigger", "config", "metrics",
    "buffers", "buffers_left_out", "classes", "heap", "pressure", "fallback", "process", "recommendations",
    "health", "risk", "sites", "sites_not_listed", "not_listed", "lifetimes", "lifetimes_by_size", "tracking",
    "mappings", NULL};
static const char *const metric_names[] = {"total_allocated_bytes", "total_used_bytes", "buffer_count",
    "buffers_in_use", "pool_utilization", "gc_count", "memory_leak_risk", "average_buffer_size_bytes",
    "last_memory_pressure", "allocations", "reuse_rate", "temporary_buffers", "purged_bytes",
    "resident_bytes", "errors", NULL};
static const char *const buffer_names[] = {"id", "size_bytes", "capacity_bytes", "age_seconds", "created_at",
    "last_used_at", "in_use", "use_count", "site", NULL};
static const char *const class_names[] = {"size_bytes", "in_use", "idle", "allocations", NULL};
static const char *const fallback_names[] = {"allocated", "active", "resident", "retained", "metadata", NULL};
static const char *const health_names[] = {"buffer_count", "total_memory_allocated", "pool_utilization",
    "memory_leak_risk", "recommendations", NULL};
static const char *const risk_names[] = {"score", "level", "reason", "confidence", "time_to_limit_seconds",
    "growth_bytes_per_hour", "site", "is_fragmenting", NULL};
static const char *const site_names[] = {"id", "risk", "level", "reason", "why", "confidence", "live_objects",
    "live_bytes", "allocated_objects", "allocated_bytes", "freed_objects", "growth_bytes_per_hour",
    "stuck_objects", "stuck_bytes_per_hour", "lifetime_p50_seconds", "lifetime_p99_seconds",
    "age_p50_seconds", "time_to_limit_seconds", "is_overflow", "frames", NULL};
static const char *const frame_names[] = {"pc", "module", "offset", NULL};
static const char *const lifetime_names[] = {"from_seconds", "to_seconds", "freed", "live", NULL};
static const char *const mapping_names[] = {
    "start", "end", "offset", "bias", "path", "build_id", "is_gone", NULL};

START_TEST(the_names_are_those_of_the_schema_and_no_others)
{
	facts_reset();
	/* All of what may be absent. */
	facts.track.risk.time_to_limit_seconds = facts.track.sites[0].time_to_limit_seconds = 100;
	facts.track.mappings[0].is_gone = true;
	json_t *json = written();
	json_t *site = json_array_get(json_object_get(json, "sites"), 0);
	names_are(json_object_get(json, "risk"), risk_names);
	names_are(site, site_names);
	names_are(json_array_get(json_object_get(site, "frames"), 0), frame_names);
	names_are(json_array_get(json_object_get(json, "lifetimes"), 0), lifetime_names);
	names_are(json_array_get(json_object_get(json, "mappings"), 0), mapping_names);
	names_are(json, top_names);
	names_are(json_object_get(json, "metrics"), metric_names);
	names_are(json_array_get(json_object_get(json, "buffers"), 0), buffer_names);
	names_are(json_array_get(json_object_get(json, "classes"), 0), class_names);
	names_are(json_object_get(json, "fallback"), fallback_names);
	names_are(json_object_get(json, "health"), health_names);
	json_decref(json);
}
END_TEST

START_TEST(the_head_says_who_and_when)
{
	facts_reset();
	json_t *json = written();
	ck_assert_str_eq(json_string_value(json_object_get(json, "schema")), "weir-dump");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "schema_version")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(json, "weir_version")), WEIR_VERSION);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "pid")), 4711);
	ck_assert_str_eq(json_string_value(json_object_get(json, "exe")), "/usr/bin/ffmpeg");
	ck_assert_str_eq(json_string_value(json_object_get(json, "started_at")), "2026-01-01T00:00:00.000Z");
	ck_assert_str_eq(json_string_value(json_object_get(json, "taken_at")), "2026-01-01T01:02:05.125Z");
	ck_assert(json_real_value(json_object_get(json, "uptime_seconds")) == 3725.125);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "sequence")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(json, "trigger")), "signal");
	json_decref(json);
}
END_TEST

START_TEST(the_figures_are_the_facts)
{
	facts_reset();
	json_t *json = written();
	ck_assert_int_eq(
	    json_integer_value(at(json, "metrics", "total_allocated_bytes")), 100 * (json_int_t)MIB);
	ck_assert_int_eq(json_integer_value(at(json, "metrics", "total_used_bytes")), 60 * (json_int_t)MIB);
	ck_assert(json_real_value(at(json, "metrics", "pool_utilization")) == 0.6);
	ck_assert(json_real_value(at(json, "metrics", "reuse_rate")) == 0.98);
	ck_assert(json_real_value(at(json, "metrics", "last_memory_pressure")) == 0.31);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "buffers_left_out")), 98);
	const json_t *apart = at(json, "heap", "apart");
	ck_assert_int_eq(json_integer_value(json_object_get(apart, "small_objects")), 120);
	ck_assert_int_eq(json_integer_value(json_object_get(apart, "small_bytes")), 9000);
	ck_assert_int_eq(json_integer_value(json_object_get(apart, "large_objects")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(apart, "large_bytes")), 10 * (json_int_t)MIB);
	ck_assert_int_eq(json_integer_value(json_object_get(apart, "slab_bytes")), 12288);
	ck_assert_int_eq(json_integer_value(json_object_get(apart, "refused")), 1);
	ck_assert_str_eq(json_string_value(at(json, "health", "total_memory_allocated")), "100.0 MiB");
	ck_assert_str_eq(json_string_value(at(json, "health", "pool_utilization")), "60.0%");
	ck_assert_str_eq(json_string_value(at(json, "pressure", "level")), "none");
	ck_assert_str_eq(json_string_value(at(json, "pressure", "source")), "available");
	ck_assert_int_eq(json_integer_value(at(json, "process", "threads")), 9);
	ck_assert_int_eq(json_integer_value(at(json, "fallback", "resident")), 50 * (json_int_t)MIB);
	json_t *buffer = json_array_get(json_object_get(json, "buffers"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(buffer, "id")), 17);
	/* Created at tick 64, handed out at tick 128, of a clock that started with the program. */
	ck_assert_str_eq(
	    json_string_value(json_object_get(buffer, "created_at")), "2026-01-01T00:00:01.000Z");
	ck_assert_str_eq(
	    json_string_value(json_object_get(buffer, "last_used_at")), "2026-01-01T00:00:02.000Z");
	ck_assert(json_real_value(json_object_get(buffer, "age_seconds")) == 3723.125);
	ck_assert(json_is_true(json_object_get(buffer, "in_use")));
	json_decref(json);
}
END_TEST

START_TEST(leak_risk_and_sites_are_the_facts)
{
	facts_reset();
	json_t *json = written(), *list = json_object_get(json, "sites"), *site = json_array_get(list, 0);
	json_t *frames = json_object_get(site, "frames"), *mapping, *bucket;
	ck_assert(json_real_value(at(json, "risk", "score")) == 0.05);
	ck_assert(json_real_value(at(json, "metrics", "memory_leak_risk")) == 0.05);
	ck_assert_str_eq(json_string_value(at(json, "health", "memory_leak_risk")), "LOW");
	ck_assert_str_eq(json_string_value(at(json, "risk", "site")), "0xf229a5bc9398fa1b");
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(json_string_value(json_object_get(site, "id")), "0xf229a5bc9398fa1b");
	ck_assert_int_eq(json_integer_value(json_object_get(site, "live_bytes")), 60 * (json_int_t)MIB);
	ck_assert_uint_eq(json_array_size(frames), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(frames, 0), "offset")), "0x1233");
	/* Generated code has an address and nothing else. */
	ck_assert_uint_eq(json_object_size(json_array_get(frames, 1)), 1);
	/* Nothing of the other one was freed. */
	ck_assert_ptr_null(json_object_get(json_array_get(list, 1), "lifetime_p50_seconds"));
	bucket = json_array_get(json_object_get(json, "lifetimes"), 3);
	ck_assert(json_real_value(json_object_get(bucket, "from_seconds")) == 4.0 / 64);
	ck_assert(json_real_value(json_object_get(bucket, "to_seconds")) == 8.0 / 64);
	ck_assert(json_real_value(json_object_get(bucket, "freed")) == 900);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(
		json_array_get(json_object_get(json, "lifetimes_by_size"), 0), "size_up_to_bytes")),
	    4096);
	mapping = json_array_get(json_object_get(json, "mappings"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(mapping, "build_id")), "00ff");
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_array_get(json_object_get(json, "buffers"), 0), "site")),
	    "0xf229a5bc9398fa1b");
	ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(json, "buffers"), 1), "site"));
	json_decref(json);
}
END_TEST

START_TEST(without_a_tick_no_risk_is_claimed_and_without_tracking_nothing)
{
	facts_reset();
	facts.track.risk.is_known = false;
	json_t *json = written();
	ck_assert_ptr_null(json_object_get(json_object_get(json, "metrics"), "memory_leak_risk"));
	ck_assert_ptr_null(json_object_get(json_object_get(json, "health"), "memory_leak_risk"));
	json_decref(json);
	facts.track.is_active = false;
	json = written();
	static const char *const sections[] = {"risk", "sites", "lifetimes", "mappings"};
	for (unsigned i = 0; i < ARRAY_LENGTH(sections); i++)
		ck_assert_ptr_null(json_object_get(json, sections[i]));
	ck_assert(json_is_false(at(json, "tracking", "is_active")));
	json_decref(json);
}
END_TEST

START_TEST(classes_that_were_never_asked_for_are_left_out)
{
	facts_reset();
	json_t *json = written();
	ck_assert_uint_eq(json_array_size(json_object_get(json, "classes")), 2);
	json_decref(json);
}
END_TEST

START_TEST(the_config_has_every_setting_as_the_parser_takes_it)
{
	facts_reset();
	ck_assert(settings_set(&facts_settings, "WEIR_DUMP_FORMAT", "json,text", NULL));
	ck_assert(settings_set(&facts_settings, "WEIR_DUMP", "/tmp/\"quoted\\\xff", NULL));
	json_t *json = written();
	ck_assert_uint_eq(json_object_size(json_object_get(json, "config")), option_count());
	ck_assert_str_eq(json_string_value(at(json, "config", "dump_format")), "text,json");
	ck_assert_str_eq(json_string_value(at(json, "config", "gc_interval")), "30s");
	ck_assert_str_eq(json_string_value(at(json, "config", "dump")), "/tmp/\"quoted\\\xef\xbf\xbd");
	json_decref(json);
}
END_TEST

START_TEST(what_is_not_known_is_absent)
{
	facts_reset();
	facts.fallback.is_known = false;
	facts.pressure.has_psi = false;
	facts.background = NULL;
	facts.process = (struct process_info){0};
	facts.track.is_active = false;
	json_t *json = written();
	ck_assert_ptr_null(json_object_get(json_object_get(json, "process"), "rss_bytes"));
	ck_assert_ptr_null(json_object_get(json, "fallback"));
	ck_assert_ptr_null(json_object_get(json_object_get(json, "pressure"), "psi_some_avg10"));
	ck_assert_ptr_null(json_object_get(json_object_get(json, "process"), "background"));
	ck_assert_ptr_null(json_object_get(json_object_get(json, "metrics"), "memory_leak_risk"));
	ck_assert_ptr_null(json_object_get(json, "risk"));
	json_decref(json);
}
END_TEST

START_TEST(recommendations_stand_in_full_and_in_health)
{
	facts_reset();
	facts.pool.purges_refused = 2;
	facts.pool.temporary_buffers = 3;
	advice_derive(&facts);
	json_t *json = written(), *list = json_object_get(json, "recommendations");
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_uint_eq(json_array_size(at(json, "health", "recommendations")), 2);
	json_t *first = json_array_get(list, 0);
	ck_assert_str_eq(json_string_value(json_object_get(first, "code")), "TEMPORARY_BUFFERS");
	ck_assert_str_eq(json_string_value(json_object_get(first, "severity")), "warning");
	ck_assert_str_eq(json_string_value(json_object_get(first, "text")), facts.advice[0].text);
	json_decref(json);
}
END_TEST

START_TEST(an_empty_snapshot_is_valid)
{
	facts_reset();
	const struct settings *settings = facts.settings;
	memset(&facts, 0, sizeof(facts));
	facts.settings = settings;
	json_t *json = written();
	ck_assert_uint_eq(json_array_size(json_object_get(json, "buffers")), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "classes")), 0);
	ck_assert_str_eq(json_string_value(at(json, "pressure", "source")), "none");
	json_decref(json);
}
END_TEST

static const char *const names[] = {
    "",
    "\"",
    "\\",
    "\\\"},{\"x\":",
    "\n\r\t\b\f\x01\x1f\x7f",
    "\xff\xfe\x80",
    "\xc3(",
    "\xed\xa0\x80",
    "\xf0\x9f\x98\x80",
    "</script>",
    "%s%n%d",
    "\xe2\x82",
};

START_TEST(hostile_names_of_programs_stay_strings)
{
	facts_reset();
	strcpy(facts.exe, names[_i]);
	strcpy(facts.boot_id, names[_i]);
	json_t *json = written();
	ck_assert(json_is_string(json_object_get(json, "exe")));
	names_are(json, top_names);
	json_decref(json);
}
END_TEST

START_TEST(a_name_of_full_length_fits)
{
	facts_reset();
	memset(facts.exe, '\x01', sizeof(facts.exe) - 1);
	json_t *json = written();
	ck_assert_uint_eq(strlen(json_string_value(json_object_get(json, "exe"))), sizeof(facts.exe) - 1);
	json_decref(json);
}
END_TEST

/* Every shape of a number where it hurts: the largest, and what is no number. */
START_TEST(numbers_are_finite_whatever_the_facts)
{
	facts_reset();
	memset(&facts.pool, 0xFF, sizeof(facts.pool));
	facts.pool.is_active = facts.pool.is_rseq = true; /* bytes of all ones are no bool */
	facts.pool.class_count = POOL_CLASSES_MAX;
	for (unsigned i = 0; i < SNAPSHOT_BUFFERS_MAX; i++)
		facts.buffers[i] = (struct pool_buffer_info){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
		    UINT64_MAX, i, UINT64_MAX, UINT32_MAX, true};
	facts.buffer_count = SNAPSHOT_BUFFERS_MAX;
	facts.now_ticks = UINT64_MAX;
	facts.uptime_ns = facts.taken_at_ns = facts.started_at_ns = UINT64_MAX;
	facts.pressure.value = _i == 0 ? (double)NAN : (double)INFINITY;
	facts.pressure.psi_some_avg10 = -INFINITY;
	double bad = facts.pressure.value;
	struct track_site *site = &facts.track.sites[0];
	facts.track.risk.score = facts.track.risk.confidence = facts.track.risk.time_to_limit_seconds = bad;
	site->risk = site->live_objects = site->live_bytes = site->births = site->growth_bytes_per_hour = bad;
	site->lifetime_p50_seconds = site->age_p50_seconds = site->time_to_limit_seconds = bad;
	facts.track.lifetimes.freed[0] = facts.track.lifetimes.live[1] = bad;
	memset(&facts.track.counters, 0xFF, sizeof(facts.track.counters));
	struct out out;
	out_init(&out, -1, text, sizeof(text) - 1);
	write_json(&out, &facts);
	text[out.used] = '\0';
	ck_assert_int_eq(out.error, 0);
	json_error_t error;
	/* 64 bits without a sign are more than jansson's integers hold. */
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
	ck_assert_msg(json != NULL, "line %d: %s", error.line, error.text);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "buffers")), SNAPSHOT_BUFFERS_MAX);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "classes")), POOL_CLASSES_MAX);
	ck_assert_ptr_null(strstr(text, "nan"));
	ck_assert_ptr_null(strstr(text, "inf"));
	json_decref(json);
}
END_TEST

START_TEST(a_writer_that_runs_out_of_room_stops_and_says_so)
{
	facts_reset();
	json_t *json = written();
	json_decref(json);
	size_t whole = length;
	for (size_t room = 0; room < whole; room += 97) {
		struct out out;
		out_init(&out, -1, text, room);
		write_json(&out, &facts);
		ck_assert_int_eq(out.error, ENOSPC);
		ck_assert_uint_eq(out.used, room);
	}
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, the_names_are_those_of_the_schema_and_no_others);
	tcase_add_test(tests, the_head_says_who_and_when);
	tcase_add_test(tests, the_figures_are_the_facts);
	tcase_add_test(tests, leak_risk_and_sites_are_the_facts);
	tcase_add_test(tests, without_a_tick_no_risk_is_claimed_and_without_tracking_nothing);
	tcase_add_test(tests, classes_that_were_never_asked_for_are_left_out);
	tcase_add_test(tests, the_config_has_every_setting_as_the_parser_takes_it);
	tcase_add_test(tests, what_is_not_known_is_absent);
	tcase_add_test(tests, recommendations_stand_in_full_and_in_health);
	tcase_add_test(tests, an_empty_snapshot_is_valid);
	tcase_add_loop_test(tests, hostile_names_of_programs_stay_strings, 0, ARRAY_LENGTH(names));
	tcase_add_test(tests, a_name_of_full_length_fits);
	tcase_add_loop_test(tests, numbers_are_finite_whatever_the_facts, 0, 2);
	tcase_add_test(tests, a_writer_that_runs_out_of_room_stops_and_says_so);
}

int main(void)
{
	return run_suite("write_json", add_tests);
}
