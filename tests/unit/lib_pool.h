/*
 * lib_pool.h -- for the tests of the library: a pool with a clock that only the test moves, and a
 * machine whose memory is as scarce as the test says.
 */
#ifndef WEIR_TESTS_LIB_POOL_H
#define WEIR_TESTS_LIB_POOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/meminfo.h"
#include "include/weir.h"
#include "run_suite.h"

static uint64_t lib_time = 1000 * SECOND;

static inline uint64_t lib_clock(void *context)
{
	(void)context;
	return lib_time;
}

/* The default, but for the clock, and that nobody looks at the pool unasked. */
static inline struct weir_pool_config lib_config(void)
{
	struct weir_pool_config config = weir_pool_config_default();

	config.clock = lib_clock;
	config.background = WEIR_BACKGROUND_NEVER;
	return config;
}

static inline struct weir_pool *lib_pool(const struct weir_pool_config *config)
{
	struct weir_pool_config usual = lib_config();
	struct weir_pool *pool;

	ck_assert_int_eq(weir_pool_create(&pool, config != NULL ? config : &usual), WEIR_OK);
	return pool;
}

static inline struct weir_buffer lib_take(struct weir_pool *pool, size_t size)
{
	struct weir_buffer buffer;

	ck_assert_int_eq(weir_pool_allocate(pool, size, &buffer), WEIR_OK);
	ck_assert_ptr_nonnull(buffer.data);
	return buffer;
}

static inline struct weir_pool_metrics lib_metrics(struct weir_pool *pool)
{
	struct weir_pool_metrics metrics;

	ck_assert_int_eq(weir_pool_metrics(pool, &metrics), WEIR_OK);
	return metrics;
}

/* From now on the kernel says that so many percent of 1 GiB are not available. */
static char lib_machine_root[64];

static inline void lib_machine(unsigned percent_used)
{
	char path[128];
	FILE *file;

	if (lib_machine_root[0] == '\0') {
		strcpy(lib_machine_root, "/tmp/weir-machine.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(lib_machine_root));
		snprintf(path, sizeof(path), "%s/proc", lib_machine_root);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		meminfo_root = lib_machine_root;
	}
	snprintf(path, sizeof(path), "%s/proc/meminfo", lib_machine_root);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
	    "MemTotal:        1048576 kB\nMemFree:           10000 kB\nMemAvailable:    %u kB\n"
	    "SwapFree:        524288 kB\n",
	    1048576u / 100 * (100 - percent_used));
	ck_assert_int_eq(fclose(file), 0);
}

static inline void lib_machine_gone(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/proc/meminfo", lib_machine_root);
	unlink(path);
	snprintf(path, sizeof(path), "%s/proc", lib_machine_root);
	rmdir(path);
	rmdir(lib_machine_root);
	lib_machine_root[0] = '\0';
}

#endif
