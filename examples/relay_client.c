/*
 * relay_client.c -- a client: what it is sent, and what happens when it does not read.
 *
 * Everything that goes to a client, a response's head and events alike, is added to its stream of
 * the batcher, and goes out by flush(), which is one writev() of the batch as it lies. What the socket
 * does not take stays in the batch, up to the backlog; after that the client gets no more
 * events, which stay in the channel's ring; and when the ring has moved past it, the policy says:
 * skip to live, with an event that says how many were missed, or drop it.
 *
 * Callbacks of the batcher run within calls of it, and within loops over clients: so they only mark a
 * client, and put it on the to-do list, which the loop works off when nobody holds a client.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "relay.h"

/* A socket takes no more while so much in it has not been sent: else a client that does not read has
 * megabytes of the kernel's. */
#define UNSENT_BYTES (16 << 10)
#define REQUEST_NS (10ull * 1000000000)
/* No retries by time: epoll says when a socket takes more. */
#define RETRY_NS (30ull * 1000000000)

static void remember(struct client *client)
{
	if (client->is_todo)
		return;
	client->is_todo = true;
	client->todo_next = relay.todo;
	relay.todo = client;
}

/* --- the batcher's callbacks ---------------------------------------------------------- */

static int64_t flush(void *context, const struct weir_batch *batch)
{
	struct client *client = batch->stream_context;
	ssize_t sent = writev(client->peer.fd, batch->spans, batch->span_count);

	(void)context;
	relay.counters.writes++;
	if (sent < 0) {
		if (errno != EAGAIN && errno != EINTR)
			client_left(client);
		return sent;
	}
	relay.counters.sent_bytes += (uint64_t)sent;
	client->since_ns = relay.now_ns;
	client->is_full = false;
	if (client->channel != NULL && client->next < client->channel->end)
		remember(client);
	return sent;
}

void client_left(struct client *client)
{
	client->has_left = true;
	weir_stream_close(relay.batcher, client->stream, WEIR_CLOSE_DISCARD);
}

/* Its stream is gone: sent and closed, or discarded, or abandoned since it does not read. */
static void closed(void *context, void *stream_context, uint64_t dropped_bytes)
{
	struct client *client = stream_context;

	(void)context;
	if (dropped_bytes != 0 && !client->has_left)
		relay.counters.dropped++;
	client->stream = 0;
	client->state = CLIENT_DEAD;
	remember(client);
}

int client_batcher_create(void)
{
	struct weir_batcher_config config = weir_batcher_config_default();

	config.flush = flush;
	config.closed = closed;
	config.max_tokens = 0;
	config.max_bytes = config.max_pending_bytes = relay.settings.backlog_bytes;
	config.max_age_ns = relay.settings.flush_ns;
	config.retry_ns = RETRY_NS;
	config.max_idle_ns = relay.settings.stall_ns;
	return weir_batcher_create(&relay.batcher, relay.pool, &config);
}

/* --- coming and going ------------------------------------------------------------------ */

static struct client *client_make(int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int one = 1, unsent = UNSENT_BYTES;

	if (client == NULL)
		return NULL;
	client->peer = (struct peer){.kind = PEER_CLIENT, .fd = fd};
	client->since_ns = relay.now_ns;
	if (weir_stream_open(relay.batcher, client, &client->stream) != 0) {
		free(client);
		return NULL;
	}
	/* What is sent has been gathered already. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	client->all_next = relay.clients;
	if (relay.clients != NULL)
		relay.clients->all_prev = client;
	relay.clients = client;
	relay.client_count++;
	return client;
}

static void client_drop(struct client *client)
{
	if (client->state != CLIENT_DEAD)
		weir_stream_close(relay.batcher, client->stream, WEIR_CLOSE_DISCARD);
}

void client_accept(struct peer *listener)
{
	int fd;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *client = client_make(fd);

		relay.counters.accepted++;
		if (client == NULL) {
			relay.counters.rejected++;
			close(fd);
			continue;
		}
		/* One too many gets an answer to its request (handle() in relay_http.c); many too many, none. */
		if (relay.client_count > relay.settings.max_clients + CLIENTS_SPARE ||
		    relay_watch(&client->peer, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) != 0) {
			relay.counters.rejected++;
			client_drop(client);
		}
	}
}

static void leave_channel(struct client *client)
{
	struct channel *channel = client->channel;

	if (channel == NULL)
		return;
	if (client->channel_prev != NULL)
		client->channel_prev->channel_next = client->channel_next;
	else
		channel->clients = client->channel_next;
	if (client->channel_next != NULL)
		client->channel_next->channel_prev = client->channel_prev;
	channel->client_count--;
	client->channel = NULL;
}

static void client_free(struct client *client)
{
	leave_channel(client);
	if (client->all_prev != NULL)
		client->all_prev->all_next = client->all_next;
	else
		relay.clients = client->all_next;
	if (client->all_next != NULL)
		client->all_next->all_prev = client->all_prev;
	relay.client_count--;
	if (client->request.id != 0)
		weir_pool_release(relay.pool, client->request.id);
	close(client->peer.fd);
	free(client);
}

void client_close(struct client *client)
{
	if (client->state == CLIENT_DEAD)
		return;
	leave_channel(client);
	client->state = CLIENT_CLOSING;
	weir_stream_close(relay.batcher, client->stream, WEIR_CLOSE_DRAIN);
}

void clients_todo(void)
{
	while (relay.todo != NULL) {
		struct client *client = relay.todo;

		relay.todo = client->todo_next;
		client->is_todo = false;
		if (client->state == CLIENT_DEAD)
			client_free(client);
		else
			client_pump(client);
	}
}

/* --- sending --------------------------------------------------------------------------- */

bool client_send(struct client *client, const void *bytes, size_t length)
{
	return client->state != CLIENT_DEAD &&
	       weir_stream_add(relay.batcher, client->stream, bytes, length) == 0;
}

/* It is further behind than the ring reaches. False: it has no room for the news, or is dropped. */
static bool catch_up(struct client *client)
{
	struct channel *channel = client->channel;
	uint64_t missed = channel->end - client->next;
	char text[96];
	int length;

	if (relay.settings.policy == POLICY_DROP) {
		client_drop(client);
		return false;
	}
	length = snprintf(
	    text, sizeof(text), "event: skip\ndata: {\"missed\":%llu}\n\n", (unsigned long long)missed);
	if (client->is_full || !client_send(client, text, (size_t)length))
		return false;
	client->next = channel->end;
	relay.counters.skips++;
	relay.counters.skipped_events += missed;
	return true;
}

void client_pump(struct client *client)
{
	struct channel *channel = client->channel;

	if (client->state != CLIENT_EVENTS)
		return;
	if (client->next < channel->first && !catch_up(client))
		return;
	while (!client->is_full && client->state == CLIENT_EVENTS && client->next < channel->end) {
		size_t length;
		const char *event = channel_event(channel, client->next, &length);

		/* Counted first: a batch that is full of it goes out before the call returns. */
		client->next++;
		if (!client_send(client, event, length)) {
			client->next--;
			client->is_full = true;
		}
	}
}

void client_subscribe(
    struct client *client, struct channel *channel, bool is_resuming, unsigned long epoch, uint64_t last)
{
	client->state = CLIENT_EVENTS;
	client->channel = channel;
	client->channel_prev = NULL;
	client->channel_next = channel->clients;
	if (channel->clients != NULL)
		channel->clients->channel_prev = client;
	channel->clients = client;
	channel->client_count++;
	client->next = channel->end;
	if (is_resuming) {
		/* Another run's numbers say nothing: all that is there, then. */
		client->next = epoch == relay.epoch && last < channel->end ? last + 1 : channel->first;
		relay.counters.resumed++;
	}
	client_pump(client);
}

/* --- the loop's events ------------------------------------------------------------------ */

void client_ready(struct client *client, unsigned events)
{
	if (client->state == CLIENT_DEAD)
		return;
	if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
		client_left(client);
		return;
	}
	if ((events & EPOLLOUT) != 0)
		weir_stream_flush(relay.batcher, client->stream);
	if (client->state == CLIENT_EVENTS)
		client_pump(client);
	if ((events & (EPOLLIN | EPOLLRDHUP)) != 0)
		http_read(client);
}

void clients_sweep(void)
{
	static const char comment[] = ": keep-alive\n\n";

	for (struct client *client = relay.clients; client != NULL; client = client->all_next) {
		uint64_t quiet_ns = relay.now_ns - client->since_ns;

		if (client->state == CLIENT_REQUEST && quiet_ns > REQUEST_NS)
			client_drop(client);
		else if (client->state == CLIENT_EVENTS && quiet_ns >= relay.settings.keepalive_ns &&
			 weir_stream_pending(relay.batcher, client->stream) == 0)
			client_send(client, comment, sizeof(comment) - 1);
	}
}

void clients_close(bool at_once)
{
	for (struct client *client = relay.clients; client != NULL; client = client->all_next) {
		if (at_once)
			client_drop(client);
		else
			client_close(client);
	}
}
