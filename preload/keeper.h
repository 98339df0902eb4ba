/*
 * keeper.h -- the maintenance thread.
 */
#ifndef WEIR_PRELOAD_KEEPER_H
#define WEIR_PRELOAD_KEEPER_H

/*
 * Start it, unless it is there or must not be (WEIR_BACKGROUND=never). Before the program's own first
 * pthread_create. Where no thread can be had, passes stay inline, and the next call tries again.
 */
void keeper_start(void);

#endif
