/*
 * plugin_deep.c -- a plugin that is loaded with RTLD_DEEPBIND and so looks into
 * libc before anything preloaded. Its memory crosses the border both ways.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *deep_make(size_t size);
void deep_free(void *p);
void *deep_grow(void *p, size_t size);
int deep_use_libc(void);

void *deep_make(size_t size)
{
	return memset(malloc(size), 7, size);
}

void deep_free(void *p)
{
	free(p);
}

void *deep_grow(void *p, size_t size)
{
	return realloc(p, size);
}

/* libc itself is bound as ever: what it allocates is the process's malloc's. */
int deep_use_libc(void)
{
	char *copy = strdup("weir"), *text = NULL;
	int length = asprintf(&text, "%70000d", 1);

	free(copy);
	free(text);
	return length;
}
