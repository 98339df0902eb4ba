/*
 * event.c -- what the library says: errors by name, survived errors, lines to a callback.
 *
 * Every error that is survived is counted in its pool; the first of a kind, the second, the
 * fourth and so on are said, so that a program that errs a million times says twenty lines. Called by
 * all of the library, with no lock held.
 */
#include "base/log.h"
#include "lib/engine.h"
#include "lib/state.h"

static struct {
	/* Written by weir_set_log() before the sink is set, which releases them. */
	weir_log_callback callback;
	void *context;
} events;

const char *weir_version(void)
{
	return WEIR_VERSION;
}

const char *weir_strerror(int error)
{
	static const char *const texts[] = {
	    [-WEIR_OK] = "no error",
	    [-WEIR_ERROR_INVALID] = "an argument or a setting is outside its bounds",
	    [-WEIR_ERROR_TOO_LARGE] = "more than the pool's largest buffer",
	    [-WEIR_ERROR_NO_MEMORY] = "no memory",
	    [-WEIR_ERROR_NOT_FOUND] = "no buffer has that id: it was never handed out, or is released",
	    [-WEIR_ERROR_BUSY] = "in use by something that has to end first",
	    [-WEIR_ERROR_AGAIN] = "not now: the receiver asked for a retry",
	    [-WEIR_ERROR_UNAVAILABLE] = "this system does not offer it",
	};

	if (error > 0)
		return texts[0];
	return error > -(int)ARRAY_LENGTH(texts) ? texts[-error] : "unknown error";
}

static void sink(enum log_level level, const char *text)
{
	events.callback(events.context, (int)level, text);
}

void weir_set_log(weir_log_callback callback, void *context, int level)
{
	const struct settings *settings;

	log_set_sink(NULL);
	if (callback != NULL) {
		events.callback = callback;
		events.context = context;
		log_set_sink(sink);
	}
	/* Making the engine sets the level, and may have something to say. */
	settings = engine_get()->settings;
	log_set_level(callback == NULL ? (enum log_level)settings->log : (enum log_level)level);
}

void pool_count_error(struct weir_pool *pool, enum pool_error error)
{
	event_survived(pool, error);
}

COLD void event_refused(const char *name, const char *fault)
{
	struct log_line line;

	if (!log_begin(&line, LOG_WARN))
		return;
	out_str(&line.out, "pool ");
	out_str(&line.out, name != NULL ? name : "pool");
	out_str(&line.out, ": not made: outside its bounds is ");
	out_str(&line.out, fault);
	log_end(&line);
}

COLD void event_survived(struct weir_pool *pool, enum pool_error error)
{
	static const struct {
		enum log_level level;
		const char *text;
	} kinds[] = {
	    [POOL_ERROR_TOO_LARGE] = {LOG_WARN, "refused: more than the largest buffer"},
	    [POOL_ERROR_NOT_FOUND] = {LOG_WARN, "an id that names no buffer: unknown, or released already"},
	    [POOL_ERROR_NO_MEMORY] = {LOG_WARN, "no memory for a request"},
	    [POOL_ERROR_ENGINE_EXHAUSTED] = {LOG_WARN,
		"the engine has no memory; malloc gave a temporary buffer"},
	    [POOL_ERROR_PURGE_REFUSED] = {LOG_WARN, "the kernel did not take pages back"},
	    [POOL_ERROR_PRESSURE_UNKNOWN] = {LOG_WARN, "nothing says how scarce memory is"},
	    [POOL_ERROR_THREAD_REFUSED] = {LOG_WARN, "no thread to be had; upkeep is done by requests"},
	    [POOL_ERROR_FLUSH_FAILED] = {LOG_DEBUG, "a flush asked for a retry"},
	    [POOL_ERROR_TOKEN_REFUSED] = {LOG_INFO, "a token was refused"},
	};
	uint64_t count = atomic_fetch_add_explicit(&pool->errors[error], 1, memory_order_relaxed) + 1;
	struct log_line line;

	if ((count & (count - 1)) != 0 || !log_begin(&line, kinds[error].level))
		return;
	out_str(&line.out, "pool ");
	out_str(&line.out, pool->name);
	out_str(&line.out, ": ");
	out_str(&line.out, kinds[error].text);
	if (count > 1) {
		out_str(&line.out, " (");
		out_count(&line.out, count);
		out_str(&line.out, " times)");
	}
	log_end(&line);
}

int weir_pool_errors(struct weir_pool *pool, struct weir_pool_errors *errors)
{
	uint64_t counts[POOL_ERRORS];

	if (pool == NULL || errors == NULL)
		return WEIR_ERROR_INVALID;
	for (unsigned i = 0; i < POOL_ERRORS; i++)
		counts[i] = atomic_load_explicit(&pool->errors[i], memory_order_relaxed);
	*errors = (struct weir_pool_errors){
	    .too_large = counts[POOL_ERROR_TOO_LARGE],
	    .not_found = counts[POOL_ERROR_NOT_FOUND],
	    .no_memory = counts[POOL_ERROR_NO_MEMORY],
	    .engine_exhausted = counts[POOL_ERROR_ENGINE_EXHAUSTED],
	    .purges_refused = counts[POOL_ERROR_PURGE_REFUSED],
	    .pressure_unknown = counts[POOL_ERROR_PRESSURE_UNKNOWN],
	    .thread_refused = counts[POOL_ERROR_THREAD_REFUSED],
	    .flushes_failed = counts[POOL_ERROR_FLUSH_FAILED],
	    .tokens_refused = counts[POOL_ERROR_TOKEN_REFUSED],
	};
	return WEIR_OK;
}
