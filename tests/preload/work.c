/*
 * work.c -- see work.h.
 */
#include "tests/preload/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/common/pattern.h"

#define BUFFERS 48

struct buffer {
	unsigned char *p;
	size_t size;
	uint64_t seed;
};

static bool replace_one(struct buffer *buffer, uint64_t *state)
{
	uint64_t how = random_next(state) % 8;
	size_t size = random_size(state, 21);

	if (buffer->p != NULL &&
	    pattern_check(buffer->p, buffer->size, buffer->seed, PATTERN_SPARSE) != PATTERN_OK)
		return false;
	if (how == 0) {
		buffer->p = realloc(buffer->p, size);
	} else {
		free(buffer->p);
		if (how == 1)
			buffer->p = calloc(1, size);
		else if (how == 2)
			buffer->p = aligned_alloc(64, size);
		else
			buffer->p = malloc(size);
	}
	if (buffer->p == NULL)
		return false;
	buffer->size = size;
	buffer->seed = random_next(state);
	pattern_fill(buffer->p, size, buffer->seed, PATTERN_SPARSE);
	return true;
}

static void let_go(struct buffer *buffers)
{
	for (size_t i = 0; i < BUFFERS; i++)
		free(buffers[i].p);
}

bool work_some(uint64_t seed, unsigned replacements)
{
	struct buffer buffers[BUFFERS] = {{NULL, 0, 0}};
	bool is_well = true;

	for (unsigned i = 0; i < replacements && is_well; i++)
		is_well = replace_one(&buffers[random_next(&seed) % BUFFERS], &seed);
	let_go(buffers);
	return is_well;
}

void work_until(uint64_t seed, const volatile bool *stop, volatile unsigned long *progress)
{
	struct buffer buffers[BUFFERS] = {{NULL, 0, 0}};

	while (!*stop) {
		if (!replace_one(&buffers[random_next(&seed) % BUFFERS], &seed))
			abort();
		++*progress;
	}
	let_go(buffers);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool work_for_ms(uint64_t seed, unsigned ms)
{
	uint64_t end = now_ms() + ms;

	while (now_ms() < end)
		if (!work_some(seed++, 200))
			return false;
	return true;
}

void sleep_ms(unsigned ms)
{
	struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
		;
}

size_t dump_count(const char *part)
{
	const char *path = getenv("TEST_DUMPS");
	DIR *directory = path != NULL ? opendir(path) : NULL;
	struct dirent *entry;
	size_t count = 0;

	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.' && (part == NULL || strstr(entry->d_name, part) != NULL);
	closedir(directory);
	return count;
}

bool dump_wait(const char *part, size_t count)
{
	uint64_t end = now_ms() + 5000;

	while (dump_count(part) < count) {
		if (now_ms() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

long status_number(const char *field)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	char *at = strstr(text, field);

	return at != NULL ? strtol(at + strlen(field), NULL, 10) : -1;
}
