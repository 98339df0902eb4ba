/*
 * loader.c -- a library with a RUNPATH of its own ($ORIGIN/beside), which loads others.
 * What it loads by a bare name is found through that RUNPATH and nowhere else.
 */
#include <dlfcn.h>

void *loader_open(const char *name, int flags);

static volatile int opened;

void *loader_open(const char *name, int flags)
{
	void *handle = dlopen(name, flags);

	opened++; /* after the call, which must not be the function's last deed: it would leave no trace of us */
	return handle;
}
