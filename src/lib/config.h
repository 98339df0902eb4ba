/*
 * config.h -- a pool's settings: bounds, and the report's form of them.
 */
#ifndef WEIR_LIB_CONFIG_H
#define WEIR_LIB_CONFIG_H

#include "base/options.h"
#include "include/weir.h"
#include "pool/size_class.h"

#define CONFIG_BUFFERS_MAX 1000000

/* The first member that is outside its bounds; NULL: none is. */
const char *config_fault(const struct weir_pool_config *config);

/* Over what stands in *settings for the process: what the pool has settings of its own for. */
void config_as_settings(const struct weir_pool_config *config, struct settings *settings);

#endif
