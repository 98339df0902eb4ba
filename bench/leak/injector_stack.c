/*
 * injector_stack.c -- stacks, and their frames as modules and offsets that hold in the next run, too.
 *
 * A module is called by the last part of its path, its offset counts from where it was loaded: what a dump
 * of Weir says, and what addr2line takes. Asks the loader, so it must not be called from a signal handler.
 */
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "inject.h"

extern const char __ehdr_start[] HIDDEN;
extern const char _end[] HIDDEN;

static char exe[256]; /* what the loader calls "" */

void modules_start(void)
{
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[length > 0 ? length : 0] = '\0';
}

/* --- stacks ------------------------------------------------------------------ */

static bool is_ours(uintptr_t pc)
{
	return pc >= (uintptr_t)__ehdr_start && pc < (uintptr_t)_end;
}

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *to)
{
	struct unwound *stack = to;
	uintptr_t pc = _Unwind_GetIP(context);
	if (pc == 0)
		return _URC_END_OF_STACK;
	if (is_ours(pc))
		return _URC_NO_REASON;
	stack->frames[stack->count++] = pc;
	return stack->count == FRAMES_MAX ? _URC_END_OF_STACK : _URC_NO_REASON;
}

__attribute__((noinline)) void stack_unwind(struct unwound *stack)
{
	stack->count = 0;
	_Unwind_Backtrace(add_frame, stack);
}

/* --- modules ----------------------------------------------------------------- */

struct search {
	uintptr_t pc;	  /* for find_by_pc() */
	const char *name; /* for find_by_name(), with something after it; what find_by_pc() found */
	uintptr_t base;
	bool is_found;
};

static const char *name_of(const struct dl_phdr_info *info)
{
	const char *path = info->dlpi_name != NULL && info->dlpi_name[0] != '\0' ? info->dlpi_name : exe;
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static int find_by_pc(struct dl_phdr_info *info, size_t size, void *to)
{
	struct search *search = to;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		if (info->dlpi_phdr[i].p_type != PT_LOAD || search->pc < start ||
		    search->pc >= start + info->dlpi_phdr[i].p_memsz)
			continue;
		search->base = info->dlpi_addr;
		search->name = name_of(info);
		return search->is_found = true;
	}
	return 0;
}

static int find_by_name(struct dl_phdr_info *info, size_t size, void *to)
{
	struct search *search = to;
	const char *name = name_of(info);
	size_t length = strlen(name);
	(void)size;
	if (strncmp(name, search->name, length) != 0 || search->name[length] != '+')
		return 0;
	search->base = info->dlpi_addr;
	return search->is_found = true;
}

bool site_parse(const char *text, struct unwound *stack)
{
	stack->count = 0;
	while (text != NULL && *text != '\0' && stack->count < FRAMES_MAX) {
		const char *plus = strchr(text, '+');
		struct search search = {.name = text};
		if (plus == NULL || dl_iterate_phdr(find_by_name, &search) == 0)
			return false;
		stack->frames[stack->count++] = search.base + strtoull(plus + 1, NULL, 16);
		text = strchr(plus, ',');
		if (text != NULL)
			text++;
	}
	return stack->count != 0;
}

int site_print(const uintptr_t *frames, uint32_t count, char *text)
{
	int length = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct search search = {.pc = frames[i], .name = "?"};
		dl_iterate_phdr(find_by_pc, &search);
		length += snprintf(text + length, 160, "%s%.120s+0x%jx", i == 0 ? "" : ",", search.name,
		    (uintmax_t)(frames[i] - search.base));
	}
	return length;
}
