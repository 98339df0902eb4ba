/*
 * leaker.c -- loses buffers in one function, passes many through another and keeps some from a
 * third, then asks for a dump: what a profile of it must say is known.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void lose_frame(void);
void pass_frame(size_t size);
void keep_table(void);

#define LOST_BYTES 200000
#define KEPT_BYTES 60000

static void *volatile kept[64];

__attribute__((noinline)) void lose_frame(void)
{
	void *volatile frame = malloc(LOST_BYTES);

	if (frame == NULL)
		abort();
	*(volatile char *)frame = 1;
}

__attribute__((noinline)) void pass_frame(size_t size)
{
	char *volatile frame = malloc(size);

	if (frame == NULL)
		abort();
	*frame = 1;
	free(frame);
}

__attribute__((noinline)) void keep_table(void)
{
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		kept[i] = malloc(KEPT_BYTES);
		if (kept[i] == NULL)
			abort();
	}
}

int main(void)
{
	keep_table();
	for (int i = 0; i < 500; i++) {
		lose_frame();
		for (size_t k = 0; k < 8; k++)
			pass_frame(100000 + k * 10000);
		usleep(2000);
	}
	return raise(SIGUSR1);
}
