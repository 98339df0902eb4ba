/*
 * report_program.c -- what the tests of weir report find functions in: one that is inlined, one that
 * is static, and an allocation function that only hands on.
 */
#include <stdlib.h>

void *xmalloc(size_t size);
int relay_serve(int count);

static void *kept[16];

__attribute__((noinline)) void *xmalloc(size_t size)
{
	void *p = malloc(size);

	if (p == NULL)
		abort();
	return p;
}

static inline __attribute__((always_inline)) void push_inlined(int i)
{
	kept[i % 16] = xmalloc((size_t)i * 100);
}

static __attribute__((noinline)) int relay_push(int i)
{
	push_inlined(i);
	return kept[0] != NULL;
}

__attribute__((noinline)) int relay_serve(int count)
{
	int sum = 0;

	for (int i = 0; i < count; i++)
		sum += relay_push(i);
	return sum;
}

int main(int argc, char **argv)
{
	(void)argv;
	return relay_serve(argc) > 100;
}
