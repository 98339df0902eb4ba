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
/* A look costs some 20 us, as much as 20 faults. */
#define STEP_MIN (1 * MIB)
#define FIRST_LOOK_BYTES (16 * MIB)
/* Called once for some hundreds of requests or more, 1 MiB of them; as much goes as they may have taken. */
#define ELSEWHERE_PIECE_PAGES (2 * PURGE_PIECE_PAGES)

static struct {
	/* Under the maintain lock. */
	struct meminfo_source source;
	struct meminfo_gauge gauge;
	struct meminfo_scratch scratch;
	bool is_known;
	struct purge_hand hand;		 /* what is to go by pieces */
	uint64_t held_bytes, room_bytes; /* as the last look left them */
	uint64_t promised_bytes;	 /* taken from the heap and not written to yet; an estimate */
	/* Frozen. */
	uint64_t memory_limit; /* WEIR_MEMORY_LIMIT; 0: none */
	/* Relaxed: when to look again is a hint. */
	_Alignas(CACHE_LINE) _Atomic uint64_t mark_pages; /* held by the heap; UINT64_MAX: never look */
	_Atomic bool has_debt;				  /* the hand is not done */
	_Atomic uint64_t elsewhere_bytes, elsewhere_mark;
} headroom;

struct headroom_plan headroom_plan(const struct headroom_facts *facts)
{
	struct headroom_plan plan = {0};
	uint64_t reserve = MIN(MAX(facts->limit_bytes / RESERVE_SHARE, RESERVE_MIN), RESERVE_MAX);
	uint64_t room = facts->room_bytes - MIN(facts->room_bytes, facts->promised_bytes), twice;

	if (room < reserve)
		plan.missing_bytes = reserve - room;
	/* When x has gone, idle - x is half of what is free beyond the reserve, room + x - reserve. */
	twice = 2 * facts->idle_bytes + reserve;
	if (twice > room)
		plan.purge_bytes = (twice - room) / 3;
	plan.purge_bytes = MIN(MAX(plan.purge_bytes, plan.missing_bytes), facts->idle_bytes);
	/* What goes by pieces is not free yet. */
	if (plan.missing_bytes != 0)
		room += plan.purge_bytes;
	plan.step_bytes = MAX(MAX((room - MIN(room, reserve)) / 4, reserve / 4), STEP_MIN);
	return plan;
}

void headroom_init(const struct settings *settings)
{
	headroom.memory_limit = settings->memory_limit;
	headroom.is_known = false;
	headroom.hand = (struct purge_hand){0};
	headroom.held_bytes = headroom.promised_bytes = 0;
	headroom.room_bytes = UINT64_MAX;
	atomic_store_explicit(&headroom.has_debt, false, memory_order_relaxed);
	atomic_store_explicit(&headroom.mark_pages, FIRST_LOOK_BYTES >> PAGE_SHIFT, memory_order_relaxed);
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
	bytes = purge_piece(&hand, bytes >> PAGE_SHIFT, UINT32_MAX, now) << PAGE_SHIFT;
	headroom.hand.page = hand.page;
	return bytes;
}

static void set_marks(uint64_t step_bytes)
{
	atomic_store_explicit(
	    &headroom.mark_pages, arenas_held_pages() + (step_bytes >> PAGE_SHIFT), memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&headroom.elsewhere_mark, step_bytes, memory_order_relaxed);
}

/* The maintain lock is held. Returns whether memory is still short when all of the pool's has gone. */
static bool look(uint32_t now)
{
	struct headroom_facts facts = {.idle_bytes = arenas_hot_pages() << PAGE_SHIFT};
	struct headroom_plan plan;
	uint64_t purged = 0;

	facts.room_bytes = read_room(&facts.limit_bytes);
	follow_promises(arenas_held_pages() << PAGE_SHIFT, facts.room_bytes);
	facts.promised_bytes = headroom.promised_bytes;
	plan = headroom_plan(&facts);
	if (plan.missing_bytes != 0) {
		purged = purge_now(plan.purge_bytes, now);
		if (purged < plan.missing_bytes && magazines_drain(now, 0, pool_drained))
			purged += purge_now(plan.missing_bytes - purged, now);
		headroom.hand.rounds = 0;
	} else {
		purge_begin(&headroom.hand, plan.purge_bytes >> PAGE_SHIFT, UINT32_MAX);
		if (plan.purge_bytes == 0)
			headroom.hand.rounds = 0;
	}
	atomic_store_explicit(&headroom.has_debt, headroom.hand.rounds != 0, memory_order_relaxed);
	headroom.held_bytes = arenas_held_pages() << PAGE_SHIFT;
	headroom.room_bytes += headroom.room_bytes != UINT64_MAX ? purged : 0;
	set_marks(plan.step_bytes);
	turn_hurry(now);
	return purged < plan.missing_bytes;
}

static COLD void look_and_purge(bool is_look_due, uint64_t piece_pages, uint32_t now)
{
	bool is_short = false;

	if (!turn_begin())
		return; /* somebody is at it */
	if (is_look_due)
		is_short = look(now);
	if (headroom.hand.rounds != 0) {
		purge_piece(&headroom.hand, piece_pages, PURGE_PIECE_LOOKS, now);
		atomic_store_explicit(&headroom.has_debt, headroom.hand.rounds != 0, memory_order_relaxed);
	}
	turn_end();
	if (is_short && pool.purge_others != NULL)
		pool.purge_others();
}

void headroom_keep(uint32_t now)
{
	bool is_due = arenas_held_pages() >= atomic_load_explicit(&headroom.mark_pages, memory_order_relaxed);

	if (is_due || atomic_load_explicit(&headroom.has_debt, memory_order_relaxed))
		look_and_purge(is_due, PURGE_PIECE_PAGES, now);
}

void headroom_grew(uint64_t bytes)
{
	uint64_t sum =
	    atomic_fetch_add_explicit(&headroom.elsewhere_bytes, bytes, memory_order_relaxed) + bytes;

	bool is_due = sum >= atomic_load_explicit(&headroom.elsewhere_mark, memory_order_relaxed);

	if (range.bytes != 0 && (is_due || atomic_load_explicit(&headroom.has_debt, memory_order_relaxed)))
		look_and_purge(is_due, ELSEWHERE_PIECE_PAGES, LOAD_RELAXED(&pool.now));
}
