/*
 * tracked_plugin.c -- loaded by tracked: takes memory in a module that goes again, and in one that
 * was compiled without unwind tables (then as tableless.so).
 */
#include <stdlib.h>

void *take(size_t size);
void *through(void *(*call)(size_t), size_t size);

void *take(size_t size)
{
	void *p = malloc(size);

	if (p != NULL)
		*(volatile char *)p = 1;
	return p;
}

void *through(void *(*call)(size_t), size_t size)
{
	void *p = call(size);

	if (p != NULL)
		*(volatile char *)p = 2;
	return p;
}
