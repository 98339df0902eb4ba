/*
 * on_pool.h -- included after the system's headers: the malloc family becomes
 * on_pool.c's.
 */
#ifndef WEIR_TESTS_STRESS_ON_POOL_H
#define WEIR_TESTS_STRESS_ON_POOL_H

#include <stdlib.h>

void *on_pool_malloc(size_t size);
void *on_pool_calloc(size_t count, size_t size);
void *on_pool_realloc(void *p, size_t size);
int on_pool_posix_memalign(void **to, size_t alignment, size_t size);
void on_pool_free(void *p);

#ifndef ON_POOL_ITSELF
#define malloc on_pool_malloc
#define calloc on_pool_calloc
#define realloc on_pool_realloc
#define posix_memalign on_pool_posix_memalign
#define free on_pool_free
#endif

#endif
