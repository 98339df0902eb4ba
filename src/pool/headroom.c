/*
 * headroom.c -- looking at the limit while memory is taken, and giving back what idles in time.
 *
 * Called on the slow paths that took pages which will fault, a few times for each doubling of use, by
 * threads of the program; holds the maintain lock while it does, which it only tries: one look at a time is enough,
 * and fork comes between two. Opens and reads one or two small files, as the monitor does.
 * Allocates nothing; never in a signal handler. Knows nothing of the pass (reclaim.c), which stands above it.
 *
 * What costs a look nothing while there is plenty: how many pages the heap holds is compared with
 * a mark, which the last look set. What others in the process take (jemalloc) is counted by what is asked
 * of them, not by what they take from the kernel: too often a look, never one too late.
 */
#include "pool/headroom.h"

#include "base/clock.h"
#include "pool/pool.h"
#include "pool/purge.h"
#include "pool/turn.h"

#define RESERVE_SHARE 8
#define RESERVE_MIN (2 * MIB)
#define RESERVE_MAX (256 * MIB)
/* This part of it stays free, even if that costs what circulates. */
#define URGENT_SHARE 3
/* A look costs some 20 us, as much as 20 faults. */
#define STEP_MIN (1 * MIB)
#define FIRST_LOOK_BYTES (16 * MIB)
#define WANTED_SHIFT 4
/* Called once for some hundreds of requests or more, 1 MiB of them; as much goes as they may have taken. */
#define ELSEWHERE_PIECE_PAGES (2 * PURGE_PIECE_PAGES)

static struct {
	/* Under the maintain lock. */
	struct meminfo_source source;
	struct meminfo_gauge gauge;
	struct meminfo_scratch scratch;
	bool is_known;
	uint64_t reused_pages,
	    taken_pages;	/* taken from the heap, resident and in all, when that was last told */
	uint64_t wanted_pages;	/* what was told then */
	uint64_t tried_bytes;	/* free when the last resort was tried; UINT64_MAX: not since it was ample */
	bool is_missing;	/* as of the last look: the reserve is not all there */
	struct purge_hand hand; /* what is to go by pieces */
	uint64_t held_bytes, room_bytes; /* as the last look left them */
	uint64_t promised_bytes;	 /* taken from the heap and not written to yet; an estimate */
	/* Frozen. */
	uint64_t memory_limit; /* WEIR_MEMORY_LIMIT; 0: none */
	/* Relaxed: when to look again is a hint. */
	_Alignas(CACHE_LINE) _Atomic uint64_t mark_pages; /* held by the heap; UINT64_MAX: never look */
	_Atomic uint64_t
	    wall_pages; /* held by the heap: memory ends before the next look, if that is not waited for */
	_Atomic bool has_debt; /* the hand is not done */
	_Atomic uint64_t elsewhere_bytes, elsewhere_mark, elsewhere_wall;
} headroom;

struct headroom_plan headroom_plan(const struct headroom_facts *facts)
{
	struct headroom_plan plan = {0};
	uint64_t reserve = MIN(MAX(facts->limit_bytes / RESERVE_SHARE, RESERVE_MIN), RESERVE_MAX);
	uint64_t room = facts->room_bytes - MIN(facts->room_bytes, facts->promised_bytes), twice;
	uint64_t urgent = reserve / URGENT_SHARE;

	plan.is_urgent = room < urgent;
	plan.is_ample = room > reserve + urgent;
	if (room < reserve)
		plan.missing_bytes = reserve - room;
	/* When x has gone, idle - x is half of what is free beyond the reserve, room + x - reserve. */
	twice = 2 * facts->idle_bytes + reserve;
	if (twice > room)
		plan.purge_bytes = (twice - room) / 3;
	plan.purge_bytes = MIN(MAX(plan.purge_bytes, plan.missing_bytes),
	    facts->idle_bytes - MIN(facts->idle_bytes, facts->wanted_bytes));
	if (room + plan.purge_bytes < urgent)
		plan.purge_bytes = MIN(urgent - room, facts->idle_bytes);
	if (plan.is_urgent)
		plan.now_bytes = MIN(urgent + STEP_MIN - room, plan.purge_bytes);
	/* What goes by pieces is not free yet. */
	room += plan.now_bytes;
	plan.wall_bytes = room - MIN(room, urgent);
	plan.step_bytes = MAX(MAX((room - MIN(room, reserve)) / 4, MIN(room, reserve) / 4), STEP_MIN);
	return plan;
}

void headroom_init(const struct settings *settings)
{
	headroom.memory_limit = settings->memory_limit;
	headroom.is_known = false;
	headroom.reused_pages = headroom.taken_pages = headroom.wanted_pages = 0;
	headroom.tried_bytes = UINT64_MAX;
	headroom.is_missing = false;
	headroom.hand = (struct purge_hand){0};
	headroom.held_bytes = headroom.promised_bytes = 0;
	headroom.room_bytes = UINT64_MAX;
	atomic_store_explicit(&headroom.has_debt, false, memory_order_relaxed);
	atomic_store_explicit(&headroom.mark_pages, FIRST_LOOK_BYTES >> PAGE_SHIFT, memory_order_relaxed);
	atomic_store_explicit(&headroom.wall_pages, UINT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_wall, UINT64_MAX, memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_mark, FIRST_LOOK_BYTES, memory_order_relaxed);
}

void headroom_learn(const struct meminfo_source *source, const struct meminfo_gauge *gauge)
{
	if (!turn_begin())
		return;
	headroom.source = *source;
	headroom.gauge = *gauge;
	headroom.is_known = true;
	/* What nobody has written to for long, nobody may ever. */
	headroom.promised_bytes /= 2;
	headroom_look_soon();
	turn_end();
}

void headroom_look_soon(void)
{
	atomic_store_explicit(&headroom.mark_pages, 0, memory_order_relaxed);
}

void headroom_forget(void)
{
	headroom.is_known = false;
}

/* The least that is left by any measure; UINT64_MAX where nothing is known. */
static uint64_t read_room(uint64_t *limit)
{
	struct process_info process;
	uint64_t room, own;

	if (!headroom.is_known) {
		struct meminfo info;

		meminfo_find(&headroom.source, &headroom.scratch);
		meminfo_read(&headroom.source, &info, &headroom.scratch);
		headroom.gauge = info.gauge;
		headroom.is_known = true;
	}
	*limit = headroom.gauge.limit_bytes;
	room = meminfo_room(&headroom.source, &headroom.gauge, *limit / 2, &headroom.scratch);
	if (headroom.memory_limit != 0 && process_info_read(&process, &headroom.scratch)) {
		own = headroom.memory_limit - MIN(headroom.memory_limit, process.rss_bytes);
		if (own < room) {
			room = own;
			*limit = headroom.memory_limit;
		}
	}
	return room;
}

/*
 * What the heap holds and what is left have one sum as long as all that is taken is written to, and nobody else
 * takes or gives. If the sum has risen, the heap has handed out what the kernel does not know of.
 */
static void follow_promises(uint64_t held_bytes, uint64_t room_bytes)
{
	int64_t grown = (int64_t)(held_bytes - headroom.held_bytes), risen, sum;

	if (headroom.room_bytes != UINT64_MAX && room_bytes != UINT64_MAX) {
		risen = MIN(grown + (int64_t)(room_bytes - headroom.room_bytes), MAX(grown, (int64_t)0));
		sum = MAX((int64_t)headroom.promised_bytes + risen, (int64_t)0);
		headroom.promised_bytes = MIN((uint64_t)sum, held_bytes);
	}
	headroom.held_bytes = held_bytes;
	headroom.room_bytes = room_bytes;
}

/* Whatever it takes: it is that, or the end of the process. Returns the bytes that went. */
static uint64_t purge_now(uint64_t bytes, uint32_t now)
{
	struct purge_hand hand = headroom.hand;

	purge_begin(&hand, bytes >> PAGE_SHIFT, UINT32_MAX);
	bytes = purge_in_request(&hand, bytes >> PAGE_SHIFT, UINT32_MAX, now) << PAGE_SHIFT;
	headroom.hand.page = hand.page;
	return bytes;
}

/*
 * From what was held when the room was read, less what has gone since: others go on taking meanwhile, and a purge
 * takes milliseconds. What they took is in the room no more.
 */
static void set_marks(const struct headroom_plan *plan)
{
	uint64_t held = headroom.held_bytes >> PAGE_SHIFT;

	atomic_store_explicit(
	    &headroom.mark_pages, held + (plan->step_bytes >> PAGE_SHIFT), memory_order_relaxed);
	atomic_store_explicit(
	    &headroom.wall_pages, held + (plan->wall_bytes >> PAGE_SHIFT), memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_mark, plan->step_bytes, memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_wall, plan->wall_bytes, memory_order_relaxed);
}

/*
 * How much of what idles will be taken again at once: as much as was since the last look. A stream takes again what
 * it frees, many times between two looks; where sizes change with the phases of a program, what was freed a
 * moment ago is of no use, and fresh pages are taken. Between two looks right after each other little is
 * taken of either: then what was told before holds on.
 */
static uint64_t wanted_pages(const struct arenas_pages *pages)
{
	uint64_t reused = pages->reused - headroom.reused_pages;
	uint64_t taken = pages->fresh + pages->reused - headroom.taken_pages;

	if (taken < pages->hot + (pages->out >> WANTED_SHIFT))
		return MIN(MAX(reused, headroom.wanted_pages), pages->hot);
	headroom.reused_pages = pages->reused;
	headroom.taken_pages = pages->fresh + pages->reused;
	headroom.wanted_pages = reused;
	return MIN(reused, pages->hot);
}

/*
 * The last resort: magazines are emptied, into the heap, and what else idles in the process goes. It is tried
 * where there is less than when it was tried before, since what is needed comes back at once.
 */
static bool is_worse(uint64_t room_bytes, const struct headroom_plan *plan)
{
	if (headroom.tried_bytes != UINT64_MAX && room_bytes + plan->step_bytes / 2 > headroom.tried_bytes)
		return false;
	headroom.tried_bytes = room_bytes;
	return true;
}

/* The maintain lock is held. Returns whether memory is short, whatever the pool gives back. */
static bool look(uint32_t now)
{
	struct arenas_pages pages = arenas_pages();
	struct headroom_facts facts = {
	    .idle_bytes = pages.hot << PAGE_SHIFT,
	    .wanted_bytes = wanted_pages(&pages) << PAGE_SHIFT,
	};
	struct headroom_plan plan;
	uint64_t purged = 0;
	bool is_short;

	facts.room_bytes = read_room(&facts.limit_bytes);
	follow_promises((pages.out + pages.hot) << PAGE_SHIFT, facts.room_bytes);
	facts.promised_bytes = headroom.promised_bytes;
	plan = headroom_plan(&facts);
	is_short = plan.purge_bytes < plan.missing_bytes && is_worse(facts.room_bytes, &plan);
	if (is_short && magazines_drain(now, 0, pool_drained)) {
		uint64_t idle = arenas_hot_pages() << PAGE_SHIFT;

		plan.purge_bytes += idle - MIN(idle, facts.idle_bytes);
		is_short = plan.purge_bytes < plan.missing_bytes;
	}
	headroom.is_missing = plan.missing_bytes != 0;
	if (plan.is_ample)
		headroom.tried_bytes = UINT64_MAX;
	if (plan.is_urgent)
		purged = purge_now(plan.now_bytes, now);
	purge_begin(
	    &headroom.hand, (plan.purge_bytes - MIN(plan.purge_bytes, purged)) >> PAGE_SHIFT, UINT32_MAX);
	if (headroom.hand.surplus_pages == 0)
		headroom.hand.rounds = 0;
	atomic_store_explicit(&headroom.has_debt, headroom.hand.rounds != 0, memory_order_relaxed);
	headroom.held_bytes -= MIN(headroom.held_bytes, purged);
	headroom.room_bytes += headroom.room_bytes != UINT64_MAX ? purged : 0;
	set_marks(&plan);
	turn_hurry(now);
	return is_short;
}

/* A piece of so many pages goes, or of so many more while the reserve is not all there. */
static COLD void look_and_purge(
    bool is_look_due, bool is_at_wall, uint64_t least_pages, uint64_t most_pages, uint32_t now)
{
	bool is_short = false;

	if (!turn_begin() && !(is_at_wall && turn_wait()))
		return; /* somebody is at it */
	if (is_look_due)
		is_short = look(now);
	if (headroom.hand.rounds != 0) {
		uint64_t piece = headroom.is_missing ? most_pages : least_pages;
		uint64_t purged = purge_in_request(&headroom.hand, piece, PURGE_PIECE_LOOKS, now)
				  << PAGE_SHIFT;

		atomic_store_explicit(&headroom.has_debt, headroom.hand.rounds != 0, memory_order_relaxed);
		/* As look() does: what went is no longer held, and is free. */
		headroom.held_bytes -= MIN(headroom.held_bytes, purged);
		headroom.room_bytes += headroom.room_bytes != UINT64_MAX ? purged : 0;
	}
	turn_end();
	if (is_short && pool.purge_others != NULL)
		pool.purge_others();
}

void headroom_keep(uint32_t fresh_pages, uint32_t now)
{
	uint64_t held = arenas_held_pages();
	bool is_due = held >= atomic_load_explicit(&headroom.mark_pages, memory_order_relaxed);
	bool is_at_wall = held >= atomic_load_explicit(&headroom.wall_pages, memory_order_relaxed);

	if (is_due || is_at_wall || atomic_load_explicit(&headroom.has_debt, memory_order_relaxed))
		look_and_purge(is_due || is_at_wall, is_at_wall, PURGE_PIECE_PAGES,
		    MAX(PURGE_PIECE_PAGES, 2 * (uint64_t)fresh_pages), now);
}

void headroom_grew(uint64_t bytes)
{
	uint64_t sum =
	    atomic_fetch_add_explicit(&headroom.elsewhere_bytes, bytes, memory_order_relaxed) + bytes;
	bool is_due = sum >= atomic_load_explicit(&headroom.elsewhere_mark, memory_order_relaxed);
	bool is_at_wall = sum >= atomic_load_explicit(&headroom.elsewhere_wall, memory_order_relaxed);

	if (range.bytes != 0 &&
	    (is_due || is_at_wall || atomic_load_explicit(&headroom.has_debt, memory_order_relaxed)))
		look_and_purge(is_due || is_at_wall, is_at_wall, ELSEWHERE_PIECE_PAGES, ELSEWHERE_PIECE_PAGES,
		    LOAD_RELAXED(&pool.now));
}
