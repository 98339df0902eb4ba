/*
 * idle_thread.h -- a second thread that does nothing, so that the process is one of threads.
 */
#ifndef WEIR_TESTS_IDLE_THREAD_H
#define WEIR_TESTS_IDLE_THREAD_H

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

static _Atomic bool idle_thread_is_over;

static inline void *idle_thread(void *unused)
{
	while (!atomic_load(&idle_thread_is_over))
		sched_yield();
	return unused;
}

static inline pthread_t idle_thread_begin(void)
{
	pthread_t thread;

	atomic_store(&idle_thread_is_over, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, idle_thread, NULL), 0);
	return thread;
}

static inline void idle_thread_end(pthread_t thread)
{
	atomic_store(&idle_thread_is_over, true);
	pthread_join(thread, NULL);
}

#endif
