/*
 * relay_channel.c -- a channel: the last events, in a ring, and who gets them.
 *
 * An event is rendered once, as it is sent, and stands whole in the ring (it does not wrap). When
 * there is no room the oldest go. Clients that keep up have had an event before it goes; the others
 * find out by its number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

#define LINGER_NS (60ull * 1000000000)

struct channel *channel_find(const char *name)
{
	struct channel *channel = relay.channels;

	while (channel != NULL && strcmp(channel->name, name) != 0)
		channel = channel->next;
	return channel;
}

struct channel *channel_open(const char *name)
{
	struct channel *channel = channel_find(name);

	if (channel != NULL)
		return channel;
	if (relay.channel_count >= relay.settings.max_channels)
		return NULL;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return NULL;
	/* The shortest event is some 24 bytes long: as many as the ring can hold, or nearly. */
	channel->events_max = (uint32_t)(relay.settings.ring_bytes / 32);
	channel->events = calloc(channel->events_max, sizeof(*channel->events));
	if (channel->events == NULL ||
	    weir_pool_allocate(relay.pool, relay.settings.ring_bytes, &channel->ring) != 0) {
		free(channel->events);
		free(channel);
		return NULL;
	}
	snprintf(channel->name, sizeof(channel->name), "%s", name);
	channel->first = channel->end = 1;
	channel->next = relay.channels;
	relay.channels = channel;
	relay.channel_count++;
	return channel;
}

static struct event *event_at(const struct channel *channel, uint64_t number)
{
	return &channel->events[number % channel->events_max];
}

const char *channel_event(const struct channel *channel, uint64_t number, size_t *length)
{
	const struct event *event = event_at(channel, number);

	*length = event->length;
	return (const char *)channel->ring.data + event->at;
}

/* Where length bytes go; events that lie there, and everything older, are gone. */
static char *make_room(struct channel *channel, size_t length)
{
	size_t at = channel->tail, size = channel->ring.capacity;

	if (at + length > size)
		at = 0;
	while (channel->first < channel->end) {
		const struct event *oldest = event_at(channel, channel->first);
		/* The oldest is the next one behind the tail, or at the front when the tail jumps. */
		bool is_in_way = oldest->at < at + length && at < oldest->at + oldest->length;
		bool is_jumped = at < channel->tail && oldest->at >= channel->tail;
		bool has_no_slot = channel->end - channel->first >= channel->events_max;

		if (!is_in_way && !is_jumped && !has_no_slot)
			break;
		channel->first++;
	}
	channel->tail = at + length;
	return (char *)channel->ring.data + at;
}

/* "id: 65f.17\ndata: Hello\n\n"; a line of the text is a data line. */
static size_t render(char *to, uint64_t number, const char *kind, const char *text, size_t length)
{
	char *at = to;
	const char *end = text + length;

	at += sprintf(at, "id: %lx.%llu\n", relay.epoch, (unsigned long long)number);
	if (kind != NULL)
		at += sprintf(at, "event: %s\n", kind);
	do {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end;

		at = mempcpy(at, "data: ", 6);
		at = mempcpy(at, text, (size_t)(stop - text));
		*at++ = '\n';
		text = stop + 1;
	} while (text <= end);
	*at++ = '\n';
	return (size_t)(at - to);
}

void channel_publish(struct channel *channel, const char *kind, const char *text, size_t length)
{
	static char rendered[EVENT_BYTES_MAX];
	size_t size = render(rendered, channel->end, kind, text, length);
	char *at = make_room(channel, size);
	struct client *client, *next;

	memcpy(at, rendered, size);
	*event_at(channel, channel->end) =
	    (struct event){.at = (uint32_t)(at - (char *)channel->ring.data), .length = (uint32_t)size};
	channel->end++;
	relay.counters.events++;
	relay.counters.event_bytes += size;
	for (client = channel->clients; client != NULL; client = next) {
		next = client->channel_next;
		client_pump(client);
	}
}

void channel_source_ended(struct channel *channel)
{
	if (--channel->sources != 0)
		return;
	channel->has_ended = true;
	channel->ended_ns = relay.now_ns;
	channel_publish(channel, "end", "", 0);
}

static void channel_free(struct channel *channel)
{
	weir_pool_release(relay.pool, channel->ring.id);
	free(channel->events);
	free(channel);
	relay.channel_count--;
}

void channels_sweep(void)
{
	struct channel **at = &relay.channels;

	while (*at != NULL) {
		struct channel *channel = *at;

		if (channel->has_ended && channel->sources == 0 && channel->client_count == 0 &&
		    relay.now_ns - channel->ended_ns > LINGER_NS) {
			*at = channel->next;
			channel_free(channel);
		} else {
			at = &channel->next;
		}
	}
}

void channels_free(void)
{
	while (relay.channels != NULL) {
		struct channel *channel = relay.channels;

		relay.channels = channel->next;
		channel_free(channel);
	}
}
