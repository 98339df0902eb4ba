/*
 * report_site.c -- how every form of a report names a call site.
 *
 * A stack's innermost frames often only hand the request on (operator new, xmalloc,
 * strdup, whatever of libc), and are the same for half of the sites: the frame that is
 * named is the first one beyond them.
 */
#include <math.h>
#include <string.h>

#include "cli/report.h"
#include "cli/text.h"

/* Functions that allocate for whoever calls them; a star at the end stands for anything. */
static const char *const wrappers[] = {"malloc", "calloc", "realloc", "reallocarray", "memalign",
    "aligned_alloc", "posix_memalign", "valloc", "pvalloc", "strdup", "strndup", "__strdup", "__strndup",
    "asprintf", "vasprintf", "__vasprintf*", "getline", "getdelim", "operator new*", "_Znw*", "_Zna*",
    "__gnu_cxx::new_allocator*", "std::__new_allocator*", "std::allocator*", "std::_Vector_base*",
    "std::vector*", "std::__cxx11::basic_string*", "xmalloc", "xcalloc", "xrealloc", "xzalloc", "xstrdup",
    "zmalloc*", "zcalloc*", "zrealloc*", "ztry*", "zstrdup", "sdsnewlen*", "_sdsnewlen*", "ngx_alloc",
    "ngx_calloc", "ngx_memalign", "av_malloc*", "av_mallocz*", "av_calloc", "av_realloc*", "av_buffer_alloc*",
    "av_fast_malloc*", "g_malloc*", "g_realloc*", "g_try_malloc*", "g_try_realloc*", "g_slice_alloc*",
    "g_strdup*", "g_memdup*", "PyMem_*", "PyObject_Malloc", "PyObject_Realloc", "_PyMem_*",
    "_PyObject_Malloc*", "sqlite3Malloc*", "sqlite3MemMalloc*", "sqlite3_malloc*", "sqlite3DbMalloc*",
    "CRYPTO_malloc", "CRYPTO_zalloc", "CRYPTO_realloc", "__rust_alloc*", "alloc::alloc*",
    "_IO_file_doallocate",
    /* What lies between malloc and the JavaScript that asked for a buffer, and between that and who called it. */
    "node::NodeArrayBufferAllocator::*", "node::Buffer::*", "v8::ArrayBuffer::*",
    "v8::internal::BackingStore::*", "v8::internal::Heap::AllocateExternalBackingStore*",
    "v8::internal::FunctionCallbackArguments::Call*", "v8::internal::MaybeHandle<v8::internal::Object> *",
    "v8::internal::Builtin_HandleApiCall*", "Builtins_*", "createUnsafeBuffer", "allocUnsafeSlow",
    "v8::internal::(anonymous namespace)::Invoke*", "v8::internal::Execution::*", "v8::Function::Call*"};

static bool is_among(const char *const *patterns, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(patterns[i]);

		if (patterns[i][length - 1] == '*' ? strncmp(name, patterns[i], length - 1) == 0
						   : strcmp(name, patterns[i]) == 0)
			return true;
	}
	return false;
}

static bool is_wrapper(const char *function)
{
	return is_among(wrappers, ARRAY_LENGTH(wrappers), function);
}

/* The C and C++ run-time libraries allocate for whoever calls them, whatever the function is called there. */
static bool is_runtime(const char *module)
{
	static const char *const names[] = {"libc.so*", "libc-2*", "libstdc++.so*", "libc++.so*"};

	return is_among(names, ARRAY_LENGTH(names), symbols_base_name(module));
}

/* Of the functions at a frame the first that is none, or NULL. */
static const struct symbol *first_beyond(const struct symbol_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (!is_wrapper(list->symbols[i].function))
			return &list->symbols[i];
	return NULL;
}

/* The frame to name: the innermost that is no function which only hands requests on to
 * malloc; where that has no name, the innermost in generated code that has. Generated code
 * has a name only by a perf map; without one it is known by who called it. NULL where the
 * site has no frames. */
static const struct dump_frame *find_frame(struct symbols *symbols, const struct dump_site *site,
    const struct symbol **symbol, bool *is_behind_generated)
{
	enum { NONE, OF_RUNTIME, NAMELESS, NAMED } best = NONE, rank;
	const struct dump_frame *found = site->frame_count > 0 ? &site->frames[0] : NULL;
	bool has_passed = false;

	*symbol = NULL;
	*is_behind_generated = false;
	for (size_t i = 0; i < site->frame_count && best != NAMED; i++) {
		const struct dump_frame *frame = &site->frames[i];
		const struct symbol_list *list = symbols_find(symbols, frame);
		const struct symbol *beyond = first_beyond(list);
		bool is_generated = frame->module[0] == '\0';

		has_passed |= is_generated && list->count == 0;
		if (beyond == NULL && (list->count > 0 || is_generated))
			continue;
		rank = is_runtime(frame->module) ? OF_RUNTIME : beyond == NULL ? NAMELESS : NAMED;
		if (rank <= best || (best == NAMELESS && !is_generated))
			continue;
		best = rank;
		found = frame;
		*symbol = beyond;
		*is_behind_generated = has_passed && !is_generated;
	}
	return found;
}

char *symbol_place(const struct symbol *symbol, char *place, size_t size)
{
	place[0] = '\0';
	if (symbol->file[0] != '\0' && symbol->line != 0)
		snprintf(place, size, "%s:%u", symbols_base_name(symbol->file), symbol->line);
	else if (symbol->file[0] != '\0')
		snprintf(place, size, "%s", symbols_base_name(symbol->file));
	return place;
}

char *site_name(struct symbols *symbols, const struct dump_site *site, char *name, size_t size)
{
	const struct symbol *symbol;
	bool is_behind_generated;
	const struct dump_frame *frame = find_frame(symbols, site, &symbol, &is_behind_generated);
	const char *by = is_behind_generated ? "generated code under " : "";
	char place[128], whole[REPORT_NAME_MAX];

	if (frame == NULL)
		snprintf(name, size, "site %s", site->id);
	else if (symbol == NULL)
		snprintf(name, size, "%s%s", by, symbols_name(symbols, frame, whole, sizeof whole));
	else if (symbol_place(symbol, place, sizeof place)[0] != '\0')
		snprintf(name, size, "%s%s (%s)", by, symbol->function, place);
	else
		snprintf(name, size, "%s%s (%s)", by, symbol->function, symbols_home(frame));
	text_make_printable(name); /* where it was cut off */
	return name;
}

bool site_not_listed(const struct dump *dump, struct dump_site *site)
{
	const struct dump_not_listed *rest = &dump->not_listed;

	*site = (struct dump_site){
	    .id = "[not listed]",
	    .level = LEVEL_LOW,
	    .reason = "",
	    .live_objects = rest->live_objects,
	    .live_bytes = rest->live_bytes,
	    .allocated_objects = rest->allocated_objects,
	    .allocated_bytes = rest->allocated_bytes,
	    .freed_objects = rest->freed_objects,
	    .lifetime_p50_seconds = NAN,
	    .lifetime_p99_seconds = NAN,
	    .age_p50_seconds = NAN,
	};
	return rest->is_there && (rest->live_bytes > 0 || rest->allocated_bytes > 0);
}

bool site_is_same(const struct dump_site *a, const struct dump_site *b)
{
	if (strcmp(a->id, b->id) == 0)
		return true;
	if (a->frame_count != b->frame_count || a->frame_count == 0)
		return false;
	for (size_t i = 0; i < a->frame_count; i++) {
		const struct dump_frame *x = &a->frames[i], *y = &b->frames[i];
		bool is_same_module = x->build_id[0] != '\0' || y->build_id[0] != '\0'
					  ? strcmp(x->build_id, y->build_id) == 0
					  : strcmp(x->module, y->module) == 0;

		if (!is_same_module || x->offset != y->offset || x->module[0] == '\0')
			return false;
	}
	return true;
}

const char *reason_text(const char *reason)
{
	static const struct {
		const char *reason, *text;
	} texts[] = {
	    {"MIXTURE_LEAK", "most objects of this kind are freed in good time, but some never are, and "
			     "new ones keep joining them"},
	    {"NEVER_FREED", "nothing of this kind has been freed, and more keeps coming"},
	    {"BACKLOG", "objects come faster than they go: a queue that backs up, perhaps"},
	    {"FILLING_CACHE", "hardly any of this kind has been freed so far: a store that fills, or a leak"},
	    {"START_UP", "made at the start and kept; nothing is added"},
	    {"LOAD", "it grows and shrinks with the work that is done"},
	    {"INSUFFICIENT_DATA", "not enough has been seen to judge"},
	    {"FRAGMENTATION", "resident memory grows while what the program holds does not"},
	    {"NONE", "nothing about it speaks of a leak"},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		if (strcmp(reason, texts[i].reason) == 0)
			return texts[i].text;
	return NULL;
}

void site_each_function(struct symbols *symbols, const struct dump_site *site,
    void (*call)(void *context, const char *name), void *context)
{
	if (site->frame_count == 0) {
		char name[REPORT_NAME_MAX];

		snprintf(name, sizeof name, site->id[0] == '[' ? "%s" : "[site %s]", site->id);
		call(context, name);
	}
	for (size_t i = site->frame_count; i-- > 0;) {
		const struct symbol_list *list = symbols_find(symbols, &site->frames[i]);
		char name[REPORT_NAME_MAX];

		for (size_t k = list->count; k-- > 0;)
			call(context, list->symbols[k].function);
		if (list->count == 0)
			call(context, symbols_name(symbols, &site->frames[i], name, sizeof name));
	}
}
