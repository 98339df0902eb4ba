/*
 * relay.c -- serves token streams as server-sent events to many clients, slow and fast.
 *
 *	relay [--listen HOST:PORT] [--source-listen HOST:PORT|/PATH] [--no-stdin] [--policy skip|drop]
 *	      [--max-clients N] [--max-channels N] [--backlog BYTES] [--ring BYTES]
 *	      [--flush-ms N] [--keepalive-s N] [--stall-s N] [--grace-s N]
 *
 *	some-llm | relay &  curl -N http://127.0.0.1:8080/events
 *
 *	cc -D_GNU_SOURCE relay*.c $(pkg-config --cflags --libs weir) -o relay
 *
 * This file: settings, the loop, and its end. SIGTERM and SIGINT end it: no new
 * connections, each channel's clients get an event "end" and what waits for them, and after the
 * grace time whoever has not taken it is dropped.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

#define SECOND_NS 1000000000ull
#define MILLISECOND_NS 1000000ull
#define EVENTS_MAX 256

struct relay relay;

void relay_log(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("relay: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

uint64_t relay_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

int relay_watch(struct peer *peer, unsigned events)
{
	struct epoll_event event = {.events = events, .data = {.ptr = peer}};

	return epoll_ctl(relay.epoll, EPOLL_CTL_ADD, peer->fd, &event);
}

/* --- settings ---------------------------------------------------------------------------- */

static void die(const char *what)
{
	relay_log("%s: %s", what, strerror(errno));
	exit(1);
}

static uint64_t number(const char *name, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value < least || value > most) {
		relay_log("--%s takes a number from %llu to %llu, not %s", name, (unsigned long long)least,
		    (unsigned long long)most, text);
		exit(2);
	}
	return value;
}

static const char usage[] =
    "usage: relay [--listen HOST:PORT] [--source-listen HOST:PORT|/PATH] [--no-stdin]\n"
    "             [--policy skip|drop] [--max-clients N] [--max-channels N] [--backlog BYTES]\n"
    "             [--ring BYTES] [--flush-ms N] [--keepalive-s N] [--stall-s N] [--grace-s N]\n"
    "Serves lines of stdin, and of sources that connect, as server-sent events: GET /events,\n"
    "/events/CHANNEL, /health, /metrics. A source's first line is its channel; stdin is \"main\".\n";

static void read_settings(int argc, char **argv)
{
	static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
	    {"source-listen", required_argument, NULL, 'S'}, {"no-stdin", no_argument, NULL, 'n'},
	    {"policy", required_argument, NULL, 'p'}, {"max-clients", required_argument, NULL, 'c'},
	    {"max-channels", required_argument, NULL, 'h'}, {"backlog", required_argument, NULL, 'b'},
	    {"ring", required_argument, NULL, 'r'}, {"flush-ms", required_argument, NULL, 'f'},
	    {"keepalive-s", required_argument, NULL, 'k'}, {"stall-s", required_argument, NULL, 's'},
	    {"grace-s", required_argument, NULL, 'g'}, {"help", no_argument, NULL, '?' + 256},
	    {NULL, 0, NULL, 0}};
	struct settings *s = &relay.settings;
	int option, index = 0;

	*s = (struct settings){.listen = "127.0.0.1:8080",
	    .has_stdin = true,
	    .max_clients = 10000,
	    .max_channels = 64,
	    .backlog_bytes = 64 << 10,
	    .ring_bytes = 256 << 10,
	    .policy = POLICY_SKIP,
	    .flush_ns = 20 * MILLISECOND_NS,
	    .keepalive_ns = 15 * SECOND_NS,
	    .stall_ns = 300 * SECOND_NS,
	    .grace_ns = 5 * SECOND_NS};
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		const char *name = options[index].name;

		switch (option) {
		case 'l':
			s->listen = optarg;
			break;
		case 'S':
			s->source_listen = optarg;
			break;
		case 'n':
			s->has_stdin = false;
			break;
		case 'p':
			if (strcmp(optarg, "skip") != 0 && strcmp(optarg, "drop") != 0) {
				relay_log("--policy takes skip or drop, not %s", optarg);
				exit(2);
			}
			s->policy = strcmp(optarg, "drop") == 0 ? POLICY_DROP : POLICY_SKIP;
			break;
		case 'c':
			s->max_clients = (unsigned)number(name, optarg, 1, 1000000);
			break;
		case 'h':
			s->max_channels = (unsigned)number(name, optarg, 1, 100000);
			break;
		case 'b':
			s->backlog_bytes = number(name, optarg, 4096, 1 << 20);
			break;
		case 'r':
			s->ring_bytes = number(name, optarg, EVENT_BYTES_MAX, 1 << 20);
			break;
		case 'f':
			s->flush_ns = number(name, optarg, 1, 10000) * MILLISECOND_NS;
			break;
		case 'k':
			s->keepalive_ns = number(name, optarg, 1, 3600) * SECOND_NS;
			break;
		case 's':
			s->stall_ns = number(name, optarg, 0, 1000000) * SECOND_NS;
			break;
		case 'g':
			s->grace_ns = number(name, optarg, 0, 3600) * SECOND_NS;
			break;
		case '?' + 256:
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind != argc) {
		relay_log("what is %s?", argv[optind]);
		exit(2);
	}
}

/* Descriptors for all clients, or fewer clients. */
static void fit_clients(void)
{
	const unsigned others = CLIENTS_SPARE + 64 + SOURCES_MAX;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < relay.settings.max_clients + others && limit.rlim_cur > others) {
		relay.settings.max_clients = (unsigned)(limit.rlim_cur - others);
		relay_log("at most %u clients: there are %llu descriptors", relay.settings.max_clients,
		    (unsigned long long)limit.rlim_cur);
	}
}

/* --- sockets ----------------------------------------------------------------------------- */

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0)
		die(path);
	return fd;
}

static int listen_inet(const char *where)
{
	struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	char host[256];
	const char *colon = strrchr(where, ':');
	struct sockaddr_storage got;
	socklen_t length = sizeof(got);
	char port[16];
	int fd, one = 1;

	if (colon == NULL || (size_t)(colon - where) >= sizeof(host)) {
		relay_log("%s is not HOST:PORT", where);
		exit(2);
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	if (getaddrinfo(host, colon + 1, &wanted, &found) != 0) {
		relay_log("%s is no address", where);
		exit(1);
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die(where);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1024) != 0)
		die(where);
	freeaddrinfo(found);
	/* Port 0 is whichever is free. */
	if (getsockname(fd, (struct sockaddr *)&got, &length) == 0 &&
	    getnameinfo((struct sockaddr *)&got, length, NULL, 0, port, sizeof(port), NI_NUMERICSERV) == 0)
		relay_log("listening on %s:%s", host, port);
	return fd;
}

static void watch_signals(struct peer *peer)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*peer = (struct peer){.kind = PEER_SIGNAL, .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
	if (peer->fd < 0 || relay_watch(peer, EPOLLIN) != 0)
		die("signals");
}

/* --- the loop ---------------------------------------------------------------------------- */

static struct peer listener, source_listener, signals;
static bool is_end_wanted;

static void start(void)
{
	struct weir_pool_config config = weir_pool_config_default();
	int r;

	relay.started_ns = relay.now_ns = relay_now();
	relay.epoch = (unsigned long)time(NULL);
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (relay.epoll < 0)
		die("epoll");
	config.name = "relay";
	config.max_buffers = relay.settings.max_clients + relay.settings.max_channels + SOURCES_MAX + 64;
	config.background = WEIR_BACKGROUND_NEVER;
	r = weir_pool_create(&relay.pool, &config);
	if (r == 0)
		r = client_batcher_create();
	if (r != 0) {
		relay_log("no pool: %s", weir_strerror(r));
		exit(1);
	}
	watch_signals(&signals);
	source_listener = (struct peer){.kind = PEER_SOURCE_LISTENER, .fd = -1};
	if (relay.settings.source_listen != NULL) {
		const char *where = relay.settings.source_listen;

		source_listener.fd = where[0] == '/' ? listen_unix(where) : listen_inet(where);
		if (relay_watch(&source_listener, EPOLLIN) != 0)
			die("listen");
	}
	/* Last: who reads that it listens may come, with tokens, too. */
	listener = (struct peer){.kind = PEER_LISTENER, .fd = listen_inet(relay.settings.listen)};
	if (relay_watch(&listener, EPOLLIN) != 0)
		die("listen");
	if (relay.settings.has_stdin) {
		fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
		/* A file cannot be watched; and what is all there already is no stream. */
		if (source_open(0, "main") != 0)
			relay_log("nothing comes from stdin, which is no pipe, socket or terminal");
	}
}

static void begin_end(void)
{
	if (relay.is_ending)
		return;
	relay_log("ending: %u clients", relay.client_count);
	relay.is_ending = true;
	close(listener.fd);
	if (source_listener.fd >= 0)
		close(source_listener.fd);
	if (relay.settings.source_listen != NULL && relay.settings.source_listen[0] == '/')
		unlink(relay.settings.source_listen);
	sources_close();
	clients_close(false);
}

static void dispatch(struct peer *peer, unsigned events)
{
	struct signalfd_siginfo info;

	switch (peer->kind) {
	case PEER_LISTENER:
		client_accept(peer);
		break;
	case PEER_SOURCE_LISTENER:
		source_accept(peer);
		break;
	case PEER_SIGNAL:
		while (read(peer->fd, &info, sizeof(info)) > 0)
			is_end_wanted = true;
		break;
	case PEER_CLIENT:
		client_ready((struct client *)peer, events);
		break;
	case PEER_SOURCE:
		source_ready((struct source *)peer);
		break;
	}
}

/* Milliseconds until something is due by time, rounded up. */
static int time_out(uint64_t next_second_ns)
{
	uint64_t next = weir_batcher_next_ns(relay.batcher), now = relay_now();

	if (next > next_second_ns)
		next = next_second_ns;
	return next <= now ? 0 : (int)((next - now + MILLISECOND_NS - 1) / MILLISECOND_NS);
}

static void run(void)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t next_second_ns = relay.now_ns + SECOND_NS, end_ns = UINT64_MAX;

	while (!relay.is_ending || relay.client_count != 0) {
		int count = epoll_wait(relay.epoll, events, EVENTS_MAX, time_out(next_second_ns));

		relay.now_ns = relay_now();
		weir_batcher_maintain(relay.batcher, relay.now_ns);
		for (int i = 0; i < count; i++)
			dispatch(events[i].data.ptr, events[i].events);
		/* Not before: sources go with it, and one might have been next. */
		if (is_end_wanted)
			begin_end();
		clients_todo();
		if (relay.now_ns >= next_second_ns) {
			next_second_ns = relay.now_ns + SECOND_NS;
			clients_sweep();
			channels_sweep();
			clients_todo();
			weir_pool_maintain(relay.pool, 0);
		}
		if (relay.is_ending && end_ns == UINT64_MAX)
			end_ns = relay.now_ns + relay.settings.grace_ns;
		if (relay.now_ns >= end_ns) {
			clients_close(true);
			clients_todo();
		}
	}
}

int main(int argc, char **argv)
{
	int64_t left;

	read_settings(argc, argv);
	fit_clients();
	start();
	run();
	channels_free();
	weir_batcher_destroy(relay.batcher);
	left = weir_pool_destroy(relay.pool);
	relay_log("ended; %llu events, %llu clients dropped", (unsigned long long)relay.counters.events,
	    (unsigned long long)relay.counters.dropped);
	/* Every buffer came back. */
	return left == 0 ? 0 : 1;
}
