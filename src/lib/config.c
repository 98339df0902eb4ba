/*
 * config.c -- a pool's settings: the defaults, their bounds, and the same as the report's settings.
 *
 * Pure. The report writes and advises on struct settings; a pool's figures go through it
 * with the pool's own settings in the places of those of WEIR_*.
 */
#include <string.h>

#include "lib/config.h"

struct weir_pool_config weir_pool_config_default(void)
{
	return (struct weir_pool_config){
	    .name = NULL,
	    .max_buffers = 50,
	    .max_bytes = 0,
	    .min_buffer_bytes = 4 * KIB,
	    .max_buffer_bytes = 1 * MIB,
	    .growth_factor = 1.5,
	    .gc_threshold = 0.8,
	    .max_idle_ns = 5 * MINUTE,
	    .gc_interval_ns = 30 * SECOND,
	    .monitor_interval_ns = 10 * SECOND,
	    .background = WEIR_BACKGROUND_AUTO,
	    .has_compression = 0,
	    .is_zeroing = 0,
	};
}

/* Also false for NaN. */
static bool is_within(double value, double smallest, double largest)
{
	return value >= smallest && value <= largest;
}

const char *config_fault(const struct weir_pool_config *config)
{
	uint64_t reserved = (uint64_t)(unsigned)config->reserved_int;
	const struct {
		bool is_within;
		const char *name;
	} members[] = {
	    {config->max_buffers >= 1 && config->max_buffers <= CONFIG_BUFFERS_MAX, "max_buffers"},
	    {config->min_buffer_bytes >= 1, "min_buffer_bytes"},
	    {config->max_buffer_bytes >= config->min_buffer_bytes &&
		    config->max_buffer_bytes <= SIZE_CLASS_MAX_BYTES,
		"max_buffer_bytes"},
	    {config->max_bytes == 0 || config->max_bytes >= config->min_buffer_bytes, "max_bytes"},
	    {is_within(config->growth_factor, 1.0, 4.0), "growth_factor"},
	    {is_within(config->gc_threshold, 0.1, 1.0), "gc_threshold"},
	    {config->max_idle_ns != 0, "max_idle_ns"},
	    {config->gc_interval_ns != 0, "gc_interval_ns"},
	    {config->monitor_interval_ns != 0, "monitor_interval_ns"},
	    {config->background >= WEIR_BACKGROUND_AUTO && config->background <= WEIR_BACKGROUND_NEVER,
		"background"},
	};

	for (unsigned i = 0; i < ARRAY_LENGTH(members); i++)
		if (!members[i].is_within)
			return members[i].name;
	for (unsigned i = 0; i < ARRAY_LENGTH(config->reserved); i++)
		reserved |= config->reserved[i];
	return reserved != 0 ? "a reserved member (start from weir_pool_config_default())" : NULL;
}

void config_as_settings(const struct weir_pool_config *config, struct settings *settings)
{
	settings->min_buffer_size = config->min_buffer_bytes;
	settings->max_buffer_size = config->max_buffer_bytes;
	settings->max_buffers = config->max_buffers;
	settings->pool_limit = config->max_bytes;
	settings->growth_factor = config->growth_factor;
	settings->gc_threshold = config->gc_threshold;
	settings->gc_interval = config->gc_interval_ns;
	settings->monitor_interval = config->monitor_interval_ns;
	settings->max_idle = config->max_idle_ns;
	settings->zero_on_free = config->is_zeroing != 0;
}
