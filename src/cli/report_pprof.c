/*
 * report_pprof.c -- a dump as a profile: profile.proto, gzip, as pprof, Pyroscope and Go's tools read it.
 *
 * Two kinds. The heap profile has the sample types of Go's (inuse_objects,
 * inuse_space, alloc_objects, alloc_space). The lifetime profile has those of
 * tcmalloc's: allocated_, deallocated_ and censored_allocated_ objects and space, where
 * censored means alive still, so that their lifetime is only known to be longer than
 * their age. Stacks carry module, build-id and offset, and functions where this machine
 * knows them; samples have the labels site, level and reason.
 *
 * Numbers of fields are those of github.com/google/pprof/proto/profile.proto.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/proto.h"
#include "cli/report.h"

/* Fields of Profile, and of the messages within it. */
enum {
	SAMPLE_TYPE = 1,
	SAMPLE,
	MAPPING,
	LOCATION,
	FUNCTION,
	STRING_TABLE,
	TIME_NANOS = 9,
	DURATION_NANOS,
	PERIOD_TYPE,
	PERIOD,
	DEFAULT_SAMPLE_TYPE = 14
};
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM, LABEL_NUM_UNIT };
enum {
	MAPPING_ID = 1,
	MAPPING_START,
	MAPPING_LIMIT,
	MAPPING_OFFSET,
	MAPPING_FILE,
	MAPPING_BUILD_ID,
	MAPPING_HAS_FUNCTIONS,
	MAPPING_HAS_FILES,
	MAPPING_HAS_LINES,
	MAPPING_HAS_INLINED
};
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };

#define VALUES_MAX 6
#define BUCKETS 4096

/* Gives equal keys one number, from first up. */
struct entry {
	struct entry *next;
	uint64_t number;
	size_t length;
	char key[];
};
struct table {
	struct entry *buckets[BUCKETS];
	uint64_t next;
};

struct profile {
	const struct report *report;
	struct proto proto;
	struct table strings, functions, locations;
	struct proto message, line; /* being built */
	bool *has_functions;	    /* by mapping: of some location in it they are known */
	bool has_failed;
};

static void table_clear(struct table *table)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (table->buckets[i] != NULL) {
			struct entry *next = table->buckets[i]->next;

			free(table->buckets[i]);
			table->buckets[i] = next;
		}
}

/* The number of a key; *is_new where it has just got it. */
static uint64_t number_of(
    struct profile *profile, struct table *table, const void *key, size_t length, bool *is_new)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	struct entry **at, *entry;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const unsigned char *)key)[i]) * 1099511628211u;
	at = &table->buckets[(hash ^ hash >> 32) % BUCKETS];
	*is_new = false;
	for (entry = *at; entry != NULL; entry = entry->next)
		if (entry->length == length && memcmp(entry->key, key, length) == 0)
			return entry->number;
	entry = malloc(sizeof *entry + length);
	if (entry == NULL) {
		profile->has_failed = true;
		return 0;
	}
	entry->next = *at;
	entry->number = table->next++;
	entry->length = length;
	memcpy(entry->key, key, length);
	*at = entry;
	*is_new = true;
	return entry->number;
}

/* String 0 is the empty one. */
static uint64_t string(struct profile *profile, const char *text)
{
	bool is_new;
	uint64_t number = number_of(profile, &profile->strings, text, strlen(text), &is_new);

	if (is_new)
		proto_bytes(&profile->proto, STRING_TABLE, text, strlen(text));
	return number;
}

static uint64_t function(struct profile *profile, const struct symbol *symbol)
{
	struct proto *message = &profile->message;
	const uint64_t key[2] = {string(profile, symbol->function), string(profile, symbol->file)};
	bool is_new;
	uint64_t number = number_of(profile, &profile->functions, key, sizeof key, &is_new);

	if (!is_new)
		return number;
	proto_number(message, FUNCTION_ID, number);
	proto_number(message, FUNCTION_NAME, key[0]);
	proto_number(message, FUNCTION_SYSTEM_NAME, key[0]);
	proto_number(message, FUNCTION_FILE, key[1]);
	proto_message(&profile->proto, FUNCTION, message);
	return number;
}

/* From 1; 0: in none. */
static uint64_t mapping_of(const struct dump *dump, const struct dump_frame *frame)
{
	for (size_t i = 0; i < dump->mapping_count; i++)
		if (frame->pc >= dump->mappings[i].start && frame->pc < dump->mappings[i].end &&
		    strcmp(frame->module, dump->mappings[i].path) == 0)
			return i + 1;
	return 0;
}

static uint64_t location(struct profile *profile, const struct dump_frame *frame)
{
	const struct symbol_list *list = symbols_find(profile->report->symbols, frame);
	const uint64_t mapping = mapping_of(profile->report->dump, frame);
	/* A module that was unloaded may have given its addresses to another. */
	const uint64_t key[3] = {frame->pc, mapping, string(profile, frame->module)};
	struct proto message = {0};
	bool is_new;
	uint64_t number = number_of(profile, &profile->locations, key, sizeof key, &is_new);

	if (!is_new)
		return number;
	proto_number(&message, LOCATION_ID, number);
	proto_number(&message, LOCATION_MAPPING, mapping);
	proto_number(&message, LOCATION_ADDRESS, frame->pc);
	if (mapping != 0 && list->count > 0)
		profile->has_functions[mapping - 1] = true;
	for (size_t i = 0; i < list->count; i++) {
		uint64_t callee = function(profile, &list->symbols[i]);

		proto_number(&profile->line, LINE_FUNCTION, callee);
		proto_number(&profile->line, LINE_LINE, list->symbols[i].line);
		proto_message(&message, LOCATION_LINE, &profile->line);
	}
	proto_message(&profile->proto, LOCATION, &message);
	proto_free(&message);
	return number;
}

static void keep_name(void *context, const char *name)
{
	snprintf(context, REPORT_NAME_MAX, "%s", name);
}

/* Of a site without a stack: at no address, in a function by its name. */
static uint64_t placeless(struct profile *profile, const struct dump_site *site)
{
	char name[REPORT_NAME_MAX] = "";
	struct symbol symbol = {.function = name, .file = ""};
	struct proto message = {0};
	uint64_t key[3] = {0}, callee, number;
	bool is_new;

	site_each_function(profile->report->symbols, site, keep_name, name);
	callee = function(profile, &symbol);
	key[2] = string(profile, name);
	number = number_of(profile, &profile->locations, key, sizeof key, &is_new);
	if (!is_new)
		return number;
	proto_number(&message, LOCATION_ID, number);
	proto_number(&profile->line, LINE_FUNCTION, callee);
	proto_message(&message, LOCATION_LINE, &profile->line);
	proto_message(&profile->proto, LOCATION, &message);
	proto_free(&message);
	return number;
}

/* The program's own mapping is to be the first; the numbers stay those of the dump's list. */
static void put_mapping(struct profile *profile, size_t index)
{
	const struct dump_mapping *mapping = &profile->report->dump->mappings[index];
	const uint64_t path = string(profile, mapping->path), build_id = string(profile, mapping->build_id);
	struct proto *message = &profile->message;

	proto_number(message, MAPPING_ID, index + 1);
	proto_number(message, MAPPING_START, mapping->start);
	proto_number(message, MAPPING_LIMIT, mapping->end);
	proto_number(message, MAPPING_OFFSET, mapping->offset);
	proto_number(message, MAPPING_FILE, path);
	proto_number(message, MAPPING_BUILD_ID, build_id);
	for (unsigned field = MAPPING_HAS_FUNCTIONS; field <= MAPPING_HAS_INLINED; field++)
		proto_number(message, field, profile->has_functions[index]);
	proto_message(&profile->proto, MAPPING, message);
}

static void put_mappings(struct profile *profile)
{
	const struct dump *dump = profile->report->dump;

	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < dump->mapping_count; i++)
			if ((strcmp(dump->mappings[i].path, dump->exe) == 0) == (pass == 0))
				put_mapping(profile, i);
}

static void put_value_type(struct profile *profile, unsigned field, const char *type, const char *unit)
{
	const uint64_t type_string = string(profile, type), unit_string = string(profile, unit);

	proto_number(&profile->message, VALUE_TYPE, type_string);
	proto_number(&profile->message, VALUE_UNIT, unit_string);
	proto_message(&profile->proto, field, &profile->message);
}

static void put_label(struct profile *profile, struct proto *sample, const char *key, const char *value)
{
	const uint64_t key_string = string(profile, key), value_string = string(profile, value);

	proto_number(&profile->line, LABEL_KEY, key_string);
	proto_number(&profile->line, LABEL_STR, value_string);
	proto_message(sample, SAMPLE_LABEL, &profile->line);
}

static void put_duration_label(struct profile *profile, struct proto *sample, const char *key, double seconds)
{
	const uint64_t key_string = string(profile, key), unit = string(profile, "nanoseconds");

	if (!isfinite(seconds) || seconds > 9e9)
		return;
	proto_number(&profile->line, LABEL_KEY, key_string);
	proto_number(&profile->line, LABEL_NUM, (uint64_t)(seconds * 1e9));
	proto_number(&profile->line, LABEL_NUM_UNIT, unit);
	proto_message(sample, SAMPLE_LABEL, &profile->line);
}

/* Estimates are rounded; int64 is what a profile holds. */
static uint64_t rounded(double value)
{
	return isfinite(value) && value > 0 ? (uint64_t)llround(MIN(value, 9e18)) : 0;
}

static void put_sample(struct profile *profile, const struct dump_site *site, const uint64_t *locations,
    const double *values, size_t value_count, const char *duration_name, double p50, double p99)
{
	struct proto sample = {0};
	uint64_t whole[VALUES_MAX];

	for (size_t i = 0; i < value_count; i++)
		whole[i] = rounded(values[i]);
	proto_packed(&sample, SAMPLE_LOCATIONS, locations, MAX(site->frame_count, (size_t)1));
	proto_packed(&sample, SAMPLE_VALUES, whole, value_count);
	put_label(profile, &sample, "site", site->id);
	put_label(profile, &sample, "level", dump_level_name(site->level));
	put_label(profile, &sample, "reason", site->reason);
	if (duration_name != NULL) {
		char key[64];

		snprintf(key, sizeof key, "p50_%s", duration_name);
		put_duration_label(profile, &sample, key, p50);
		snprintf(key, sizeof key, "p99_%s", duration_name);
		put_duration_label(profile, &sample, key, p99);
	}
	proto_message(&profile->proto, SAMPLE, &sample);
	proto_free(&sample);
}

static void put_site(struct profile *profile, const struct dump_site *site, bool is_lifetimes)
{
	/* Whatever lives was allocated. */
	double objects = fmax(site->live_objects, site->allocated_objects);
	double bytes = fmax(site->live_bytes, site->allocated_bytes);
	uint64_t *locations = calloc(site->frame_count + 1, sizeof *locations);

	if (locations == NULL) {
		profile->has_failed = true;
		return;
	}
	for (size_t i = 0; i < site->frame_count; i++)
		locations[i] = location(profile, &site->frames[i]);
	if (site->frame_count == 0)
		locations[0] = placeless(profile, site);
	if (!is_lifetimes) {
		const double values[] = {site->live_objects, site->live_bytes, objects, bytes};

		put_sample(profile, site, locations, values, ARRAY_LENGTH(values), NULL, NAN, NAN);
	} else {
		/* Each kind is a sample of its own: they have other labels. */
		const double freed[] = {0, 0, objects - site->live_objects, bytes - site->live_bytes, 0, 0};
		const double allocated[] = {freed[2], freed[3], 0, 0, 0, 0};
		const double live[] = {0, 0, 0, 0, site->live_objects, site->live_bytes};

		if (freed[2] > 0) {
			put_sample(profile, site, locations, allocated, VALUES_MAX, "lifetime",
			    site->lifetime_p50_seconds, site->lifetime_p99_seconds);
			put_sample(profile, site, locations, freed, VALUES_MAX, "lifetime",
			    site->lifetime_p50_seconds, site->lifetime_p99_seconds);
		}
		put_sample(
		    profile, site, locations, live, VALUES_MAX, "lifetime", site->age_p50_seconds, NAN);
	}
	free(locations);
}

static void build(struct profile *profile, bool is_lifetimes)
{
	static const char *const heap[] = {"inuse_objects", "inuse_space", "alloc_objects", "alloc_space"};
	static const char *const lifetimes[] = {"allocated_objects", "allocated_space", "deallocated_objects",
	    "deallocated_space", "censored_allocated_objects", "censored_allocated_space"};
	const char *const *types = is_lifetimes ? lifetimes : heap;
	const size_t type_count = is_lifetimes ? ARRAY_LENGTH(lifetimes) : ARRAY_LENGTH(heap);
	const struct dump *dump = profile->report->dump;
	struct dump_site rest;

	string(profile, "");
	for (size_t i = 0; i < type_count; i++)
		put_value_type(profile, SAMPLE_TYPE, types[i], i % 2 == 0 ? "count" : "bytes");
	for (size_t i = 0; i < dump->site_count; i++)
		put_site(profile, &dump->sites[i], is_lifetimes);
	if (site_not_listed(dump, &rest))
		put_site(profile, &rest, is_lifetimes);
	put_mappings(profile);
	proto_number(&profile->proto, TIME_NANOS, dump_unix_ns(dump->taken_at));
	proto_number(&profile->proto, DURATION_NANOS, rounded(fmin(dump->uptime_seconds, 9e9) * 1e9));
	put_value_type(profile, PERIOD_TYPE, "space", "bytes");
	proto_number(&profile->proto, PERIOD, 1);
	proto_number(&profile->proto, DEFAULT_SAMPLE_TYPE,
	    string(profile, is_lifetimes ? "censored_allocated_space" : "inuse_space"));
}

static bool write_gzip(FILE *to, const unsigned char *bytes, size_t length)
{
	enum { GZIP = 16, MEMORY = 8 };
	unsigned char chunk[16384];
	z_stream stream = {0};
	int status = Z_OK;

	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP, MEMORY,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	/* zlib counts in 32 bits. */
	do {
		uInt part = (uInt)MIN(length, (size_t)1 << 30);

		stream.next_in = (Bytef *)(uintptr_t)bytes;
		stream.avail_in = part;
		bytes += part;
		length -= part;
		do {
			stream.next_out = chunk;
			stream.avail_out = sizeof chunk;
			status = deflate(&stream, length == 0 ? Z_FINISH : Z_NO_FLUSH);
			fwrite(chunk, 1, sizeof chunk - stream.avail_out, to);
		} while (stream.avail_out == 0);
	} while (length > 0);
	deflateEnd(&stream);
	return status == Z_STREAM_END && fflush(to) == 0;
}

bool report_pprof(const struct report *report, bool is_lifetimes)
{
	struct profile *profile = calloc(1, sizeof *profile);
	bool is_good;

	if (profile == NULL)
		return false;
	profile->report = report;
	profile->functions.next = profile->locations.next = 1;
	profile->has_functions = calloc(report->dump->mapping_count + 1, sizeof *profile->has_functions);
	if (profile->has_functions == NULL) {
		free(profile);
		return false;
	}
	build(profile, is_lifetimes);
	is_good = !profile->has_failed && !profile->proto.has_failed && !profile->message.has_failed &&
		  !profile->line.has_failed;
	if (is_good)
		is_good = write_gzip(report->to, profile->proto.bytes, profile->proto.used);
	else
		errno = ENOMEM;
	proto_free(&profile->proto);
	proto_free(&profile->message);
	proto_free(&profile->line);
	table_clear(&profile->strings);
	table_clear(&profile->functions);
	table_clear(&profile->locations);
	free(profile->has_functions);
	free(profile);
	return is_good;
}
