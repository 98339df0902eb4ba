/*
 * relay_source.c -- where tokens come from: lines, on stdin or on a socket.
 *
 * A line is a token. In it, \n is a newline and \\ a backslash. On a socket the first line is
 * the channel's name, which is made if it is not there; stdin is the channel "main". When its last
 * source has ended, a channel gets an event "end".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"

static unsigned source_count;

static void source_free(struct source *source)
{
	struct source **at = &relay.sources;

	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	source_count--;
	if (source->channel != NULL)
		channel_source_ended(source->channel);
	weir_pool_release(relay.pool, source->line.id);
	close(source->peer.fd);
	free(source);
}

static bool join(struct source *source, const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= NAME_BYTES ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != length)
		return false;
	source->channel = channel_open(name);
	if (source->channel == NULL)
		return false;
	source->channel->sources++;
	source->channel->has_ended = false;
	return true;
}

int source_open(int fd, const char *channel)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source == NULL || weir_pool_allocate(relay.pool, LINE_BYTES_MAX, &source->line) != 0) {
		free(source);
		close(fd);
		return -1;
	}
	source->peer = (struct peer){.kind = PEER_SOURCE, .fd = fd};
	source->next = relay.sources;
	relay.sources = source;
	source_count++;
	if ((channel != NULL && !join(source, channel)) || relay_watch(&source->peer, EPOLLIN) != 0) {
		source_free(source);
		return -1;
	}
	return 0;
}

void source_accept(struct peer *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (source_count >= SOURCES_MAX) {
		relay_log("a source was refused: there are %u", source_count);
		close(fd);
	} else if (source_open(fd, NULL) != 0) {
		relay_log("a source was refused: no memory");
	}
}

/* In place; returns the length. */
static size_t unescape(char *text, size_t length)
{
	char *to = text;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\\' && i + 1 < length && (text[i + 1] == 'n' || text[i + 1] == '\\'))
			*to++ = text[++i] == 'n' ? '\n' : '\\';
		else if (text[i] != '\r')
			*to++ = text[i];
	}
	return (size_t)(to - text);
}

/* False: the source is to go. */
static bool take_line(struct source *source, char *line, size_t length)
{
	if (source->channel != NULL) {
		channel_publish(source->channel, NULL, line, unescape(line, length));
		return true;
	}
	line[length] = '\0';
	if (length != 0 && line[length - 1] == '\r')
		line[length - 1] = '\0';
	if (join(source, line))
		return true;
	relay_log("a source was refused: no channel can have its name, or there are too many");
	return false;
}

/* The whole lines that have come. */
static bool take_lines(struct source *source)
{
	char *text = source->line.data, *newline;
	size_t at = 0;

	while ((newline = memchr(text + at, '\n', source->length - at)) != NULL) {
		size_t length = (size_t)(newline - text) - at;
		bool is_rest = source->is_skipping;

		source->is_skipping = false;
		if (!is_rest && !take_line(source, text + at, length))
			return false;
		at += length + 1;
	}
	source->length -= at;
	memmove(text, text + at, source->length);
	if (source->length == LINE_BYTES_MAX) {
		relay.counters.lines_too_long += !source->is_skipping;
		source->is_skipping = true;
		source->length = 0;
	}
	return true;
}

void source_ready(struct source *source)
{
	ssize_t got = read(
	    source->peer.fd, (char *)source->line.data + source->length, LINE_BYTES_MAX - source->length);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0) {
		source->length += (size_t)got;
		if (take_lines(source))
			return;
	} else if (source->length != 0 && !source->is_skipping && source->channel != NULL) {
		/* The last line has no newline. */
		take_line(source, source->line.data, source->length);
	}
	source_free(source);
}

void sources_close(void)
{
	while (relay.sources != NULL)
		source_free(relay.sources);
}
