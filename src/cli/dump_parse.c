/*
 * dump_parse.c -- makes a struct dump of JSON, and checks all of it before anybody looks.
 *
 * A dump may have been cut off, edited or made up: it is another program's
 * output, perhaps of another machine. Each member that dump_fields.def knows must
 * have its type and range, or the dump is refused with one line that names the
 * member; members that it does not know are skipped, so that dumps of a later
 * version of Weir that only adds some can be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/dump_parse.h"
#include "cli/dump_reader.h"

#define SCHEMA_VERSION 1

enum when { ALWAYS, PERHAPS };

struct field {
	const char *name;
	enum type type;
	enum when when;
	size_t offset;
};

#define FIELD(section, name, type, when)                                                                     \
	{                                                                                                    \
#name, type, when, offsetof(struct section, name)                                            \
	}
#define NO_MORE                                                                                              \
	{                                                                                                    \
		NULL, COUNT, PERHAPS, 0                                                                      \
	}

static const struct field top_fields[] = {
#define DUMP_TOP(name, type, when, unit, meaning) FIELD(dump, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field metrics_fields[] = {
#define DUMP_METRICS(name, type, when, unit, meaning) FIELD(dump_metrics, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field buffer_fields[] = {
#define DUMP_BUFFER(name, type, when, unit, meaning) FIELD(dump_buffer, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field class_fields[] = {
#define DUMP_CLASS(name, type, when, unit, meaning) FIELD(dump_class, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field heap_fields[] = {
#define DUMP_HEAP(name, type, when, unit, meaning) FIELD(dump_heap, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field apart_fields[] = {
#define DUMP_APART(name, type, when, unit, meaning) FIELD(dump_apart, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field risk_fields[] = {
#define DUMP_RISK(name, type, when, unit, meaning) FIELD(dump_risk, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field site_fields[] = {
#define DUMP_SITE(name, type, when, unit, meaning) FIELD(dump_site, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field frame_fields[] = {
#define DUMP_FRAME(name, type, when, unit, meaning) FIELD(dump_frame, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field by_size_fields[] = {
#define DUMP_BY_SIZE(name, type, when, unit, meaning) FIELD(dump_by_size, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field lifetime_fields[] = {
#define DUMP_LIFETIME(name, type, when, unit, meaning) FIELD(dump_lifetime, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field not_listed_fields[] = {
#define DUMP_NOT_LISTED(name, type, when, unit, meaning) FIELD(dump_not_listed, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field tracking_fields[] = {
#define DUMP_TRACKING(name, type, when, unit, meaning) FIELD(dump_tracking, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field pressure_fields[] = {
#define DUMP_PRESSURE(name, type, when, unit, meaning) FIELD(dump_pressure, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field fallback_fields[] = {
#define DUMP_FALLBACK(name, type, when, unit, meaning) FIELD(dump_fallback, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field process_fields[] = {
#define DUMP_PROCESS(name, type, when, unit, meaning) FIELD(dump_process, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field mapping_fields[] = {
#define DUMP_MAPPING(name, type, when, unit, meaning) FIELD(dump_mapping, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field advice_fields[] = {
#define DUMP_ADVICE(name, type, when, unit, meaning) FIELD(dump_advice, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};
static const struct field health_fields[] = {
#define DUMP_HEALTH(name, type, when, unit, meaning) FIELD(dump_health, name, type, when),
#include "cli/dump_fields.def"
    NO_MORE};

static bool read_fields(struct reader *reader, const json_t *object, const struct field *field, void *to)
{
	const char *dot = reader->path[0] != '\0' ? "." : "";

	for (; field->name != NULL; field++) {
		const json_t *value = json_object_get(object, field->name);
		void *member = (char *)to + field->offset;

		if (value == NULL) {
			if (field->when == ALWAYS)
				return reader_refuse(
				    reader, "%s%s%s is missing", reader->path, dot, field->name);
			value_set_absent(field->type, member);
		} else if (!value_read(reader, value, field->type, member)) {
			return reader_refuse(reader, "%s%s%s should be %s, and is %s", reader->path, dot,
			    field->name, value_wanted(field->type),
			    json_is_number(value) ? "another number" : value_kind(value));
		}
	}
	return true;
}

/* A section of an object; is_there is NULL where it must be there. */
static bool read_section_of(struct reader *reader, const json_t *parent, const char *name,
    const struct field *fields, void *to, bool *is_there)
{
	const json_t *object = json_object_get(parent, name);
	bool is_good;

	if (object == NULL) {
		if (is_there == NULL)
			return reader_refuse(reader, "%s is missing", name);
		for (; fields->name != NULL; fields++)
			value_set_absent(fields->type, (char *)to + fields->offset);
		return true;
	}
	if (!json_is_object(object))
		return reader_refuse(reader, "%s should be an object, and is %s", name, value_kind(object));
	snprintf(reader->path, sizeof reader->path, "%s", name);
	is_good = read_fields(reader, object, fields, to);
	reader->path[0] = '\0';
	if (is_there != NULL)
		*is_there = is_good;
	return is_good;
}

/* The same, of the dump itself. */
static bool read_section(
    struct reader *reader, const char *name, const struct field *fields, void *to, bool *is_there)
{
	return read_section_of(reader, reader->json, name, fields, to, is_there);
}

struct list {
	const char *name;
	const struct field *fields;
	size_t entry_size;
	bool (*read_more)(struct reader *reader, const json_t *object, void *entry);
};

/* The entries of a list that may be missing; false where one is wrong. */
static bool read_list(
    struct reader *reader, const json_t *parent, const struct list *list, void *entries, size_t *count)
{
	const json_t *array = json_object_get(parent, list->name);
	size_t used = strlen(reader->path), length = json_array_size(array);
	char *to;

	*count = 0;
	if (array == NULL)
		return true;
	if (!json_is_array(array))
		return reader_refuse(reader, "%s should be a list, and is %s", list->name, value_kind(array));
	to = reader_take(reader, length * list->entry_size);
	if (to == NULL)
		return false;
	*(void **)entries = to;
	for (size_t i = 0; i < length; i++, to += list->entry_size) {
		const json_t *entry = json_array_get(array, i);

		snprintf(reader->path + used, sizeof reader->path - used, "%s%s[%zu]", used > 0 ? "." : "",
		    list->name, i);
		if (!json_is_object(entry))
			return reader_refuse(
			    reader, "%s should be an object, and is %s", reader->path, value_kind(entry));
		if (!read_fields(reader, entry, list->fields, to) ||
		    (list->read_more != NULL && !list->read_more(reader, entry, to)))
			return false;
		*count = i + 1;
	}
	reader->path[used] = '\0';
	return true;
}

static bool read_frames(struct reader *reader, const json_t *object, void *entry)
{
	static const struct list frames = {"frames", frame_fields, sizeof(struct dump_frame), NULL};
	struct dump_site *site = entry;

	if (json_object_get(object, "frames") == NULL)
		return reader_refuse(reader, "%s.frames is missing", reader->path);
	return read_list(reader, object, &frames, &site->frames, &site->frame_count);
}

static bool read_config(struct reader *reader)
{
	json_t *object = json_object_get(reader->json, "config"), *value;
	struct dump *dump = reader->dump;
	const char *name;

	if (!json_is_object(object))
		return reader_refuse(
		    reader, "config %s", object == NULL ? "is missing" : "should be an object");
	dump->config = reader_take(reader, json_object_size(object) * sizeof *dump->config);
	if (dump->config == NULL)
		return false;
	json_object_foreach(object, name, value)
	{
		struct dump_setting *setting = &dump->config[dump->setting_count];

		setting->name = reader_printable(reader, name);
		if (setting->name == NULL)
			return false;
		if (!value_read(reader, value, TEXT, &setting->value))
			return reader_refuse(reader, "config.%s should be a text, and is %s", setting->name,
			    value_kind(value));
		dump->setting_count++;
	}
	return true;
}

/* Buckets of ages that follow on each other, so that a chart of them is one. */
static bool check_lifetimes(struct reader *reader)
{
	const struct dump *dump = reader->dump;

	for (size_t i = 0; i < dump->lifetime_count; i++) {
		const struct dump_lifetime *bucket = &dump->lifetimes[i];
		bool is_last = i + 1 == dump->lifetime_count;

		if (is_last ? bucket->to_seconds <= bucket->from_seconds
			    : !(bucket->to_seconds > bucket->from_seconds &&
				  bucket->to_seconds == bucket[1].from_seconds))
			return reader_refuse(reader, "lifetimes[%zu] does not end where the next begins", i);
	}
	return true;
}

/* Is this a dump, and one that we know how to read? */
static bool read_schema(struct reader *reader)
{
	const json_t *schema = json_object_get(reader->json, "schema");
	const json_t *version = json_object_get(reader->json, "schema_version");

	if (!json_is_string(schema) || strcmp(json_string_value(schema), "weir-dump") != 0)
		return reader_refuse(reader, "is JSON, but no dump of Weir's (no \"schema\": \"weir-dump\")");
	if (!value_is_whole(version))
		return reader_refuse(reader, "schema_version should be a whole number");
	if (value_whole(version) != SCHEMA_VERSION)
		return reader_refuse(reader, "has schema version %llu, and this weir reads version %d",
		    (unsigned long long)value_whole(version), SCHEMA_VERSION);
	return true;
}

/* Each frame's build-id is that of the mapping that it lies in. */
static void find_build_ids(struct dump *dump)
{
	for (size_t i = 0; i < dump->site_count; i++)
		for (size_t f = 0; f < dump->sites[i].frame_count; f++) {
			struct dump_frame *frame = &dump->sites[i].frames[f];

			frame->build_id = "";
			for (size_t m = 0; m < dump->mapping_count; m++)
				if (frame->pc >= dump->mappings[m].start &&
				    frame->pc < dump->mappings[m].end &&
				    strcmp(frame->module, dump->mappings[m].path) == 0) {
					frame->build_id = dump->mappings[m].build_id;
					break;
				}
		}
}

static bool read_dump(struct reader *reader)
{
	static const struct list buffers = {"buffers", buffer_fields, sizeof(struct dump_buffer), NULL},
				 classes = {"classes", class_fields, sizeof(struct dump_class), NULL},
				 sites = {"sites", site_fields, sizeof(struct dump_site), read_frames},
				 lifetimes = {"lifetimes", lifetime_fields, sizeof(struct dump_lifetime),
				     NULL},
				 by_size = {"lifetimes_by_size", by_size_fields, sizeof(struct dump_by_size),
				     NULL},
				 mappings = {"mappings", mapping_fields, sizeof(struct dump_mapping), NULL},
				 advice = {
				     "recommendations", advice_fields, sizeof(struct dump_advice), NULL};
	struct dump *dump = reader->dump;
	const json_t *json = reader->json;

	if (!read_schema(reader) || !read_fields(reader, json, top_fields, dump) ||
	    !read_section(reader, "metrics", metrics_fields, &dump->metrics, NULL) ||
	    !read_section(reader, "heap", heap_fields, &dump->heap, NULL) ||
	    !read_section_of(reader, json_object_get(json, "heap"), "apart", apart_fields, &dump->apart,
		&dump->apart.is_there) ||
	    !read_section(reader, "risk", risk_fields, &dump->risk, &dump->risk.is_there) ||
	    !read_section(reader, "pressure", pressure_fields, &dump->pressure, NULL) ||
	    !read_section(reader, "fallback", fallback_fields, &dump->fallback, &dump->fallback.is_there) ||
	    !read_section(reader, "process", process_fields, &dump->process, NULL) ||
	    !read_section(reader, "health", health_fields, &dump->health, NULL) || !read_config(reader) ||

	    !read_section(reader, "tracking", tracking_fields, &dump->tracking, &dump->tracking.is_there) ||
	    !read_section(
		reader, "not_listed", not_listed_fields, &dump->not_listed, &dump->not_listed.is_there) ||
	    !read_list(reader, json, &buffers, &dump->buffers, &dump->buffer_count) ||
	    !read_list(reader, json, &classes, &dump->classes, &dump->class_count) ||
	    !read_list(reader, json, &sites, &dump->sites, &dump->site_count) ||
	    !read_list(reader, json, &lifetimes, &dump->lifetimes, &dump->lifetime_count) ||
	    !check_lifetimes(reader) ||
	    !read_list(reader, json, &by_size, &dump->lifetimes_by_size, &dump->by_size_count) ||
	    !read_list(reader, json, &mappings, &dump->mappings, &dump->mapping_count) ||
	    !read_list(reader, json, &advice, &dump->recommendations, &dump->recommendation_count))
		return false;
	dump->has_sites = json_object_get(json, "sites") != NULL;
	if (dump->program[0] == '\0')
		dump->program = "?";
	find_build_ids(dump);
	return true;
}

struct dump *dump_parse(const char *text, size_t length, const char *name, char *why, size_t why_size)
{
	struct reader reader = {.name = name, .why = why, .why_size = why_size};
	json_error_t error;
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
	bool is_good;

	why[0] = '\0';
	if (json == NULL) {
		if (length == 0)
			reader_refuse(&reader, "is empty");
		else if (length > 5 && memcmp(text, "Weir ", 5) == 0)
			reader_refuse(&reader,
			    "is a dump as text, which is read as it is; a report is made of a JSON one "
			    "(WEIR_DUMP_FORMAT=json, or weir dump --format json)");
		else
			reader_refuse(&reader, "is not a whole JSON text: line %d, column %d: %s", error.line,
			    error.column, error.text);
		return NULL;
	}
	reader.json = json;
	reader.dump = calloc(1, sizeof *reader.dump);
	is_good =
	    reader.dump != NULL ? read_dump(&reader) : reader_refuse(&reader, "there is no memory for it");
	json_decref(json);
	if (!is_good) {
		dump_free(reader.dump);
		return NULL;
	}
	return reader.dump;
}
