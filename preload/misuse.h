/*
 * misuse.h -- a pointer was freed that is not a buffer in use.
 */
#ifndef WEIR_PRELOAD_MISUSE_H
#define WEIR_PRELOAD_MISUSE_H

/* Says what is known of p, counts it, and aborts if WEIR_ON_MISUSE says so. */
void misuse_free(const void *p);

#endif
