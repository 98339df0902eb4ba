/*
 * thread.c -- pthread_create and fork, as far as Weir has to see them pass.
 *
 * The first pthread_create of the program starts our maintenance thread. fork takes
 * stdio's list lock first: libc takes it after the handlers of pthread_atfork, when
 * jemalloc's locks are held already, while another thread that holds it (fflush(NULL),
 * fopen) may wait for just those locks; libc's own malloc is locked after it for that reason.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "preload/preload.h"

extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern void _IO_list_resetlock(void) __attribute__((weak));

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *argument)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (real == NULL)
		real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))preload_real(
		    "pthread_create");
	if (real == NULL)
		return ENOSYS;
	maintain_on_thread_create();
	return real(thread, attr, run, argument);
}

EXPORT pid_t fork(void)
{
	static pid_t (*real)(void);
	bool has_list_lock = _IO_list_lock != NULL && _IO_list_unlock != NULL && _IO_list_resetlock != NULL;
	pid_t pid;

	if (real == NULL)
		real = (pid_t(*)(void))preload_real("fork");
	if (real == NULL) {
		errno = ENOSYS;
		return -1;
	}
	if (has_list_lock)
		_IO_list_lock();
	pid = real();
	if (has_list_lock) {
		if (pid == 0)
			_IO_list_resetlock();
		else
			_IO_list_unlock();
	}
	return pid;
}
