/*
 * early.c -- malloc before anybody is ready: in an IFUNC resolver (while this
 * program is relocated), in .preinit_array (before any library's constructor),
 * in a constructor of priority 101. What they made is checked and freed by main.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT 40
#define SIZE(i) ((size_t)(i) * (i)*331 + 1)

static unsigned char *early[3][COUNT];

static void make(unsigned who)
{
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned char *gone = calloc(1, SIZE(i));

		early[who][i] = malloc(SIZE(i) / 2 + 1);
		early[who][i] = realloc(early[who][i], SIZE(i));
		if (early[who][i] == NULL || gone == NULL || gone[SIZE(i) - 1] != 0)
			_exit(20 + (int)who);
		memset(early[who][i], (int)(who * 50 + i), SIZE(i));
		memset(gone, 0xff, SIZE(i));
		free(gone);
	}
}

static int answer(void)
{
	return 42;
}

__attribute__((used)) static int (*resolve(void))(void)
{
	make(0);
	return answer;
}

int resolved(void) __attribute__((ifunc("resolve")));

static void before_all(int argc, char **argv, char **environment)
{
	(void)argc;
	(void)argv;
	(void)environment;
	make(1);
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(
    int, char **, char **) = before_all;

__attribute__((constructor(101))) static void construct(void)
{
	make(2);
}

int main(void)
{
	if (resolved() != 42)
		return 1;
	for (unsigned who = 0; who < 3; who++)
		for (unsigned i = 0; i < COUNT; i++) {
			for (size_t k = 0; k < SIZE(i); k++)
				if (early[who][i] == NULL ||
				    early[who][i][k] != (unsigned char)(who * 50 + i)) {
					printf("place %u, buffer %u, byte %zu\n", who, i, k);
					return 2;
				}
			if (i % 2 == 0)
				early[who][i] = realloc(early[who][i], SIZE(i) + 5000);
			free(early[who][i]);
		}
	puts("early: all there");
	return 0;
}
