/*
 * weir_state.h -- what a process shows of itself to a reader outside: the symbol weir_state.
 *
 * The preloaded object exports one object of this type under the name weir_state. A
 * reader with the right to trace the process finds the symbol in the object's dynamic
 * symbols, in memory, and copies what it wants by process_vm_readv(). So the process
 * opens nothing, starts nothing and does nothing more for being watched.
 *
 * Two kinds of things are found here. Figures that somebody has to work out stand in
 * ->figures as of the last monitor tick, under a sequence number. What the pool's own
 * structures say at any time (who is in use, what is idle) is read from those
 * structures, whose addresses and sizes are in ->parts: a reader that was built from
 * the same sources walks its copy of them as a dump walks the originals. A reader that
 * was not must not: layout and every size have to agree.
 *
 * Commands are values that state_request() makes. Where there is a maintenance thread they
 * are left in ->keeper, and no thread of the program's own notices anything; elsewhere they
 * come by the dump signal, sent by sigqueue(). A signal without such a value is a plain wish for a
 * dump. What became of a command stands in ->answers.
 */
#ifndef WEIR_REPORT_WEIR_STATE_H
#define WEIR_REPORT_WEIR_STATE_H

#include "report/snapshot.h"

#define STATE_SYMBOL "weir_state"
#define STATE_MAGIC ((uint64_t)0x3165746174537257) /* "WrState1" in memory */
/* Another number: what stands below, or in what ->parts points at, means something else. */
#define STATE_LAYOUT 1

enum state_part {
	STATE_SETTINGS,	 /* struct settings; frozen */
	STATE_RANGE,	 /* struct range */
	STATE_POOL,	 /* struct pool */
	STATE_ARENAS,	 /* struct arenas */
	STATE_MAGAZINES, /* struct magazines */
	STATE_ARENA,	 /* 0 and the size of one arena: what ->at of arenas points at */
	STATE_RUN,	 /* 0 and the size of an entry of the table of runs */
	STATE_TRACK,	 /* struct track_snapshot, as of the last monitor tick; under ->sequence */
	STATE_SITE, /* the first row of the table of call sites, as of the last monitor tick, and the size of one; 0: no tracking */
	STATE_BELL, /* uint32_t: the futex word on which the maintenance thread sleeps */
	STATE_PARTS,
};

struct state_part_at {
	uint64_t address;
	uint64_t bytes;
};

/* A point of the past: enough for a trend, few enough to be kept. */
struct state_point {
	uint64_t uptime_ns; /* scaled */
	uint64_t held_bytes, rss_bytes;
	double risk; /* negative: not known */
};
#define STATE_POINTS 128

/* As of the last monitor tick. Strings are copies, cut where they are longer. */
struct state_figures {
	uint32_t pid;		  /* whose figures these are */
	uint32_t ticks;		  /* monitor ticks so far; 0: none yet, and what follows means nothing */
	uint64_t taken_at_ns;	  /* Unix time */
	uint64_t uptime_ns;	  /* scaled */
	struct pressure pressure; /* but for source */
	char pressure_source[16];
	struct fallback_stats fallback;
	struct process_info process;
	char background[16];
	uint32_t sites_bound;	  /* rows of sites that have been used */
	uint64_t samples_address; /* of the table of live samples */
	uint64_t samples_bytes;	  /* of it that have been used */
	uint64_t points_written;  /* the last is points[(points_written - 1) % STATE_POINTS] */
	struct state_point points[STATE_POINTS];
};

/* --- commands ---------------------------------------------------------------- */

enum state_command {
	STATE_COMMAND_DUMP = 1, /* a dump, in the formats asked for or those of the settings */
	STATE_COMMAND_GC,	/* a collection: what is not in use goes back, as past WEIR_GC_THRESHOLD */
	STATE_COMMAND_TRIM,	/* everything idle goes back, jemalloc's too */
};

enum state_status {
	STATE_FREE,
	STATE_CLAIMED, /* being filled in */
	STATE_WAITING, /* taken; not begun */
	STATE_RUNNING,
	STATE_DONE,
	STATE_FAILED, /* ->error says why */
};

/* Who does the work of a collection. */
enum state_worker {
	STATE_BY_NOBODY, /* WEIR_ENABLE=off: there is no pool */
	STATE_BY_THREAD, /* the maintenance thread */
	STATE_AT_ONCE,	 /* the thread that got the signal */
	STATE_AT_NEXT, /* the program's own next request that looks at the clock: it was interrupted within malloc */
};

#define STATE_ANSWERS 4
#define STATE_PATH_BYTES 1024
#define STATE_FILES_MAX 3 /* formats there are */

struct state_answer {
	_Atomic uint64_t request; /* as it was sent. Written before status leaves CLAIMED */
	_Atomic uint32_t status; /* enum state_status. Release after what the status says is there; acquire */
	uint32_t worker;	 /* enum state_worker */
	int32_t error;		 /* an errno; of a dump */
	uint32_t is_part_left;	 /* jemalloc's part of a trim comes with the program's own next request */
	uint64_t purged_bytes;	 /* of a collection: what the pool gave back */
	uint32_t files;		 /* of a dump; 0 and DONE: it went to stderr */
	char paths[STATE_FILES_MAX][STATE_PATH_BYTES]; /* as the process sees them */
};

/*
 * Where a command is left by who has the right to trace: the request, where there is none, then another
 * number at the bell, then an interruption of that one thread. The thread reads the bell first, then the request,
 * so it does not go (back) to sleep before it has seen one.
 */
#define STATE_KEEPER_STARTS UINT32_MAX
struct state_keeper {
	/* 0, or half of one: none. Relaxed: the bell orders it. */
	_Atomic uint64_t request;
	/* Its id in the process's own pid namespace, or STATE_KEEPER_STARTS; 0: there is none. Relaxed. */
	_Atomic uint32_t thread;
	/* On the bell, or about to be: it holds nothing and waits for nobody. Relaxed. */
	_Atomic uint32_t is_asleep;
	uint32_t
	    filters_at_start; /* frozen: seccomp filters of the process; UINT32_MAX: not known how many */
};

struct weir_state {
	uint64_t magic;	  /* STATE_MAGIC; 0 before the start is over */
	uint32_t layout;  /* STATE_LAYOUT */
	uint32_t bytes;	  /* of this struct */
	char version[16]; /* of Weir */
	struct state_part_at parts[STATE_PARTS];
	uint64_t clock_origin_ns; /* CLOCK_MONOTONIC_COARSE at tick 0 */
	uint64_t started_at_ns;	  /* Unix time */
	char program[128];
	char exe[256];

	/* Odd: figures are being written. Release after each change; a reader that finds the same even
	 * number before and after its copy has one tick's figures. */
	_Atomic uint32_t sequence;
	struct state_figures figures;

	struct state_keeper keeper;
	_Atomic uint32_t next_answer; /* relaxed: where the search for a free slot begins */
	struct state_answer answers[STATE_ANSWERS];
};

#define STATE_REQUEST_MARK ((uint64_t)0x57656972) /* "Weir"; in the upper half */

/* ticket: tells one request from the next, 24 bits. formats: 0, the process's own; else of DUMP_FORMAT_*. */
INLINE uint64_t state_request(enum state_command command, unsigned formats, uint32_t ticket)
{
	return STATE_REQUEST_MARK << 32 | (uint64_t)command << 28 | (uint64_t)(formats & 0xF) << 24 |
	       (ticket & 0xFFFFFF);
}

INLINE bool state_is_request(uint64_t value)
{
	unsigned command = (unsigned)(value >> 28) & 0xF;

	return value >> 32 == STATE_REQUEST_MARK && command >= STATE_COMMAND_DUMP &&
	       command <= STATE_COMMAND_TRIM;
}

INLINE enum state_command state_request_command(uint64_t request)
{
	return (enum state_command)((request >> 28) & 0xF);
}

INLINE unsigned state_request_formats(uint64_t request)
{
	return (unsigned)(request >> 24) & 0xF;
}

#endif
