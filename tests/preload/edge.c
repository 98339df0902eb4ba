/*
 * edge.c -- a preloaded library that allocates in its constructor and frees in
 * its destructor. Put before and after the interposer in LD_PRELOAD, one of the
 * two constructors runs before the interposer's, and one destructor after it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned char *kept[32];

__attribute__((constructor)) static void start(void)
{
	for (size_t i = 0; i < 32; i++) {
		kept[i] = malloc(i * 5000 + 10);
		if (kept[i] == NULL)
			_exit(30);
		memset(kept[i], (int)i, i * 5000 + 10);
	}
}

__attribute__((destructor)) static void end(void)
{
	static const char text[] = "edge: freed at the end\n";

	for (size_t i = 0; i < 32; i++) {
		unsigned char *p = calloc(1, 70000);

		if (p == NULL || p[69999] != 0 || kept[i][i * 5000 + 9] != (unsigned char)i)
			_exit(31);
		memset(p, 1, 70000);
		kept[i] = realloc(kept[i], 300000);
		free(kept[i]);
		free(p);
	}
	if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
		_exit(32);
}
