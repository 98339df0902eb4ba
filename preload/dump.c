/*
 * dump.c -- one dump: a snapshot of everything, written where WEIR_DUMP says.
 *
 * Called by the dump signal's handler, at exit and by commands, in any state
 * of the program: async-signal-safe from end to end. No lock, no allocation,
 * no stdio, no loader; all signals blocked meanwhile, so no handler can leave
 * by siglongjmp from the middle of it. What is large is static: a handler may stand
 * on an alternate stack that has MINSIGSTKSZ and 1 KiB. Handler and dump together
 * write to less than 900 bytes of it, which a test measures.
 *
 * Invariants: one dump at a time in a process; whoever comes meanwhile leaves
 * a note, and the one who runs takes another. `running` names the process, so
 * what a parent was doing in the moment of a fork does not hold up its child.
 * A file is announced once it is whole; one that cannot be finished is removed.
 * A child of vfork takes none: it runs in its parent's memory.
 */
#include "preload/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "preload/maintain.h"
#include "preload/metrics_file.h"
#include "preload/owner.h"
#include "preload/preload.h"
#include "preload/state.h"
#include "report/dump_name.h"
#include "report/metrics.h"

#define PATH_SIZE 1024
#define BUFFER_SIZE 8192
#define TRIES_MAX 10000		  /* names that are there already, before giving up */
#define ROUNDS_MAX 4		  /* dumps in a row by one thread, before it goes back to its work */
#define EXIT_WAIT_NS (2 * SECOND) /* for another thread's dump, at exit */
#define EXIT_STEP_NS (MILLISECOND)

#define RUNNING ((uint64_t)1 << 0)
#define WANTED ((uint64_t)1 << 1) /* a note: one more, in the settings' formats */
#define ASKED ((uint64_t)1 << 2)  /* a note: somebody waits for an answer in weir_state */
#define NOTES (WANTED | ASKED)
#define OF_PROCESS(pid) ((uint64_t)(uint32_t)(pid) << 32)

/* Of the dumps by WEIR_DUMP_INTERVAL, what their names can be made of again. */
#define KEEP_MAX 1000
struct kept {
	uint64_t next, count;
	struct kept_dump {
		uint64_t number, unix_ns;
	} at[KEEP_MAX];
};

static const struct format {
	unsigned bit;
	const char *ending;
	void (*write)(struct out *out, const struct snapshot *snapshot);
} formats[] = {
    {DUMP_FORMAT_TEXT, ".txt", write_text},
    {DUMP_FORMAT_JSON, ".json", write_json},
    {DUMP_FORMAT_OPENMETRICS, ".om", write_openmetrics},
};

/* Pid and flags of the dump that runs. Acquire in begin(), release in finish(): they hand on `dump`. */
static _Atomic uint64_t running;

/* Of whoever set RUNNING, but for exe and boot_id, which are frozen at start and at the first dump. */
static struct {
	struct snapshot snapshot;
	uint32_t pid;	      /* whom sequence and number belong to */
	uint64_t sequence;    /* dumps taken */
	uint64_t next_number; /* the first that has not been tried for a name */
	uint64_t number;      /* of this dump's name; 0: none in it */
	unsigned formats;     /* of this dump */
	struct state_result result;
	struct kept kept;
	char paths[ARRAY_LENGTH(formats)][PATH_SIZE];
	char buffer[BUFFER_SIZE];
	struct out out; /* what is being written, through buffer */
	struct meminfo_scratch scratch;
	struct log_line line;
} dump;

static bool begin(pid_t pid, uint64_t note)
{
	uint64_t mine = OF_PROCESS(pid) | RUNNING;
	uint64_t seen = atomic_load_explicit(&running, memory_order_relaxed);
	for (;;) {
		bool is_busy = (seen & ~NOTES) == mine;
		uint64_t wish = is_busy ? seen | note : mine;
		if (atomic_compare_exchange_weak_explicit(
			&running, &seen, wish, memory_order_acquire, memory_order_relaxed))
			return !is_busy;
	}
}

/* The notes of who came meanwhile: the dump is not over then. 0: it is. */
static uint64_t finish(pid_t pid, bool is_last)
{
	uint64_t mine = OF_PROCESS(pid) | RUNNING;
	uint64_t seen = mine;
	if (is_last) {
		atomic_store_explicit(&running, 0, memory_order_release);
		return 0;
	}
	if (atomic_compare_exchange_strong_explicit(
		&running, &seen, 0, memory_order_release, memory_order_relaxed))
		return 0;
	return atomic_exchange_explicit(&running, mine, memory_order_relaxed) & NOTES;
}

static uint64_t unix_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void read_boot_id(char *id, size_t size)
{
	int fd = sys_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	if (fd < 0)
		return;
	ssize_t length = sys_read(fd, id, size - 1);
	sys_close(fd);
	id[length > 0 ? (size_t)length : 0] = '\0';
	id[strcspn(id, "\n")] = '\0';
}

static OWN_FRAME void fill(pid_t pid)
{
	struct snapshot *s = &dump.snapshot;
	if (s->boot_id[0] == '\0')
		read_boot_id(s->boot_id, sizeof(s->boot_id));
	if (dump.pid != (uint32_t)pid) {
		dump.pid = (uint32_t)pid;
		dump.sequence = 0;
		dump.next_number = 1;
		dump.kept.count = 0;
	}
	s->settings = &preload.settings;
	s->pid = dump.pid;
	s->started_at_ns = clock_started_at_ns();
	s->taken_at_ns = unix_now_ns();
	s->uptime_ns = clock_now_ns();
	s->now_ticks = clock_now_ticks();
	s->buffer_count = pool_stats_collect(&s->pool, s->buffers, SNAPSHOT_BUFFERS_MAX);
	track_collect(&s->track);
	for (unsigned i = 0; i < s->buffer_count; i++)
		s->buffer_sites[i] = track_site_of(s->buffers[i].sample);
	s->pressure = preload.pressure;
	s->fallback = preload.fallback;
	s->background = maintain_mode();
	if (!process_info_read(&s->process, &dump.scratch))
		memset(&s->process, 0, sizeof(s->process));
	advice_derive(s);
}

/* One line, whatever WEIR_LOG says but off: somebody asked for this dump. */
static bool say_begin(void)
{
	if (!log_begin(&dump.line, LOG_ERROR))
		return false;
	out_str(&dump.line.out, "dump ");
	out_u64(&dump.line.out, dump.sequence);
	out_str(&dump.line.out, " (");
	out_str(&dump.line.out, metrics_trigger_name(dump.snapshot.trigger));
	out_str(&dump.line.out, "): ");
	return true;
}

static void say_done(const char *path)
{
	if (!say_begin())
		return;
	out_str(&dump.line.out, path);
	log_end(&dump.line);
}

static void say_failed(const char *what, const char *path, int error)
{
	if (!say_begin())
		return;
	const char *reason = strerrordesc_np(error); /* strerror may load a translation */
	out_str(&dump.line.out, what);
	out_str(&dump.line.out, path);
	out_str(&dump.line.out, ": ");
	out_str(&dump.line.out, reason != NULL ? reason : "unknown error");
	log_end(&dump.line);
}

static bool is_wanted(const struct format *format)
{
	return (dump.formats & format->bit) != 0;
}

/*
 * Make the files of all formats under one number. Returns 0, EEXIST where one
 * of them is there already, or another error, after saying so; nothing is left
 * behind then.
 */
static int create_numbered(struct dump_name *name, uint64_t number, int fds[])
{
	int error = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(formats) && error == 0; i++) {
		if (!is_wanted(&formats[i]))
			continue;
		char *path = dump.paths[i];
		name->ending = formats[i].ending;
		if (!dump_name_expand(path, PATH_SIZE, name, number)) {
			say_failed("cannot create ", name->pattern, error = ENAMETOOLONG);
			break;
		}
		fds[i] = sys_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fds[i] >= 0)
			continue;
		error = errno;
		if (error != EEXIST)
			say_failed("cannot create ", path, error);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(formats) && error != 0; i++) {
		if (fds[i] < 0)
			continue;
		sys_close(fds[i]);
		unlink(dump.paths[i]);
		fds[i] = -1;
	}
	return error;
}

static struct dump_name name_at(uint64_t unix_ns)
{
	return (struct dump_name){
	    .pattern = preload.settings.dump,
	    .exe = metrics_program_name(&dump.snapshot),
	    .pid = dump.pid,
	    .unix_ns = unix_ns,
	};
}

static OWN_FRAME bool create(int fds[])
{
	struct dump_name name = name_at(dump.snapshot.taken_at_ns);
	int error = EEXIST;
	dump.number = 0;
	/* A name without %n is first tried as it is. */
	if (!dump_name_is_numbered(name.pattern)) {
		dump.next_number = MAX(dump.next_number, 2);
		error = create_numbered(&name, 0, fds);
	}
	for (unsigned tries = 0; error == EEXIST && tries < TRIES_MAX; tries++)
		error = create_numbered(&name, dump.number = dump.next_number++, fds);
	if (error == EEXIST)
		say_failed("cannot create ", name.pattern, error);
	dump.result.error = error;
	return error == 0;
}

static OWN_FRAME int write_to(int fd, const struct format *format)
{
	out_init(&dump.out, fd, dump.buffer, sizeof(dump.buffer));
	format->write(&dump.out, &dump.snapshot);
	out_flush(&dump.out);
	return dump.out.error;
}

static OWN_FRAME void write_files(void)
{
	int fds[ARRAY_LENGTH(formats)];
	for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
		fds[i] = -1;
	if (!create(fds))
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
		if (fds[i] < 0)
			continue;
		int error = write_to(fds[i], &formats[i]);
		/* A quota or a file server may speak up only now. */
		if (sys_close(fds[i]) != 0 && error == 0 && errno != EINTR)
			error = errno;
		if (error == 0) {
			say_done(dump.paths[i]);
			dump.result.formats[dump.result.files] = formats[i].bit;
			dump.result.paths[dump.result.files++] = dump.paths[i];
		} else {
			unlink(dump.paths[i]);
			say_failed("cannot write ", dump.paths[i], error);
			dump.result.error = error;
		}
	}
}

static OWN_FRAME void write_stderr(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
		int error = is_wanted(&formats[i]) ? write_to(STDERR_FILENO, &formats[i]) : 0;
		if (error != 0)
			say_failed("cannot write ", "stderr", dump.result.error = error);
	}
}

/* Of the dumps by interval the oldest goes, so that this one has room. */
static OWN_FRAME void keep(void)
{
	struct kept *kept = &dump.kept;
	uint64_t at_most = MIN(preload.settings.dump_keep, (uint64_t)KEEP_MAX);
	struct kept_dump *slot;

	if (dump.result.files == 0)
		return;
	slot = &kept->at[kept->next];
	kept->next = (kept->next + 1) % at_most;
	if (kept->count == at_most) {
		struct dump_name name = name_at(slot->unix_ns);
		for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
			name.ending = formats[i].ending;
			/* The paths of this dump have been announced, and are in the answer that is given. */
			if (is_wanted(&formats[i]) &&
			    dump_name_expand(dump.buffer, PATH_SIZE, &name, slot->number))
				unlink(dump.buffer);
		}
	} else {
		kept->count++;
	}
	slot->number = dump.number;
	slot->unix_ns = dump.snapshot.taken_at_ns;
}

/* What one dump is to be, for whoever waits for one by now. False: nobody does. */
static OWN_FRAME bool begin_round(enum dump_trigger trigger, pid_t pid, uint64_t notes)
{
	bool wants_settings = (notes & WANTED) != 0;
	dump.formats = 0;
	state_begin(STATE_COMMAND_DUMP, &dump.formats, &wants_settings);
	if (wants_settings)
		dump.formats |= preload.settings.dump_format;
	if (dump.formats == 0)
		return false; /* who asked has been answered by another round */
	dump.result = (struct state_result){.files = 0};
	fill(pid);
	dump.snapshot.sequence = ++dump.sequence;
	dump.snapshot.trigger = trigger;
	return true;
}

static OWN_FRAME void end_round(void)
{
	if (dump.snapshot.trigger == TRIGGER_INTERVAL)
		keep();
	state_finish(STATE_COMMAND_DUMP, &dump.result);
}

/* After RUNNING was set by this thread: what notes ask for, until there are none. Inline, and what begins
 * and ends a round is not under what writes: each frame counts on a small stack. */
INLINE void take_rounds(enum dump_trigger trigger, pid_t pid, uint64_t notes)
{
	for (unsigned round = 1;; round++) {
		if (notes != 0 && begin_round(trigger, pid, notes)) {
			if (strcmp(preload.settings.dump, "stderr") == 0)
				write_stderr();
			else
				write_files();
			end_round();
		}
		notes = finish(pid, round == ROUNDS_MAX);
		if (notes == 0)
			return;
		trigger = (notes & WANTED) != 0 ? TRIGGER_SIGNAL : TRIGGER_COMMAND;
	}
}

void dump_take(enum dump_trigger trigger)
{
	if (!atomic_load_explicit(&preload.is_started, memory_order_acquire) || !owner_is_self())
		return;

	int saved_errno = errno;
	uint64_t before;
	bool is_masked = sys_signal_mask(SIG_SETMASK, SIGNALS_ALL, &before);

	pid_t pid = getpid();
	uint64_t note = trigger == TRIGGER_COMMAND ? ASKED : WANTED;
	if (begin(pid, note))
		take_rounds(trigger, pid, note);

	if (is_masked)
		sys_signal_mask(SIG_SETMASK, before, NULL);
	errno = saved_errno;
}

void dump_write_metrics(void)
{
	if (metrics_file_is_off() || !owner_is_self())
		return;

	int saved_errno = errno;
	uint64_t before;
	bool is_masked = sys_signal_mask(SIG_SETMASK, SIGNALS_ALL, &before);
	pid_t pid = getpid();
	if (begin(pid, 0)) {
		fill(pid);
		metrics_file_write(&dump.snapshot, dump.buffer, sizeof(dump.buffer));
		take_rounds(TRIGGER_SIGNAL, pid, 0);
	}
	if (is_masked)
		sys_signal_mask(SIG_SETMASK, before, NULL);
	errno = saved_errno;
}

void dump_start(void)
{
	const char *name = (const char *)getauxval(AT_EXECFN);
	char *exe = dump.snapshot.exe;
	size_t size = sizeof(dump.snapshot.exe);
	int saved_errno = errno;
	ssize_t length = readlink("/proc/self/exe", dump.paths[0], PATH_SIZE - 1);
	if (length > 0) {
		/* Of one that is too long, the end tells more. */
		size_t kept = MIN((size_t)length, size - 1);
		memcpy(exe, dump.paths[0] + ((size_t)length - kept), kept);
		exe[kept] = '\0';
	} else {
		strncpy(exe, name != NULL ? name : "unknown", size - 1);
	}
	/* redis-server is a link to redis-check-rdb, and meant is the former. */
	if (name != NULL) {
		const char *slash = strrchr(name, '/');
		strncpy(dump.snapshot.program, slash != NULL ? slash + 1 : name,
		    sizeof(dump.snapshot.program) - 1);
	}
	state_start(metrics_program_name(&dump.snapshot), exe);
	errno = saved_errno;
}

/* The process ends after this: a dump of another thread is let finish, so that no file stays half written. */
static void wait_for_others(void)
{
	static const struct timespec step = {0, EXIT_STEP_NS};
	for (uint64_t waited = 0; waited < EXIT_WAIT_NS; waited += EXIT_STEP_NS) {
		uint64_t seen = atomic_load_explicit(&running, memory_order_acquire);
		if ((seen & ~NOTES) != (OF_PROCESS(getpid()) | RUNNING))
			return;
		nanosleep(&step, NULL);
	}
}

__attribute__((destructor)) static void dump_at_exit(void)
{
	if (!atomic_load_explicit(&preload.is_started, memory_order_acquire) || !owner_is_self())
		return;
	int saved_errno = errno;
	wait_for_others();
	if (preload.settings.dump_at_exit) {
		/* This is no handler: what was loaded since the last tick can still be asked for. */
		track_modules_changed();
		dump_take(TRIGGER_EXIT);
	}
	metrics_file_remove();
	errno = saved_errno;
}
