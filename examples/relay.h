/*
 * relay.h -- the parts of the relay, an example of libweir at work.
 *
 *	source --line--> channel --event--> ring        (relay_source.c, relay_channel.c)
 *	                            \--> each client's batch --writev--> socket (relay_client.c)
 *
 * One thread, one epoll loop (relay.c). Memory that follows the load comes from one weir pool:
 * the channels' rings and, through the batcher, what waits for each client. So it is bounded by
 * channels * ring + clients * backlog, and given back when it is idle.
 *
 * HTTP is GET and three paths, read by relay_http.c itself: a library such as libmicrohttpd has its own
 * loop and its own buffer before each socket, and would copy what a batch hands to writev() as it lies.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir.h>

#define NAME_BYTES 64			     /* of a channel's name, with its zero */
#define REQUEST_BYTES_MAX 4096		     /* of a request's head */
#define LINE_BYTES_MAX 16384		     /* of a token */
#define EVENT_BYTES_MAX (8 * LINE_BYTES_MAX) /* as sent: "data: " before each line of it */

#define CLIENTS_SPARE 32 /* past max_clients, to be told so */

#define SOURCES_MAX (2 * relay.settings.max_channels)

enum policy { POLICY_SKIP, POLICY_DROP };

struct settings {
	const char *listen;	   /* HOST:PORT */
	const char *source_listen; /* HOST:PORT or /PATH; NULL: none */
	bool has_stdin;
	unsigned max_clients, max_channels;
	size_t backlog_bytes; /* that wait for a client in its batch */
	size_t ring_bytes;    /* of a channel, for resuming and for who lags */
	enum policy policy;   /* for who lags further behind than the ring reaches */
	uint64_t flush_ns, keepalive_ns, stall_ns, grace_ns;
};

/* What epoll hands back begins with who it is for. */
enum peer_kind { PEER_LISTENER, PEER_SOURCE_LISTENER, PEER_SIGNAL, PEER_CLIENT, PEER_SOURCE };
struct peer {
	enum peer_kind kind;
	int fd;
};

/* An event as it is sent, in the ring. */
struct event {
	uint32_t at, length;
};

struct channel {
	struct channel *next;
	char name[NAME_BYTES];
	struct weir_buffer ring;
	struct event *events; /* events_max of them, event n at n modulo that */
	uint32_t events_max;
	uint64_t first, end; /* numbers of the events in the ring; numbers begin with 1 */
	size_t tail;	     /* where the next event goes */
	unsigned sources, client_count;
	bool has_ended; /* its last source is gone */
	uint64_t ended_ns;
	struct client *clients;
};

enum client_state {
	CLIENT_REQUEST, /* its next request is being read */
	CLIENT_EVENTS,	/* events are being sent */
	CLIENT_CLOSING, /* what waits is being sent, then it goes */
	CLIENT_DEAD	/* gone; freed at the end of the loop's turn */
};

struct client {
	struct peer peer;
	enum client_state state;
	weir_stream stream;
	struct client *all_next, *all_prev;
	struct client *channel_next, *channel_prev;
	struct client *todo_next; /* with room again, or dead */
	bool is_todo, has_left;
	struct channel *channel;
	uint64_t next;		    /* number of the event that it gets next */
	bool is_full;		    /* its batch would not take the next event */
	bool is_live;		    /* has had the response's head: may be sent comments */
	uint64_t since_ns;	    /* of the request's first byte; of the last byte sent */
	struct weir_buffer request; /* id 0: none */
	size_t request_length;
};

struct source {
	struct peer peer;
	struct source *next;
	struct channel *channel; /* NULL: its first line, the name, is awaited */
	struct weir_buffer line;
	size_t length;
	bool is_skipping; /* the rest of a line that was too long */
};

struct counters {
	uint64_t accepted, rejected, requests, bad_requests;
	uint64_t events, event_bytes, lines_too_long;
	uint64_t sent_bytes, writes, dropped, skips, skipped_events, resumed;
};

extern struct relay {
	struct settings settings;
	struct weir_pool *pool;
	struct weir_batcher *batcher;
	int epoll;
	uint64_t now_ns, started_ns;
	unsigned long epoch; /* which run of the relay an event's id is of */
	struct channel *channels;
	unsigned channel_count, client_count;
	struct client *clients, *todo;
	struct source *sources;
	bool is_ending;
	struct counters counters;
} relay;

/* relay.c */
int relay_watch(struct peer *peer, unsigned events); /* 0 or -1 */
void relay_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t relay_now(void);

/* relay_channel.c */
struct channel *channel_find(const char *name);
struct channel *channel_open(const char *name); /* found or made; NULL: there are too many, or no memory */
/* A token becomes the channel's next event, and goes to its clients. kind: NULL, or the event's type. */
void channel_publish(struct channel *channel, const char *kind, const char *text, size_t length);
void channel_source_ended(struct channel *channel);
void channels_sweep(void); /* those that ended a while ago and have no clients go */
void channels_free(void);
const char *channel_event(const struct channel *channel, uint64_t number, size_t *length);

/* relay_client.c */
int client_batcher_create(void);
void client_accept(struct peer *listener);
void client_ready(struct client *client, unsigned events);
/* Bytes of a response. False: there is no room, or it is dead. */
bool client_send(struct client *client, const void *bytes, size_t length);
/* Subscribe it. resume: it names the last event that it has, last, of the run epoch. */
void client_subscribe(
    struct client *client, struct channel *channel, bool is_resuming, unsigned long epoch, uint64_t last);
void client_close(struct client *client); /* when what waits has been sent */
void client_left(struct client *client);  /* its socket is of no use any more */
void client_pump(struct client *client);  /* the channel's events, as far as there is room */
void clients_todo(void);
void clients_sweep(void); /* keep-alive comments; requests that do not end */
void clients_close(bool at_once);

/* relay_http.c: as much of the request as is there; responses go by client_send(). */
void http_read(struct client *client);
void http_refuse(struct client *client, const char *status);

/* relay_source.c */
/* channel NULL: its first line says. The descriptor is the source's, also where that fails: -1. */
int source_open(int fd, const char *channel);
void source_accept(struct peer *listener);
void source_ready(struct source *source);
void sources_close(void);

/* relay_report.c: malloc'ed texts; NULL: no memory. */
char *report_health(size_t *length);
char *report_metrics(size_t *length);

#endif
