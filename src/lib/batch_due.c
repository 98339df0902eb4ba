/*
 * batch_due.c -- whose time comes: two queues a shard, by age and for retries.
 *
 * All streams of a queue wait equally long, so each queue is in the order in which they come due, and
 * maintenance looks at what is due and at nothing else. A stream is on at most one of them.
 *
 * Called under the stream's lock, but for due_take() and due_next_ns(); takes the shard's. Being on a
 * queue changes under the shard's lock alone, so whoever has taken a stream off looks
 * again, with the stream's lock, whether it is still due.
 */
#include "lib/batch.h"

static void publish(struct weir_batcher *b, struct due_list *list)
{
	uint64_t since = list->head == 0 ? UINT64_MAX : table_at(b, list->head - 1)->due_since_ns;

	atomic_store_explicit(&list->since_ns, since, memory_order_relaxed);
}

static void count_add(struct due_list *list, int change)
{
	uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);

	atomic_store_explicit(&list->count, count + (uint32_t)change, memory_order_relaxed);
}

static void unlink_locked(struct weir_batcher *b, struct shard *shard, struct stream *s)
{
	struct due_list *list;

	if (s->due_kind == DUE_NEVER)
		return;
	list = &shard->due[s->due_kind];
	if (s->due_prev != 0)
		table_at(b, s->due_prev - 1)->due_next = s->due_next;
	else
		list->head = s->due_next;
	if (s->due_next != 0)
		table_at(b, s->due_next - 1)->due_prev = s->due_prev;
	else
		list->tail = s->due_prev;
	s->due_kind = DUE_NEVER;
	count_add(list, -1);
	if (s->due_prev == 0)
		publish(b, list);
}

static void append_locked(struct weir_batcher *b, struct shard *shard, struct stream *s, enum due_kind kind)
{
	struct due_list *list = &shard->due[kind];

	/* Read under the lock: so since never falls along the list. */
	s->due_since_ns = batcher_now(b);
	s->due_kind = kind;
	s->due_next = 0;
	s->due_prev = list->tail;
	if (list->tail != 0)
		table_at(b, list->tail - 1)->due_next = s->index + 1;
	else
		list->head = s->index + 1;
	list->tail = s->index + 1;
	count_add(list, 1);
	if (s->due_prev == 0)
		publish(b, list);
}

static enum due_kind kind_of(const struct stream *s)
{
	if (stream_is(s, STREAM_OFFERING) || s->piece_count == 0)
		return DUE_NEVER;
	return stream_is(s, STREAM_REFUSED) ? DUE_RETRY : DUE_AGE;
}

void due_set(struct weir_batcher *b, struct stream *s)
{
	struct shard *shard = shard_of(b, s);
	enum due_kind kind = kind_of(s);
	uint64_t seen = s->total_bytes + s->taken_bytes;

	if (seen != s->seen_bytes) {
		s->seen_bytes = seen;
		s->seen_ns = batcher_now(b);
	}
	lock_acquire(&shard->lock);
	unlink_locked(b, shard, s);
	if (kind != DUE_NEVER)
		append_locked(b, shard, s, kind);
	lock_release(&shard->lock);
}

void due_clear(struct weir_batcher *b, struct stream *s)
{
	struct shard *shard = shard_of(b, s);

	lock_acquire(&shard->lock);
	unlink_locked(b, shard, s);
	lock_release(&shard->lock);
}

bool due_is_set(struct weir_batcher *b, const struct stream *s)
{
	struct shard *shard = shard_of(b, s);
	bool is_set;

	lock_acquire(&shard->lock);
	is_set = s->due_kind != DUE_NEVER;
	lock_release(&shard->lock);
	return is_set;
}

unsigned due_take(struct weir_batcher *b, struct shard *shard, enum due_kind kind, uint64_t since_ns,
    uint32_t *indexes, unsigned max)
{
	struct due_list *list = &shard->due[kind];
	unsigned count = 0;

	if (atomic_load_explicit(&list->since_ns, memory_order_relaxed) > since_ns)
		return 0;
	lock_acquire(&shard->lock);
	while (count < max && list->head != 0) {
		struct stream *s = table_at(b, list->head - 1);

		if (s->due_since_ns > since_ns)
			break;
		indexes[count++] = s->index;
		unlink_locked(b, shard, s);
	}
	lock_release(&shard->lock);
	return count;
}

uint64_t due_wait_ns(const struct weir_batcher *b, enum due_kind kind)
{
	const struct weir_batcher_config *config = &b->config;
	uint64_t age_ns = config->max_age_ns;
	int pressure = batcher_pressure(b);

	if (kind == DUE_RETRY)
		return config->retry_ns;
	if (pressure >= WEIR_PRESSURE_CRITICAL)
		return 0;
	if (age_ns != 0)
		return pressure >= WEIR_PRESSURE_MEDIUM ? age_ns / 4 : age_ns;
	return config->max_idle_ns != 0 ? config->max_idle_ns : UINT64_MAX;
}

uint64_t due_next_ns(struct weir_batcher *b)
{
	uint64_t next = UINT64_MAX;

	for (int kind = 0; kind < DUE_KINDS; kind++) {
		uint64_t wait = due_wait_ns(b, (enum due_kind)kind), first = UINT64_MAX;

		for (unsigned i = 0; i < SHARDS; i++) {
			uint64_t since =
			    atomic_load_explicit(&b->shards[i].due[kind].since_ns, memory_order_relaxed);

			first = MIN(first, since);
		}
		if (first <= UINT64_MAX - wait)
			next = MIN(next, first + wait);
	}
	return next;
}
