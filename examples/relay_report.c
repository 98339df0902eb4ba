/*
 * relay_report.c -- what the relay says about itself: /health and /metrics.
 */
#include <stdio.h>
#include <stdlib.h>

#include "relay.h"

char *report_health(size_t *length)
{
	char *text = NULL, *pool;
	size_t size = weir_health_json(relay.pool, NULL, 0) + 1;
	FILE *out;

	pool = malloc(size);
	out = pool != NULL ? open_memstream(&text, length) : NULL;
	if (out == NULL) {
		free(pool);
		return NULL;
	}
	/* It may have changed since; what does not fit is cut, and then it is not JSON. */
	if (weir_health_json(relay.pool, pool, size) >= size)
		snprintf(pool, size, "null");
	fprintf(out,
	    "{\"status\":\"%s\",\"uptime_seconds\":%.3f,\"clients\":%u,\"max_clients\":%u,\"channels\":%u,"
	    "\"events\":%llu,\"pool\":%s}\n",
	    relay.is_ending ? "ending" : "ok", (double)(relay.now_ns - relay.started_ns) / 1e9,
	    relay.client_count, relay.settings.max_clients, relay.channel_count,
	    (unsigned long long)relay.counters.events, pool);
	free(pool);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "counter", help);
	fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
	family(out, name, "gauge", help);
	fprintf(out, "%s %.15g\n", name, value);
}

static void write_batches(FILE *out)
{
	static const char *const reasons[WEIR_FLUSH_REASONS] = {
	    "count", "bytes", "age", "demand", "large", "pressure", "retry", "close", "abandoned"};
	struct weir_batcher_metrics m;

	weir_batcher_metrics(relay.batcher, &m);
	family(out, "relay_batch_flushes_total", "counter",
	    "Batches offered to sockets, by what brought it about.");
	for (int i = 0; i < WEIR_FLUSH_REASONS; i++)
		fprintf(out, "relay_batch_flushes_total{reason=\"%s\"} %llu\n", reasons[i],
		    (unsigned long long)m.flushes[i]);
	counter(out, "relay_batch_flushes_refused_total", "Of these, not or not wholly taken.",
	    m.flushes_refused);
	counter(out, "relay_batch_tokens_total", "Pieces accepted into batches.", m.tokens);
	gauge(out, "relay_batch_pending_bytes", "Bytes that wait for clients.", (double)m.pending_bytes);
	gauge(out, "relay_batch_buffers", "Buffers that batches hold.", (double)m.buffers_held);
}

static void write_pool(FILE *out)
{
	struct weir_pool_metrics m;

	weir_pool_metrics(relay.pool, &m);
	gauge(out, "relay_pool_allocated_bytes", "Capacity of the pool's buffers.",
	    (double)m.total_allocated_bytes);
	gauge(out, "relay_pool_used_bytes", "Of this, in use.", (double)m.total_used_bytes);
	gauge(out, "relay_pool_buffers", "The pool's buffers.", (double)m.buffer_count);
	gauge(out, "relay_pool_reuse_ratio", "Requests that an idle buffer served.", m.reuse_rate);
	gauge(out, "relay_pool_leak_risk_ratio", "Leak risk, 0 to 1.", m.memory_leak_risk);
	gauge(out, "relay_pool_pressure_ratio", "Memory pressure, 0 to 1.", m.last_memory_pressure);
	counter(out, "relay_pool_requests_total", "Buffers asked for.", m.allocations);
	counter(out, "relay_pool_temporary_buffers_total", "Of these, past the pool's limits.",
	    m.temporary_buffers);
}

char *report_metrics(size_t *length)
{
	const struct counters *c = &relay.counters;
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	if (out == NULL)
		return NULL;
	gauge(out, "relay_clients", "Connections that are open.", relay.client_count);
	gauge(out, "relay_channels", "Channels.", relay.channel_count);
	gauge(
	    out, "relay_uptime_seconds", "Since the start.", (double)(relay.now_ns - relay.started_ns) / 1e9);
	counter(out, "relay_connections_total", "Connections accepted.", c->accepted);
	counter(out, "relay_connections_rejected_total", "Connections past a limit.", c->rejected);
	counter(out, "relay_requests_total", "HTTP requests.", c->requests);
	counter(
	    out, "relay_requests_refused_total", "HTTP requests answered with an error.", c->bad_requests);
	counter(out, "relay_events_total", "Events published.", c->events);
	counter(out, "relay_event_bytes_total", "Their bytes, as sent to one client.", c->event_bytes);
	counter(out, "relay_lines_too_long_total", "Lines of sources that were left out.", c->lines_too_long);
	counter(out, "relay_sent_bytes_total", "Bytes that sockets took.", c->sent_bytes);
	counter(out, "relay_writes_total", "Calls of writev.", c->writes);
	counter(out, "relay_clients_dropped_total", "Clients that were ended with bytes unsent.", c->dropped);
	counter(out, "relay_skips_total", "Times a client was set to live.", c->skips);
	counter(out, "relay_skipped_events_total", "Events that such clients missed.", c->skipped_events);
	counter(out, "relay_resumed_total", "Clients that resumed from the ring.", c->resumed);
	write_batches(out);
	write_pool(out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
