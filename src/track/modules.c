/*
 * modules.c -- what is loaded where, and what was.
 *
 * modules_refresh() is called by the monitor tick and around dlclose(). It asks
 * dl_iterate_phdr(), whose counters of loads and unloads make it cheap when nothing has
 * changed. That takes the loader's write lock, under which the loader itself never allocates, and waits
 * for nobody. But a program holds it in its own callbacks of dl_iterate_phdr(), which may
 * wait for whatever is held by who allocates, and so by a tick that runs within malloc, or by who
 * forks, and so waits for the end of a tick. So no refresh begins while somebody is in there, as
 * far as we see them go in (preload/walk.c), and nobody goes in while there is a refresh. In a child of a fork which fell
 * into such a call of another thread the lock is never released again: there the count stays, and
 * no refresh begins. For the same reason nobody waits for our lock while somebody may hold the
 * loader's (lock_try only), but for fork.
 *
 * Readers take no lock. They see rows, whose words are written before their state
 * is, and a sorted list of the loaded ones, two of which take turns: a reader that was
 * overtaken twice in the middle of its search may miss, and never finds a wrong module,
 * since it looks at the row's addresses itself.
 */
#include "track/modules.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/sys.h"

struct index {
	_Atomic uint32_t count; /* release after the rows' numbers; acquire in modules_find() */
	uint16_t rows[MODULES_MAX];
};

static struct {
	struct module *rows;	   /* frozen */
	char exe[MODULE_PATH_MAX]; /* frozen: asked at start, since chroot may come */
	/* Shared. */
	struct lock lock;	   /* LOCK_modules */
	_Atomic uint32_t count;	   /* rows that have been used; written under lock, relaxed: a bound */
	_Atomic uint32_t current;  /* which index is valid; release and acquire */
	struct index indexes[2];   /* the other one is written under lock */
	_Atomic uint64_t left_out; /* relaxed; a statistic */
	/* Under lock. */
	bool is_filled;
	bool is_frozen;		       /* a child of a process that had threads: see modules_fork_done() */
	unsigned long long adds, subs; /* the loader's, at the last refresh */
	struct {
		bool is_first, is_changed, is_marked;
	} pass;
	void (*mark_used)(uint64_t *bits);
	uint64_t used_bits[MODULES_MAX / 64];
} table;

/* --- the gate ---------------------------------------------------------------- */

static struct {
	_Atomic uint32_t inside;  /* calls of the program's own. Sequentially consistent against is_shut */
	_Atomic uint32_t is_shut; /* futex: a refresh is at it. Likewise */
	_Atomic uintptr_t walker; /* whose refresh; relaxed: a thread finds its own value or another one */
	_Atomic(modules_walk *) walk; /* relaxed: set before there are threads */
} gate = {.walk = dl_iterate_phdr};

void modules_set_walk(modules_walk *walk)
{
	atomic_store_explicit(&gate.walk, walk, memory_order_relaxed);
}

static uintptr_t self(void)
{
	return (uintptr_t)&errno; /* each thread has its own */
}

void modules_walk_begin(void)
{
	atomic_fetch_add(&gate.inside, 1);
	/* A handler may have interrupted our own refresh, whose lock is the same thread's. */
	while (atomic_load(&gate.is_shut) != 0 &&
	       atomic_load_explicit(&gate.walker, memory_order_relaxed) != self())
		sys_futex_wait(&gate.is_shut, 1, MILLISECOND);
}

void modules_walk_end(void)
{
	atomic_fetch_sub_explicit(&gate.inside, 1, memory_order_release);
}

static void open_gate(void)
{
	atomic_store_explicit(&gate.walker, 0, memory_order_relaxed);
	atomic_store(&gate.is_shut, 0);
	sys_futex_wake(&gate.is_shut, INT_MAX);
}

/* Under the lock. Either we see who is inside, or they see that it is shut. */
static bool shut_gate(void)
{
	atomic_store_explicit(&gate.walker, self(), memory_order_relaxed);
	atomic_store(&gate.is_shut, 1);
	if (atomic_load(&gate.inside) == 0)
		return true;
	open_gate();
	return false;
}

uint64_t modules_hash(uint64_t h, const void *bytes, size_t length)
{
	const unsigned char *p = bytes;

	/* FNV-1a with a mix behind it, so that short inputs reach all bits. */
	h ^= 0xCBF29CE484222325u;
	for (size_t i = 0; i < length; i++)
		h = (h ^ p[i]) * 0x100000001B3u;
	h ^= h >> 32;
	h *= 0x9E3779B97F4A7C15u;
	return h ^ (h >> 29);
}

bool modules_start(void)
{
	size_t bytes = modules_table_bytes();
	void *rows = sys_reserve(bytes);
	ssize_t length;

	if (rows == NULL)
		return false;
	if (!sys_commit(rows, bytes)) {
		sys_release(rows, bytes);
		return false;
	}
	table.rows = rows;
	length = readlink("/proc/self/exe", table.exe, sizeof(table.exe) - 1);
	table.exe[MAX(length, 0)] = '\0';
	return true;
}

size_t modules_table_bytes(void)
{
	return ROUND_UP(MODULES_MAX * sizeof(struct module), PAGE_BYTES);
}

const struct module *modules_at(unsigned module)
{
	return &table.rows[module];
}

unsigned modules_count(void)
{
	return atomic_load_explicit(&table.count, memory_order_relaxed);
}

uint64_t modules_left_out(void)
{
	return atomic_load_explicit(&table.left_out, memory_order_relaxed);
}

/* --- what a module is -------------------------------------------------------- */

/* path is all zero. A plugin may be opened by a path from where the program stands. */
static void put_path(char *path, const char *name)
{
	size_t length = strlen(name), before = 0;

	if (name[0] != '/' && strchr(name, '/') != NULL && getcwd(path, MODULE_PATH_MAX) != NULL) {
		before = strlen(path) + 1;
		path[before - 1] = '/';
		if (before + length >= MODULE_PATH_MAX) {
			memset(path, 0, MODULE_PATH_MAX);
			before = 0;
		}
	}
	if (before + length >= MODULE_PATH_MAX) {
		name += length - (MODULE_PATH_MAX - 1);
		length = MODULE_PATH_MAX - 1;
	}
	memcpy(path + before, name, length);
}

static bool is_mapped(const struct dl_phdr_info *info, uintptr_t start, size_t bytes)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_R) != 0 && start >= p->p_vaddr &&
		    bytes <= p->p_filesz && start - p->p_vaddr <= p->p_filesz - bytes)
			return true;
	}
	return false;
}

static void put_hex(char *to, const unsigned char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
}

static void put_build_id(struct module *module, const struct dl_phdr_info *info)
{
	memset(module->build_id, 0, sizeof(module->build_id));
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		size_t at = 0, align = p->p_align == 8 ? 8 : 4;
		const char *notes = (const char *)(info->dlpi_addr + p->p_vaddr);

		if (p->p_type != PT_NOTE || !is_mapped(info, p->p_vaddr, p->p_memsz))
			continue;
		while (at + sizeof(ElfW(Nhdr)) <= p->p_memsz) {
			ElfW(Nhdr) note;
			size_t name = at + sizeof(note), text, next;

			memcpy(&note, notes + at, sizeof(note));
			text = ROUND_UP(name + note.n_namesz, align);
			next = ROUND_UP(text + note.n_descsz, align);
			if (text > p->p_memsz || note.n_descsz > p->p_memsz - text || next <= at)
				break;
			if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
			    memcmp(notes + name, "GNU", 4) == 0) {
				put_hex(module->build_id, (const unsigned char *)notes + text,
				    MIN((size_t)note.n_descsz, (size_t)MODULE_BUILD_ID_MAX));
				return;
			}
			at = next;
		}
	}
}

static bool put_code(struct module *module, const struct dl_phdr_info *info)
{
	module->start = UINTPTR_MAX;
	module->end = 0;
	module->bias = info->dlpi_addr;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0 || p->p_memsz == 0)
			continue;
		if (start < module->start) {
			module->start = start;
			module->file_offset = p->p_offset;
		}
		module->end = MAX(module->end, start + p->p_memsz);
	}
	return module->end != 0;
}

static void put_identity(struct module *module)
{
	const char *slash = strrchr(module->path, '/');
	const char *text = module->build_id[0] != '\0' ? module->build_id
			   : slash != NULL	       ? slash + 1
						       : module->path;

	module->identity = modules_hash(0, text, strlen(text));
}

/* --- the refresh ------------------------------------------------------------- */

static unsigned state_of(const struct module *module)
{
	return atomic_load_explicit(&module->state, memory_order_acquire);
}

static void set_state(struct module *module, enum module_state state)
{
	atomic_store_explicit(&module->state, state, memory_order_release);
}

static struct module *find_same(const struct module *wanted)
{
	unsigned count = modules_count();

	for (unsigned i = 0; i < count; i++) {
		struct module *module = &table.rows[i];

		if (state_of(module) == MODULE_LOADED && module->start == wanted->start &&
		    module->end == wanted->end && module->bias == wanted->bias &&
		    module->identity == wanted->identity)
			return module;
	}
	return NULL;
}

/* The same file as loaded before, at another address perhaps. */
static struct module *find_gone(const struct module *wanted)
{
	unsigned count = modules_count();

	for (unsigned i = 0; i < count; i++) {
		struct module *module = &table.rows[i];

		if (state_of(module) == MODULE_GONE && module->identity == wanted->identity &&
		    strcmp(module->path, wanted->path) == 0)
			return module;
	}
	return NULL;
}

static bool is_used(unsigned row)
{
	if (table.mark_used == NULL)
		return false;
	if (!table.pass.is_marked) {
		table.pass.is_marked = true;
		memset(table.used_bits, 0, sizeof(table.used_bits));
		table.mark_used(table.used_bits);
	}
	return (table.used_bits[row / 64] >> row % 64 & 1) != 0;
}

/* A row for another one: never used, or gone and on nobody's stack. */
static struct module *find_room(void)
{
	unsigned count = modules_count();

	if (count < MODULES_MAX) {
		atomic_store_explicit(&table.count, count + 1, memory_order_relaxed);
		return &table.rows[count];
	}
	for (unsigned i = 0; i < count; i++) {
		struct module *module = &table.rows[i];

		if (state_of(module) == MODULE_FREE || (state_of(module) == MODULE_GONE && !is_used(i)))
			return module;
	}
	return NULL;
}

static int see(struct dl_phdr_info *info, size_t size, void *unused UNUSED)
{
	/* Static: it is large, and there is one refresh at a time. */
	static struct module found;
	bool is_first = table.pass.is_first;
	struct module *row;
	const char *name;

	table.pass.is_first = false;
	if (is_first && size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs)) {
		if (table.is_filled && info->dlpi_adds == table.adds && info->dlpi_subs == table.subs)
			return 1;
		table.adds = info->dlpi_adds;
		table.subs = info->dlpi_subs;
	}
	table.pass.is_changed = true;
	if (!put_code(&found, info))
		return 0;
	memset(found.path, 0, sizeof(found.path));
	name = info->dlpi_name != NULL ? info->dlpi_name : "";
	/* The first is the program, which the loader does not name. */
	put_path(found.path, is_first && name[0] == '\0' ? table.exe : name);
	put_build_id(&found, info);
	put_identity(&found);
	row = find_same(&found);
	if (row != NULL) {
		row->is_seen = true;
		return 0;
	}
	row = find_gone(&found);
	if (row == NULL)
		row = find_room();
	if (row == NULL) {
		atomic_fetch_add_explicit(&table.left_out, 1, memory_order_relaxed);
		return 0;
	}
	set_state(row, MODULE_FREE);
	row->start = found.start;
	row->end = found.end;
	row->bias = found.bias;
	row->file_offset = found.file_offset;
	row->identity = found.identity;
	memcpy(row->path, found.path, sizeof(row->path));
	memcpy(row->build_id, found.build_id, sizeof(row->build_id));
	row->is_seen = true;
	set_state(row, MODULE_LOADED);
	return 0;
}

static void make_index(void)
{
	uint32_t other = !atomic_load_explicit(&table.current, memory_order_relaxed);
	struct index *index = &table.indexes[other];
	unsigned count = 0, rows = modules_count();

	atomic_store_explicit(&index->count, 0, memory_order_relaxed);
	for (unsigned i = 0; i < rows; i++) {
		unsigned at = count;

		if (state_of(&table.rows[i]) != MODULE_LOADED)
			continue;
		for (; at > 0 && table.rows[index->rows[at - 1]].start > table.rows[i].start; at--)
			STORE_RELAXED(&index->rows[at], index->rows[at - 1]);
		STORE_RELAXED(&index->rows[at], (uint16_t)i);
		count++;
	}
	atomic_store_explicit(&index->count, count, memory_order_release);
	atomic_store_explicit(&table.current, other, memory_order_release);
}

bool modules_refresh(void (*gone)(unsigned module), void (*mark_used)(uint64_t *bits))
{
	bool is_changed;
	unsigned count;

	if (table.rows == NULL || !lock_try(&table.lock))
		return false;
	if (table.is_frozen) {
		lock_release(&table.lock);
		return true;
	}
	if (!shut_gate()) {
		lock_release(&table.lock);
		return false;
	}
	count = modules_count();
	for (unsigned i = 0; i < count; i++)
		table.rows[i].is_seen = false;
	table.pass.is_first = true;
	table.pass.is_changed = false;
	table.pass.is_marked = false;
	table.mark_used = mark_used;
	atomic_load_explicit(&gate.walk, memory_order_relaxed)(see, NULL);
	open_gate();
	is_changed = table.pass.is_changed;
	if (is_changed) {
		count = modules_count();
		for (unsigned i = 0; i < count; i++) {
			if (state_of(&table.rows[i]) != MODULE_LOADED || table.rows[i].is_seen)
				continue;
			set_state(&table.rows[i], MODULE_GONE);
			if (gone != NULL)
				gone(i);
		}
		make_index();
		table.is_filled = true;
	}
	lock_release(&table.lock);
	return is_changed;
}

/* --- reading ----------------------------------------------------------------- */

UNLOCKED_READER unsigned modules_find(uintptr_t pc)
{
	const struct index *index =
	    &table.indexes[atomic_load_explicit(&table.current, memory_order_acquire)];
	unsigned low = 0, high = atomic_load_explicit(&index->count, memory_order_acquire);
	const struct module *module;
	unsigned row;

	/* The last one that starts at or below pc. */
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (table.rows[LOAD_RELAXED(&index->rows[middle])].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return MODULE_NONE;
	row = LOAD_RELAXED(&index->rows[low - 1]);
	module = &table.rows[row];
	if (state_of(module) != MODULE_LOADED || pc - module->start >= module->end - module->start)
		return MODULE_NONE;
	return row;
}

/* --- fork -------------------------------------------------------------------- */

void modules_fork_prepare(void)
{
	lock_acquire(&table.lock);
}

void modules_fork_done(bool is_child)
{
	if (is_child) {
		/* Another thread may have held the loader's lock, which libc does not open again in a child: who asks
		 * would wait for ever, and he asks within malloc. What was known stays, what is loaded later does not
		 * get known. */
		table.is_frozen |= !is_single_threaded();
		lock_reset(&table.lock);
	} else {
		lock_release(&table.lock);
	}
}
