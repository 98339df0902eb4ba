/*
 * relay_http.c -- as much of HTTP/1.1 as the relay speaks: GET, and three paths.
 *
 *	GET /events[/CHANNEL]	text/event-stream; Last-Event-ID, or ?from=start, resumes from the ring
 *	GET /health		JSON
 *	GET /metrics		Prometheus' text format
 *
 * A request's head is gathered in a buffer of the pool, which goes back as soon as the head is
 * whole and answered. A connection stays open for more requests, but after events or an error.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "relay.h"

static const char page[] =
    "<!doctype html><title>relay</title><pre id=t></pre><script>\n"
    "const t = document.getElementById('t'), s = new EventSource('/events' + location.hash.replace('#', '/'))\n"
    "s.onmessage = e => t.append(e.data)\n"
    "s.addEventListener('skip', e => t.append('\\n[' + JSON.parse(e.data).missed + ' tokens missed]\\n'))\n"
    "s.addEventListener('end', () => s.close())\n"
    "</script>\n";

static void respond(struct client *client, const char *status, const char *type, const char *body,
    size_t length, bool is_last)
{
	char head[512];
	int size =
	    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
		status, type, length, strncmp(status, "503", 3) == 0 ? "Retry-After: 5\r\n" : "",
		is_last ? "Connection: close\r\n" : "");

	if (!client_send(client, head, (size_t)size) || (length != 0 && !client_send(client, body, length)))
		is_last = true;
	if (is_last)
		client_close(client);
	else
		weir_stream_flush(relay.batcher, client->stream);
}

void http_refuse(struct client *client, const char *status)
{
	char body[64];
	int length = snprintf(body, sizeof(body), "%s\n", status);

	relay.counters.bad_requests++;
	respond(client, status, "text/plain", body, (size_t)length, true);
}

static void respond_report(struct client *client, char *(*report)(size_t *), const char *type, bool is_last)
{
	size_t length;
	char *text = report(&length);

	if (text == NULL) {
		http_refuse(client, "503 Service Unavailable");
		return;
	}
	respond(client, "200 OK", type, text, length, is_last);
	free(text);
}

/* The value of a header, up to its line's end; NULL: it is not there. The head ends with a zero. */
static const char *header(const char *head, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = strchr(head, '\n'); line != NULL; line = strchr(line, '\n')) {
		line++;
		if (strncasecmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " \t");
	}
	return NULL;
}

static bool header_has(const char *head, const char *name, const char *word)
{
	const char *value = header(head, name);

	return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

static void subscribe(struct client *client, const char *head, const char *path, const char *query)
{
	static const char response[] = "HTTP/1.1 200 OK\r\n"
				       "Content-Type: text/event-stream\r\n"
				       "Cache-Control: no-store\r\n"
				       "Access-Control-Allow-Origin: *\r\n"
				       "X-Accel-Buffering: no\r\n"
				       "Connection: close\r\n\r\n"
				       "retry: 1000\n\n";
	const char *name = path[0] == '/' ? path + 1 : "main";
	const char *last_id = header(head, "Last-Event-ID");
	struct channel *channel = channel_find(name);
	bool is_resuming = strcmp(query, "from=start") == 0;
	unsigned long epoch = 0;
	unsigned long long last = 0;

	if (channel == NULL) {
		http_refuse(client, "404 Not Found");
		return;
	}
	if (last_id != NULL && sscanf(last_id, "%lx.%llu", &epoch, &last) == 2)
		is_resuming = true;
	if (!client_send(client, response, sizeof(response) - 1)) {
		client_close(client);
		return;
	}
	/* At once: a client wants to know that it is connected. */
	weir_stream_flush(relay.batcher, client->stream);
	if (client->state != CLIENT_DEAD)
		client_subscribe(client, channel, is_resuming, epoch, last);
}

/* A whole head, with a zero at its end. */
static void handle(struct client *client, char *head)
{
	char path[256], query[64] = "";
	int minor;
	bool is_last;
	char *mark;

	relay.counters.requests++;
	if (relay.client_count > relay.settings.max_clients) {
		relay.counters.rejected++;
		http_refuse(client, "503 Service Unavailable");
		return;
	}
	if (sscanf(head, "GET %255s HTTP/1.%d", path, &minor) != 2) {
		http_refuse(
		    client, strncmp(head, "GET ", 4) == 0 ? "400 Bad Request" : "501 Not Implemented");
		return;
	}
	is_last = header_has(head, "Connection", "close") ||
		  (minor == 0 && !header_has(head, "Connection", "keep-alive"));
	mark = strchr(path, '?');
	if (mark != NULL) {
		snprintf(query, sizeof(query), "%s", mark + 1);
		*mark = '\0';
	}
	if (strcmp(path, "/health") == 0)
		respond_report(client, report_health, "application/json", is_last);
	else if (strcmp(path, "/metrics") == 0)
		respond_report(client, report_metrics, "text/plain; version=0.0.4", is_last);
	else if (strcmp(path, "/") == 0)
		respond(client, "200 OK", "text/html; charset=utf-8", page, sizeof(page) - 1, is_last);
	else if (strcmp(path, "/events") == 0 || strncmp(path, "/events/", 8) == 0)
		subscribe(client, head, path + 7, query);
	else
		http_refuse(client, "404 Not Found");
}

/* Answer what whole requests there are. False: nothing more is to be read. */
static bool handle_all(struct client *client)
{
	char *start = client->request.data, *end;

	while (client->state == CLIENT_REQUEST) {
		start[client->request_length] = '\0';
		end = strstr(start, "\r\n\r\n");
		if (end == NULL)
			break;
		*end = '\0';
		end += 4;
		handle(client, start);
		if (client->state != CLIENT_REQUEST)
			return false;
		client->request_length -= (size_t)(end - start);
		memmove(start, end, client->request_length);
		client->since_ns = relay.now_ns;
	}
	if (client->request_length < REQUEST_BYTES_MAX)
		return true;
	http_refuse(client, "431 Request Header Fields Too Large");
	return false;
}

static void read_nothing(struct client *client)
{
	char rubbish[1024];
	ssize_t got;

	while ((got = recv(client->peer.fd, rubbish, sizeof(rubbish), 0)) > 0)
		;
	/* It has gone; or it has sent all it will send, and wants the rest. */
	if ((got == 0 && client->state == CLIENT_EVENTS) || (got < 0 && errno != EAGAIN && errno != EINTR))
		client_left(client);
}

void http_read(struct client *client)
{
	bool goes_on = true;
	ssize_t got = -1;

	errno = EAGAIN;
	if (client->state == CLIENT_REQUEST && client->request.id == 0 &&
	    weir_pool_allocate(relay.pool, REQUEST_BYTES_MAX + 1, &client->request) != 0) {
		http_refuse(client, "503 Service Unavailable");
		return;
	}
	while (goes_on && client->state == CLIENT_REQUEST &&
	       (got = recv(client->peer.fd, (char *)client->request.data + client->request_length,
		    REQUEST_BYTES_MAX - client->request_length, 0)) > 0) {
		client->request_length += (size_t)got;
		goes_on = handle_all(client);
	}
	if (client->state == CLIENT_REQUEST && (got == 0 || (errno != EAGAIN && errno != EINTR)))
		client_close(client);
	if (client->request.id != 0 && (client->request_length == 0 || client->state != CLIENT_REQUEST)) {
		weir_pool_release(relay.pool, client->request.id);
		client->request.id = 0;
		client->request_length = 0;
	}
	if (client->state == CLIENT_EVENTS || client->state == CLIENT_CLOSING)
		read_nothing(client);
}
