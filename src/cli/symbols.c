/*
 * symbols.c -- functions, files and lines of the frames of a dump, by elfutils' libdw.
 *
 * A dump names code as module, build-id and offset, so it can be read on another
 * machine and after an upgrade. A file whose build-id differs is not looked into:
 * no name is better than a wrong one. Paths come from the dump, which may be
 * anybody's: only regular files are opened, and never written.
 *
 * Modules and frames are kept in lists with a bound; past it nothing is looked up.
 * Without elfutils (--disable-symbols) no frame of a module has a symbol. A frame in
 * generated code brings the name that a perf map gives it.
 */
#include "cli/symbols.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/perf_map.h"
#include "cli/text.h"

#define MODULES_MAX 512
#define FRAMES_MAX 65536
#define GENERATED_MAX 8192 /* beside these, of one map */
#define FRAME_BUCKETS 4096
#define SYMBOLS_PER_FRAME_MAX 32

#ifdef WITH_SYMBOLS
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#endif

struct module {
	struct module *next;
	char *path, *build_id;
	bool has_changed; /* the file at path is another one now */
#ifdef WITH_SYMBOLS
	Dwfl *dwfl;
	Dwfl_Module *dwfl_module; /* NULL: nothing was found */
	Dwarf_Addr bias;	  /* to be added to an offset for libdw's count of addresses */
#endif
};

struct found {
	struct found *next;
	const struct module *module; /* NULL: in generated code, */
	char *generated;	     /* of this name */
	uint64_t offset;	     /* there, the address */
	struct symbol_list list;
};

struct symbols {
	bool is_wanted;
	struct module *modules;
	unsigned module_count;
	struct found *frames[FRAME_BUCKETS];
	unsigned frame_count, generated_count;
	char *(*demangle)(const char *, char *, size_t *, int *);
	bool has_sought_demangler;
	void *cxx_library;
};

struct symbols *symbols_open(bool is_wanted)
{
	struct symbols *symbols = calloc(1, sizeof *symbols);

	if (symbols != NULL)
		symbols->is_wanted = is_wanted;
	return symbols;
}

static void free_found(struct found *found)
{
	for (size_t i = 0; i < found->list.count; i++) {
		free((char *)(uintptr_t)found->list.symbols[i].function);
		free((char *)(uintptr_t)found->list.symbols[i].file);
	}
	free(found->list.symbols);
	free(found->generated);
	free(found);
}

void symbols_forget_generated(struct symbols *symbols)
{
	for (size_t i = 0; i < FRAME_BUCKETS && symbols->generated_count > 0; i++)
		for (struct found **link = &symbols->frames[i]; *link != NULL;) {
			struct found *found = *link;

			if (found->module != NULL) {
				link = &found->next;
				continue;
			}
			*link = found->next;
			free_found(found);
			symbols->generated_count--;
		}
}

void symbols_close(struct symbols *symbols)
{
	if (symbols == NULL)
		return;
	for (size_t i = 0; i < FRAME_BUCKETS; i++)
		while (symbols->frames[i] != NULL) {
			struct found *next = symbols->frames[i]->next;

			free_found(symbols->frames[i]);
			symbols->frames[i] = next;
		}
	while (symbols->modules != NULL) {
		struct module *next = symbols->modules->next;

#ifdef WITH_SYMBOLS
		if (symbols->modules->dwfl != NULL)
			dwfl_end(symbols->modules->dwfl);
#endif
		free(symbols->modules->path);
		free(symbols->modules->build_id);
		free(symbols->modules);
		symbols->modules = next;
	}
	if (symbols->cxx_library != NULL)
		dlclose(symbols->cxx_library);
	free(symbols);
}

const char *symbols_changed_module(const struct symbols *symbols)
{
	for (const struct module *module = symbols->modules; module != NULL; module = module->next)
		if (module->has_changed)
			return module->path;
	return NULL;
}

const char *symbols_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash != NULL && slash[1] != '\0')
		return slash + 1;
	return path[0] != '\0' ? path : "?";
}

const char *symbols_home(const struct dump_frame *frame)
{
	return frame->module[0] != '\0' ? symbols_base_name(frame->module) : "generated code";
}

const char *symbols_name(struct symbols *symbols, const struct dump_frame *frame, char *name, size_t size)
{
	const struct symbol_list *list = symbols_find(symbols, frame);

	if (list->count > 0)
		snprintf(name, size, "%s", list->symbols[0].function);
	else if (frame->module[0] != '\0')
		snprintf(name, size, "%s+0x%llx", symbols_base_name(frame->module),
		    (unsigned long long)frame->offset);
	else
		snprintf(name, size, "0x%llx", (unsigned long long)frame->pc);
	text_make_printable(name); /* where it was cut off */
	return name;
}

/* A copy, demangled where that can be done: to be freed. */
static char *function_name(struct symbols *symbols, const char *name)
{
	char *copy = NULL;

	if (name == NULL)
		return NULL;
	if (strncmp(name, "_Z", 2) == 0 && !symbols->has_sought_demangler) {
		/* A machine that has C++ programs has its library; Weir itself does without. */
		symbols->has_sought_demangler = true;
		symbols->cxx_library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
		if (symbols->cxx_library != NULL)
			*(void **)&symbols->demangle = dlsym(symbols->cxx_library, "__cxa_demangle");
	}
	if (strncmp(name, "_Z", 2) == 0 && symbols->demangle != NULL)
		copy = symbols->demangle(name, NULL, NULL, NULL);
	if (copy == NULL)
		copy = strdup(name);
	if (copy != NULL)
		text_make_printable(copy);
	return copy;
}

static void add_symbol(
    struct symbols *symbols, struct symbol_list *list, const char *function, const char *file, int line)
{
	struct symbol *grown;
	char *name, *path;

	if (list->count >= SYMBOLS_PER_FRAME_MAX)
		return;
	grown = realloc(list->symbols, (list->count + 1) * sizeof *grown);
	if (grown == NULL)
		return;
	list->symbols = grown;
	name = function_name(symbols, function);
	path = strdup(file != NULL ? file : "");
	if (name == NULL || path == NULL) {
		free(name);
		free(path);
		return;
	}
	text_make_printable(path);
	if (list->count > 0)
		grown[list->count - 1].is_inlined = true;
	grown[list->count++] =
	    (struct symbol){.function = name, .file = path, .line = line > 0 ? (unsigned)line : 0};
}

#ifdef WITH_SYMBOLS

/* The address libdw counts from is of no matter: each module has a Dwfl of its own. */
#define MODULE_END ((Dwarf_Addr)1 << 47)

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

/* Hexadecimal digits as bytes; how many, 0 where they are none. */
static size_t bytes_of(const char *digits, unsigned char *bytes, size_t most)
{
	size_t length = strlen(digits);

	if (length == 0 || length % 2 != 0 || length / 2 > most ||
	    strspn(digits, "0123456789abcdefABCDEF") != length)
		return 0;
	for (size_t i = 0; i < length / 2; i++) {
		const char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

		bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return length / 2;
}

/* A descriptor of the file at path, or -1; *is_same where it has the build-id or none is asked for. */
static int open_module(const char *path, const unsigned char *id, size_t id_length, bool *is_same)
{
	int fd = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	struct stat status;
	const void *bits;
	ssize_t length;
	Elf *elf;

	*is_same = false;
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
		close(fd);
		return -1;
	}
	elf = elf_version(EV_CURRENT) != EV_NONE ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	if (elf == NULL || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		close(fd);
		return -1;
	}
	length = dwelf_elf_gnu_build_id(elf, &bits);
	*is_same = id_length == 0 || (length == (ssize_t)id_length && memcmp(bits, id, id_length) == 0);
	elf_end(elf);
	return fd;
}

static void load_module(struct module *module)
{
	unsigned char id[64];
	size_t id_length = bytes_of(module->build_id, id, sizeof id);
	bool is_same;
	int fd = open_module(module->path, id, id_length, &is_same);
	Dwfl_Module *found = NULL;

	module->has_changed = fd >= 0 && !is_same;
	module->dwfl = fd >= 0 || id_length > 0 ? dwfl_begin(&callbacks) : NULL;
	if (module->dwfl == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	dwfl_report_begin(module->dwfl);
	if (is_same) {
		/* Takes the descriptor where it succeeds. */
		found = dwfl_report_elf(module->dwfl, module->path, module->path, fd, 0, false);
		if (found == NULL)
			close(fd);
	} else {
		if (fd >= 0)
			close(fd);
		found = id_length > 0 ? dwfl_report_module(module->dwfl, module->path, 0, MODULE_END) : NULL;
		if (found != NULL && dwfl_module_report_build_id(found, id, id_length, 0) != 0)
			found = NULL;
	}
	dwfl_report_end(module->dwfl, NULL, NULL);
	if (found != NULL && dwfl_module_getelf(found, &module->bias) != NULL) {
		module->dwfl_module = found;
		module->has_changed = false; /* debuginfod, say, has the one that ran */
	}
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) != NULL)
		name = dwarf_formstring(&attribute);
	return name != NULL ? name : dwarf_diename(die);
}

/* Where an inlined function is called from. */
static void call_place(Dwarf_Die *unit, Dwarf_Die *inlined, const char **file, int *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	Dwarf_Word number;
	size_t file_count;

	*file = NULL;
	*line = 0;
	if (dwarf_attr(inlined, DW_AT_call_file, &attribute) != NULL &&
	    dwarf_formudata(&attribute, &number) == 0 && dwarf_getsrcfiles(unit, &files, &file_count) == 0 &&
	    number < file_count)
		*file = dwarf_filesrc(files, number, NULL, NULL);
	if (dwarf_attr(inlined, DW_AT_call_line, &attribute) != NULL &&
	    dwarf_formudata(&attribute, &number) == 0 && number <= INT32_MAX)
		*line = (int)number;
}

static void find_symbols(
    struct symbols *symbols, const struct module *module, uint64_t offset, struct symbol_list *list)
{
	Dwarf_Addr address = offset + module->bias, unit_bias;
	Dwfl_Line *where = dwfl_module_getsrc(module->dwfl_module, address);
	Dwarf_Die *unit = dwfl_module_addrdie(module->dwfl_module, address, &unit_bias);
	Dwarf_Die *at = NULL, *scopes = NULL;
	const char *file = NULL, *in_table;
	GElf_Sym symbol;
	GElf_Off into;
	int line = 0, count = 0;

	if (where != NULL)
		file = dwfl_lineinfo(where, NULL, &line, NULL, NULL, NULL);
	if (unit != NULL && dwarf_getscopes(unit, address - unit_bias, &at) > 0)
		count = dwarf_getscopes_die(&at[0], &scopes);
	in_table = dwfl_module_addrinfo(module->dwfl_module, address, &into, &symbol, NULL, NULL, NULL);
	for (int i = 0; i < count; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_inlined_subroutine) {
			add_symbol(symbols, list, linkage_name(&scopes[i]), file, line);
			call_place(unit, &scopes[i], &file, &line);
		} else if (tag == DW_TAG_subprogram) {
			const char *name = linkage_name(&scopes[i]);

			add_symbol(symbols, list, name != NULL ? name : in_table, file, line);
			break;
		}
	}
	if (list->count == 0 || count == 0)
		add_symbol(symbols, list, in_table, file, line);
	free(scopes);
	free(at);
}

#else

static void load_module(struct module *module UNUSED)
{
}

static void find_symbols(struct symbols *symbols UNUSED, const struct module *module UNUSED,
    uint64_t offset UNUSED, struct symbol_list *list UNUSED)
{
}

#endif

/* --- frames ---------------------------------------------------------------------- */

static const struct symbol_list nothing = {NULL, 0};

static size_t bucket_of(uint64_t offset)
{
	return (offset * 0x9E3779B97F4A7C15u) >> 52;
}

static struct module *find_module(struct symbols *symbols, const char *path, const char *build_id)
{
	struct module *module = symbols->modules;

	for (; module != NULL; module = module->next)
		if (strcmp(module->path, path) == 0 && strcmp(module->build_id, build_id) == 0)
			return module;
	if (symbols->module_count >= MODULES_MAX)
		return NULL;
	module = calloc(1, sizeof *module);
	if (module == NULL)
		return NULL;
	module->path = strdup(path);
	module->build_id = strdup(build_id);
	if (module->path == NULL || module->build_id == NULL) {
		free(module->path);
		free(module->build_id);
		free(module);
		return NULL;
	}
	load_module(module);
	module->next = symbols->modules;
	symbols->modules = module;
	symbols->module_count++;
	return module;
}

/* In the list, still without symbols, or NULL. */
static struct found *add_found(
    struct symbols *symbols, const struct module *module, uint64_t offset, const char *generated)
{
	size_t bucket = bucket_of(offset);
	unsigned *count = generated != NULL ? &symbols->generated_count : &symbols->frame_count;
	unsigned most = generated != NULL ? GENERATED_MAX : FRAMES_MAX;
	struct found *found = *count < most ? calloc(1, sizeof *found) : NULL;

	if (found == NULL)
		return NULL;
	found->generated = generated != NULL ? strdup(generated) : NULL;
	if (generated != NULL && found->generated == NULL) {
		free(found);
		return NULL;
	}
	found->module = module;
	found->offset = offset;
	found->next = symbols->frames[bucket];
	symbols->frames[bucket] = found;
	++*count;
	return found;
}

/* The same address may be another function's when the map is read again. */
static const struct symbol_list *find_generated(struct symbols *symbols, const struct dump_frame *frame)
{
	struct found *found = symbols->frames[bucket_of(frame->pc)];
	struct perf_map_place place;
	char name[PERF_MAP_NAME_MAX];

	for (; found != NULL; found = found->next)
		if (found->module == NULL && found->offset == frame->pc &&
		    strcmp(found->generated, frame->generated) == 0)
			return &found->list;
	found = add_found(symbols, NULL, frame->pc, frame->generated);
	if (found == NULL)
		return &nothing;
	snprintf(name, sizeof name, "%s", frame->generated);
	place = perf_map_split(name);
	add_symbol(symbols, &found->list, place.function, place.file, (int)place.line);
	return &found->list;
}

const struct symbol_list *symbols_find(struct symbols *symbols, const struct dump_frame *frame)
{
	struct module *module;
	struct found *found;

	if (!symbols->is_wanted)
		return &nothing;
	if (frame->module[0] == '\0')
		return frame->generated != NULL ? find_generated(symbols, frame) : &nothing;
	module = find_module(symbols, frame->module, frame->build_id);
	if (module == NULL)
		return &nothing;
	for (found = symbols->frames[bucket_of(frame->offset)]; found != NULL; found = found->next)
		if (found->module == module && found->offset == frame->offset)
			return &found->list;
	found = add_found(symbols, module, frame->offset, NULL);
	if (found == NULL)
		return &nothing;
#ifdef WITH_SYMBOLS
	if (module->dwfl_module != NULL)
#endif
		find_symbols(symbols, module, frame->offset, &found->list);
	return &found->list;
}
