/*
 * target.c -- a process with Weir, read from outside.
 *
 * The object's symbol is looked up in the process's memory, not in a file: the file may be
 * gone, replaced by a newer one, or in another mount namespace. Then everything is copied by
 * process_vm_readv(), which neither stops the process nor makes it do anything.
 *
 * Nothing that is read is trusted: sizes and counts are checked against what they
 * describe, and what was read is put beside what this command was built with before it is
 * looked at as a structure. The pool's figures come from pool_stats_collect(), run over the
 * copies: this process has no pool of its own.
 */
#include "cli/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/process.h"
#include "pool/apart.h"
#include "pool/arenas.h"
#include "pool/pool.h"
#include "track/sites.h"

#define HEADERS_MAX 64
#define DYNAMIC_MAX 128
#define CHAIN_MAX 4096
#define TRIES_MAX 20
#define TRY_STEP_NS (MILLISECOND / 2)

/* --- memory -------------------------------------------------------------------- */

static enum target_result result_of(struct target *target, int error)
{
	target->error = error;
	switch (error) {
	case ESRCH:
		return TARGET_GONE;
	case EPERM:
	case EACCES:
		return TARGET_DENIED;
	case EFAULT:
	case EIO:
		return TARGET_CHANGED;
	default:
		return TARGET_FAILED;
	}
}

enum target_result target_read(struct target *target, uint64_t address, void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		struct iovec local = {(char *)to + done, bytes - done};
		struct iovec remote = {(void *)(uintptr_t)(address + done), bytes - done};
		ssize_t got = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);

		if (got < 0)
			return result_of(target, errno);
		if (got == 0) /* of a process without memory: it is ending */
			return result_of(target, ESRCH);
		done += (size_t)got;
	}
	return TARGET_OK;
}

/* Make a copy's room large enough. */
bool target_room(void *table, size_t *room, size_t bytes)
{
	void *more;

	if (bytes <= *room)
		return true;
	/* As the process has its arenas: at the start of a cache line. */
	more = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (more == NULL)
		return false;
	free(*(void **)table);
	*(void **)table = more;
	*room = bytes;
	return true;
}

/* --- the symbol ------------------------------------------------------------------ */

struct tables {
	uint64_t base, hash, symbols, strings;
};

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name != '\0'; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static enum target_result read_dynamic(struct target *target, uint64_t address, struct tables *tables)
{
	Elf64_Dyn dynamic[DYNAMIC_MAX];
	enum target_result result;

	for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
		uint64_t value;

		result = target_read(target, address + i * sizeof(Elf64_Dyn), &dynamic[i], sizeof(Elf64_Dyn));
		if (result != TARGET_OK)
			return result;
		value = dynamic[i].d_un.d_ptr;
		/* The loader has made addresses of them on most machines. */
		if (value < tables->base)
			value += tables->base;
		if (dynamic[i].d_tag == DT_NULL)
			break;
		if (dynamic[i].d_tag == DT_GNU_HASH)
			tables->hash = value;
		else if (dynamic[i].d_tag == DT_SYMTAB)
			tables->symbols = value;
		else if (dynamic[i].d_tag == DT_STRTAB)
			tables->strings = value;
	}
	if (tables->hash == 0 || tables->symbols == 0 || tables->strings == 0)
		return TARGET_NO_WEIR;
	return TARGET_OK;
}

static enum target_result find_tables(struct target *target, struct tables *tables)
{
	Elf64_Ehdr header;
	enum target_result result = target_read(target, tables->base, &header, sizeof header);

	if (result != TARGET_OK)
		return result;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		return TARGET_NO_WEIR;
	for (unsigned i = 0; i < MIN(header.e_phnum, (unsigned)HEADERS_MAX); i++) {
		Elf64_Phdr segment;

		result = target_read(
		    target, tables->base + header.e_phoff + i * sizeof segment, &segment, sizeof segment);
		if (result != TARGET_OK)
			return result;
		if (segment.p_type == PT_DYNAMIC)
			return read_dynamic(target, tables->base + segment.p_vaddr, tables);
	}
	return TARGET_NO_WEIR;
}

static bool is_named(struct target *target, const struct tables *tables, const Elf64_Sym *symbol)
{
	char name[sizeof STATE_SYMBOL];

	return symbol->st_shndx != SHN_UNDEF &&
	       target_read(target, tables->strings + symbol->st_name, name, sizeof name) == TARGET_OK &&
	       memcmp(name, STATE_SYMBOL, sizeof name) == 0;
}

/* By the GNU hash table, whose layout is: header, bloom filter, buckets, chain. */
static enum target_result find_symbol(struct target *target, uint64_t base)
{
	struct tables tables = {.base = base};
	struct {
		uint32_t buckets, first, bloom_words, shift;
	} header;
	uint32_t hash = gnu_hash(STATE_SYMBOL), index, value;
	uint64_t buckets;
	enum target_result result = find_tables(target, &tables);

	if (result == TARGET_OK)
		result = target_read(target, tables.hash, &header, sizeof header);
	if (result != TARGET_OK)
		return result;
	if (header.buckets == 0)
		return TARGET_NO_WEIR;
	buckets = tables.hash + sizeof header + (uint64_t)header.bloom_words * 8;
	result = target_read(target, buckets + (hash % header.buckets) * 4ULL, &index, sizeof index);
	for (unsigned steps = 0; result == TARGET_OK && index >= header.first && steps < CHAIN_MAX;
	     steps++, index++) {
		Elf64_Sym symbol;

		result = target_read(target,
		    buckets + (uint64_t)header.buckets * 4 + (uint64_t)(index - header.first) * 4, &value,
		    sizeof value);
		if (result == TARGET_OK && (value | 1) == (hash | 1))
			result = target_read(
			    target, tables.symbols + (uint64_t)index * sizeof symbol, &symbol, sizeof symbol);
		if (result != TARGET_OK)
			return result;
		if ((value | 1) == (hash | 1) && is_named(target, &tables, &symbol)) {
			target->address = base + symbol.st_value;
			return TARGET_OK;
		}
		if ((value & 1) != 0)
			break;
	}
	return result == TARGET_OK ? TARGET_NO_WEIR : result;
}

/* --- weir_state ---------------------------------------------------------------- */

static const size_t part_bytes[STATE_PARTS] = {
    [STATE_SETTINGS] = sizeof(struct settings),
    [STATE_RANGE] = sizeof(struct range),
    [STATE_POOL] = sizeof(struct pool),
    [STATE_ARENAS] = sizeof(struct arenas),
    [STATE_MAGAZINES] = sizeof(struct magazines),
    [STATE_ARENA] = sizeof(struct arena),
    [STATE_RUN] = sizeof(struct run),
    [STATE_TRACK] = sizeof(struct track_snapshot),
    [STATE_SITE] = sizeof(struct site),
    [STATE_BELL] = sizeof(uint32_t),
};

static enum target_result judge_header(struct target *target, const struct weir_state *state)
{
	if (state->magic == 0)
		return TARGET_STARTING;
	if (state->magic != STATE_MAGIC)
		return TARGET_CHANGED;
	memcpy(target->version, state->version, sizeof target->version - 1);
	if (state->layout != STATE_LAYOUT || state->bytes != sizeof *state)
		return TARGET_OTHER_VERSION;
	return TARGET_OK;
}

static enum target_result judge_parts(const struct weir_state *state)
{
	for (unsigned i = 0; i < STATE_PARTS; i++)
		if (state->parts[i].bytes != part_bytes[i])
			return TARGET_OTHER_VERSION;
	return TARGET_OK;
}

static void end_strings(struct weir_state *state)
{
	state->program[sizeof state->program - 1] = '\0';
	state->exe[sizeof state->exe - 1] = '\0';
	state->version[sizeof state->version - 1] = '\0';
	state->figures.pressure_source[sizeof state->figures.pressure_source - 1] = '\0';
	state->figures.background[sizeof state->figures.background - 1] = '\0';
	for (unsigned i = 0; i < STATE_ANSWERS; i++)
		for (unsigned k = 0; k < STATE_FILES_MAX; k++)
			state->answers[i].paths[k][STATE_PATH_BYTES - 1] = '\0';
}

enum target_result target_refresh(struct target *target)
{
	static const struct timespec step = {0, TRY_STEP_NS};
	enum target_result result;

	for (unsigned tries = 0;; tries++) {
		uint32_t before, after;

		/* Field by field the copy is of different moments; the number is read before and after. */
		result = target_read(
		    target, target->address + offsetof(struct weir_state, sequence), &before, sizeof before);
		if (result == TARGET_OK)
			result = target_read(target, target->address, &target->state, sizeof target->state);
		if (result == TARGET_OK)
			result = target_read(target, target->address + offsetof(struct weir_state, sequence),
			    &after, sizeof after);
		if (result == TARGET_OK)
			result = judge_header(target, &target->state);
		if (result != TARGET_OK)
			return result;
		target->is_torn = before != after || before % 2 != 0;
		if (!target->is_torn || tries == TRIES_MAX)
			break;
		nanosleep(&step, NULL);
	}
	end_strings(&target->state);
	return judge_parts(&target->state);
}

enum target_result target_attach(struct target *target, pid_t pid)
{
	struct weir_state *state = &target->state;
	struct process process;
	enum target_result result;
	uint64_t base;
	int error;

	target->pid = pid;
	target->address = 0;
	target->version[0] = '\0';
	if (!process_read(pid, &process) || process.state == 'Z' || process.state == 'X')
		return TARGET_GONE;
	base = process_weir_base(pid, &error);
	if (base == 0)
		return error != 0 ? result_of(target, error) : TARGET_NO_WEIR;
	result = find_symbol(target, base);
	/* The header first: another layout may be shorter than ours. */
	if (result == TARGET_OK)
		result = target_read(target, target->address, state, offsetof(struct weir_state, parts));
	if (result == TARGET_OK)
		result = judge_header(target, state);
	if (result == TARGET_OK)
		result = target_refresh(target);
	if (result == TARGET_OK)
		result = target_read(
		    target, state->parts[STATE_SETTINGS].address, &target->settings, sizeof target->settings);
	if (result != TARGET_OK)
		target->address = 0;
	return result;
}

void target_detach(struct target *target)
{
	free(target->runs);
	free(target->owners);
	free(target->arenas);
	free(target->samples);
	free(target->texts);
	*target = (struct target){.pid = 0};
}

const struct state_answer *target_answer(const struct target *target, uint64_t request)
{
	for (unsigned i = 0; i < STATE_ANSWERS; i++) {
		const struct state_answer *answer = &target->state.answers[i];

		if (answer->request == request && answer->status >= STATE_WAITING)
			return answer;
	}
	return NULL;
}

/* --- the pool -------------------------------------------------------------------- */

static enum target_result read_part(struct target *target, enum state_part part, void *to)
{
	return target_read(target, target->state.parts[part].address, to, part_bytes[part]);
}

/* Copies of its structures, in the place of ours, with pointers to copies of its tables. */
static enum target_result borrow_pool(struct target *target)
{
	enum target_result result = read_part(target, STATE_RANGE, &range);
	uint64_t pages, chunks;
	uintptr_t theirs;

	if (result == TARGET_OK)
		result = read_part(target, STATE_POOL, &pool);
	if (result == TARGET_OK)
		result = read_part(target, STATE_ARENAS, &arenas);
	if (result == TARGET_OK)
		result = read_part(target, STATE_MAGAZINES, &magazines);
	if (result != TARGET_OK || range.bytes == 0)
		return result;
	pages = MIN((uint64_t)range_committed(), (uint64_t)range.bytes >> PAGE_SHIFT);
	chunks = (pages >> (CHUNK_SHIFT - PAGE_SHIFT)) + 1;
	arenas.count = MIN(arenas.count, (unsigned)ARENAS_MAX);
	atomic_store_explicit(&arenas.used,
	    MIN(atomic_load_explicit(&arenas.used, memory_order_relaxed), arenas.count),
	    memory_order_relaxed);
	if (!target_room(&target->runs, &target->runs_room, (pages + 1) * sizeof(struct run)) ||
	    !target_room(&target->owners, &target->owners_room, chunks) ||
	    !target_room(&target->arenas, &target->arenas_room, (arenas.count + 1) * sizeof(struct arena)))
		return result_of(target, ENOMEM);
	theirs = (uintptr_t)range.runs;
	result = target_read(target, theirs, target->runs, pages * sizeof(struct run));
	if (result == TARGET_OK)
		result = target_read(target, (uintptr_t)range.owners, target->owners, chunks);
	if (result == TARGET_OK)
		result = target_read(
		    target, (uintptr_t)arenas.at, target->arenas, arenas.count * sizeof(struct arena));
	range.runs = target->runs;
	range.owners = target->owners;
	range.hot = range.edges = NULL;
	arenas.at = target->arenas;
	atomic_store_explicit(&range.committed_pages, (uint32_t)pages, memory_order_relaxed);
	target->pages = result == TARGET_OK ? (uint32_t)pages : 0;
	return result;
}

void target_classes(const struct target *target, struct target_class *classes)
{
	memset(classes, 0, SIZE_CLASSES * sizeof *classes);
	for (uint32_t page = 1; page < target->pages;) {
		const struct run *run = &target->runs[page];
		struct target_class *class = &classes[MIN((unsigned)run->size_class, SIZE_CLASSES - 1u)];
		uint64_t length = run->pages, hot;

		if (run_is_buffer(run->state)) {
			bool is_slot = size_class_is_slab(run->size_class), is_idle = run->state == RUN_IDLE;

			class->in_use += !is_idle;
			class->idle += is_idle;
			class->uses += run->buffer.use_count;
			if (!is_idle) {
				class->requested_bytes += run->buffer.size;
				class->in_use_bytes +=
				    is_slot ? size_class_bytes(run->size_class) : length << PAGE_SHIFT;
			}
			length = is_slot ? 1 : length;
		} else if (run->state == RUN_FREE && length > 0) {
			class = &classes[size_class_within(
			    (uint32_t)MIN(length, (uint64_t)SIZE_CLASS_MAX_BYTES >> PAGE_SHIFT))];
			hot = MIN((uint64_t)run->free.hot_pages, length);
			class->free_hot_bytes += hot << PAGE_SHIFT;
			class->free_cold_bytes += (length - hot) << PAGE_SHIFT;
		} else if (run->state == RUN_SLOTS) {
			length = apart_slab_pages(run);
		} else if (run->state != RUN_APART) {
			length = 1;
		}
		page += length == 0 || length > target->pages - page ? 1 : (uint32_t)length;
	}
}

static void return_pool(void)
{
	range = (struct range){.bytes = 0};
	arenas = (struct arenas){.at = NULL};
}

static uint64_t uptime_of(const struct target *target)
{
	struct timespec now;
	uint64_t elapsed;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	elapsed = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
	elapsed -= MIN(elapsed, target->state.clock_origin_ns);
	return (uint64_t)((double)elapsed * target->settings.time_scale);
}

static void read_boot_id(char *id, size_t size)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	id[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(id, (int)size, file) != NULL)
		id[strcspn(id, "\n")] = '\0';
	fclose(file);
}

enum target_result target_snapshot(struct target *target, struct snapshot *snapshot)
{
	const struct state_figures *figures = &target->state.figures;
	enum target_result result = target_refresh(target);
	struct process process;

	if (result == TARGET_OK)
		result = borrow_pool(target);
	if (result != TARGET_OK) {
		return_pool();
		return result;
	}
	*snapshot = (struct snapshot){.settings = &target->settings, .pid = (uint32_t)target->pid};
	snprintf(snapshot->program, sizeof snapshot->program, "%s", target->state.program);
	snprintf(snapshot->exe, sizeof snapshot->exe, "%s", target->state.exe);
	read_boot_id(snapshot->boot_id, sizeof snapshot->boot_id);
	snapshot->started_at_ns = target->state.started_at_ns;
	snapshot->taken_at_ns = clock_unix_now_ns();
	snapshot->uptime_ns = uptime_of(target);
	snapshot->now_ticks = ns_to_ticks(snapshot->uptime_ns);
	snapshot->trigger = TRIGGER_COMMAND;
	snapshot->buffer_count = pool_stats_collect(&snapshot->pool, snapshot->buffers, SNAPSHOT_BUFFERS_MAX);
	return_pool();
	result = target_track(target, &snapshot->track);
	if (result != TARGET_OK)
		return result;
	snapshot->pressure = figures->pressure;
	snapshot->pressure.source = figures->ticks > 0 ? figures->pressure_source : "none";
	snapshot->fallback = figures->fallback;
	snapshot->background = figures->ticks > 0 ? figures->background : "none";
	if (!process_read(target->pid, &process))
		return TARGET_GONE;
	snapshot->process = (struct process_info){
	    .rss_bytes = process.rss_bytes,
	    .minor_faults = process.minor_faults,
	    .major_faults = process.major_faults,
	    .threads = process.threads,
	};
	advice_derive(snapshot);
	return TARGET_OK;
}

/* --- why not --------------------------------------------------------------------- */

static long yama_scope(void)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	char line[16] = "0";

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	fclose(file);
	return strtol(line, NULL, 10);
}

static void explain_denied(const struct target *target, char *text, size_t size)
{
	int pid = (int)target->pid;
	long scope = yama_scope();
	struct process process;

	if (!process_read(target->pid, &process)) {
		snprintf(text, size, "process %d is gone", pid);
		return;
	}
	if (geteuid() != 0 && process.uid != geteuid() && process.uid != 0)
		snprintf(text, size,
		    "process %d belongs to user %u, or has changed its user: its memory may be read by root (sudo weir ...)",
		    pid, (unsigned)process.uid);
	else if (scope == 3)
		snprintf(text, size,
		    "the kernel lets nobody read another process's memory (kernel.yama.ptrace_scope=3); "
		    "kill -USR1 %d still makes it dump",
		    pid);
	else if (scope != 0 && geteuid() != 0)
		snprintf(text, size,
		    "the kernel lets only root read the memory of process %d (kernel.yama.ptrace_scope=%ld): "
		    "sudo weir ..., or setcap cap_sys_ptrace+ep on weir, or sysctl kernel.yama.ptrace_scope=0",
		    pid, scope);
	else
		snprintf(text, size,
		    "the memory of process %d may not be read: it runs with other rights than you "
		    "(it has changed its user, say), or a container forbids ptrace; root may (sudo weir ..., "
		    "docker run --cap-add SYS_PTRACE)",
		    pid);
}

void target_explain(const struct target *target, enum target_result result, char *text, size_t size)
{
	int pid = (int)target->pid;

	switch (result) {
	case TARGET_GONE:
		snprintf(text, size, "process %d is gone", pid);
		break;
	case TARGET_NO_WEIR:
		snprintf(text, size, "process %d does not run with Weir", pid);
		break;
	case TARGET_DENIED:
		explain_denied(target, text, size);
		break;
	case TARGET_STARTING:
		snprintf(text, size, "Weir is not up yet in process %d", pid);
		break;
	case TARGET_OTHER_VERSION:
		snprintf(text, size,
		    "process %d runs with another build of Weir (%s) than this command (%s): "
		    "use the weir that was installed with it; a signal still makes it dump",
		    pid, target->version[0] != '\0' ? target->version : "unknown", WEIR_VERSION);
		break;
	case TARGET_CHANGED:
		snprintf(text, size, "process %d became another program while it was read", pid);
		break;
	default:
		snprintf(text, size, "process %d cannot be read: %s", pid, strerror(target->error));
	}
}
