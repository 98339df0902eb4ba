/*
 * heap.c -- glibc's questions about the heap, answered for all of it.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/contract/contract.h"

#define COUNT 64

/* In bytes; arena chunks and mmapped ones together. */
static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static bool take(void **p, size_t size)
{
	for (size_t i = 0; i < COUNT; i++) {
		p[i] = malloc(size);
		if (!EXPECT(p[i] != NULL, "malloc(%zu)", size))
			return false;
		memset(p[i], 1, size);
	}
	return true;
}

static void give(void **p)
{
	for (size_t i = 0; i < COUNT; i++)
		free(p[i]);
}

static void uordblks_follows_64_buffers_of_64_KiB(void)
{
	void *p[COUNT];
	size_t before = mallinfo2().uordblks;

	REQUIRE(take(p, 64 * KIB), "64 KiB");
	struct mallinfo2 live = mallinfo2();

	/* Less one: an allocator may count what a thread's cache holds as in use. */
	EXPECT(live.uordblks >= before + 4 * MIB - 64 * KIB, "from %zu to %zu", before, live.uordblks);
	EXPECT(live.arena >= live.uordblks, "arena %zu holds uordblks %zu", live.arena, live.uordblks);
	give(p);
	size_t after = mallinfo2().uordblks;

	EXPECT(after + 3 * MIB <= live.uordblks, "from %zu to %zu when all are free", live.uordblks, after);
}

static void mallinfo2_counts_every_size(void)
{
	static const size_t sizes[] = {2 * KIB, 5 * KIB, 20 * KIB, 200 * KIB, MIB, 3 * MIB};

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		void *p[COUNT];
		size_t before = in_use();

		REQUIRE(take(p, sizes[i]), "%zu", sizes[i]);
		size_t live = in_use();

		EXPECT(live >= before + COUNT * sizes[i] / 8 * 7, "%zu bytes: from %zu to %zu", sizes[i],
		    before, live);
		EXPECT(live <= before + COUNT * sizes[i] * 2 + MIB, "%zu bytes: from %zu to %zu", sizes[i],
		    before, live);
		give(p);
		size_t after = in_use();

		EXPECT(after + COUNT * sizes[i] / 2 <= live, "%zu bytes: from %zu to %zu when all are free",
		    sizes[i], live, after);
	}
}

static void mallinfo_answers_as_mallinfo2_does(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	void *p[COUNT];
	struct mallinfo before = mallinfo();

	REQUIRE(take(p, 64 * KIB), "64 KiB");
	struct mallinfo live = mallinfo();

	EXPECT(
	    live.uordblks - before.uordblks >= 63 * 65536, "from %d to %d", before.uordblks, live.uordblks);
	give(p);
#pragma GCC diagnostic pop
}

/* Is the text one well-formed element? Says where it is not. Elements,
 * attributes in quotes, self-closing tags and declarations: what malloc_info writes. */
static bool is_well_formed(const char *text)
{
	char stack[32][32];
	size_t depth = 0, roots = 0;

	for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
		const char *end = strchr(at, '>');
		bool is_end = at[1] == '/', is_empty;
		char name[32] = "";
		unsigned quotes = 0;

		if (!EXPECT(end != NULL, "a tag without end: %.40s", at))
			return false;
		for (const char *c = at; c < end; c++)
			quotes += *c == '"';
		if (!EXPECT(quotes % 2 == 0 && memchr(at + 1, '<', (size_t)(end - at - 1)) == NULL,
			"in %.40s", at))
			return false;
		if (at[1] == '?' || at[1] == '!')
			continue;
		is_empty = end[-1] == '/';
		if (!EXPECT(sscanf(at + 1 + is_end, "%31[A-Za-z0-9_:-]", name) == 1, "no name in %.40s", at))
			return false;
		if (is_end) {
			if (!EXPECT(depth > 0 && strcmp(stack[depth - 1], name) == 0, "</%s> closes <%s>",
				name, depth > 0 ? stack[depth - 1] : "nothing"))
				return false;
			depth--;
		} else if (!is_empty) {
			roots += depth == 0;
			if (!EXPECT(depth < ARRAY_LENGTH(stack), "too deep"))
				return false;
			strcpy(stack[depth++], name);
		}
	}
	return EXPECT(depth == 0 && roots == 1, "%zu elements are open, %zu roots", depth, roots);
}

static void malloc_info_writes_well_formed_XML(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	void *p[COUNT];

	REQUIRE(stream != NULL && take(p, 64 * KIB), "errno %d", errno);
	EXPECT(malloc_info(0, stream) == 0, "errno %d", errno);
	fclose(stream);
	give(p);
	REQUIRE(size > 100, "%zu bytes", size);
	if (!is_well_formed(text))
		EXPECT(false, "%.300s", text);
	EXPECT(strstr(text, "<malloc version=\"1\"") != NULL, "%.100s", text);
	free(text);
}

static void malloc_info_refuses_options(void)
{
	errno = 0;
	int result = malloc_info(1, stdout);

	/* The manual says -1 and errno; glibc returns EINVAL itself. */
	EXPECT(result == EINVAL || (result == -1 && errno == EINVAL), "%d, errno %d", result, errno);
}

static void malloc_stats_writes_to_stderr(void)
{
	struct stat written;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);

	REQUIRE(file != NULL && saved >= 0, "errno %d", errno);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	malloc_stats();
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	REQUIRE(fstat(fileno(file), &written) == 0, "errno %d", errno);
	EXPECT(written.st_size > 20, "%lld bytes", (long long)written.st_size);
	fclose(file);
}

static size_t resident_bytes(void)
{
	unsigned long total, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%lu %lu", &total, &resident) != 2)
		resident = 0;
	if (file != NULL)
		fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void malloc_trim_gives_idle_memory_back(void)
{
	enum { BUFFERS = 1000 };
	static void *p[BUFFERS];

	malloc_trim(0);
	size_t before = resident_bytes();

	for (size_t i = 0; i < BUFFERS; i++) {
		p[i] = malloc(64 * KIB);
		REQUIRE(p[i] != NULL, "buffer %zu", i);
		memset(p[i], 1, 64 * KIB);
	}
	for (size_t i = 0; i < BUFFERS; i++)
		free(p[i]);
	/* glibc may have given most of it back by itself; none may keep it now. */
	int released = malloc_trim(0);
	size_t after = resident_bytes();

	EXPECT(released == 0 || released == 1, "%d", released);
	EXPECT(after < before + 16 * MIB, "%zu bytes were resident, %zu after 62 MiB came and went", before,
	    after);
	EXPECT(malloc_trim(0) <= 1, "a second call");
	void *again = malloc(64 * KIB);

	REQUIRE(again != NULL, "malloc after malloc_trim");
	memset(again, 1, 64 * KIB);
	free(again);
}

static void mallopt_takes_the_known_parameters(void)
{
	EXPECT(mallopt(M_TRIM_THRESHOLD, 128 * 1024) == 1, "M_TRIM_THRESHOLD");
	EXPECT(mallopt(M_TOP_PAD, 64 * 1024) == 1, "M_TOP_PAD");
	EXPECT(mallopt(M_MMAP_THRESHOLD, 1024 * 1024) == 1, "M_MMAP_THRESHOLD");
	EXPECT(mallopt(M_MMAP_MAX, 65536) == 1, "M_MMAP_MAX");
	EXPECT(mallopt(M_ARENA_MAX, 4) == 1, "M_ARENA_MAX");
	EXPECT(mallopt(M_MXFAST, 64) == 1, "M_MXFAST");
	EXPECT(mallopt(M_MXFAST, 1 << 20) == 0, "M_MXFAST of 1 MiB is refused");
	void *p = malloc(200 * KIB);

	REQUIRE(p != NULL, "malloc after mallopt");
	memset(p, 1, 200 * KIB);
	free(p);
}

static const struct test tests[] = {
    {"uordblks_follows_64_buffers_of_64_KiB", uordblks_follows_64_buffers_of_64_KiB, TEST_GLIBC},
    {"mallinfo2_counts_every_size", mallinfo2_counts_every_size, TEST_GLIBC},
    {"mallinfo_answers_as_mallinfo2_does", mallinfo_answers_as_mallinfo2_does, TEST_GLIBC},
    {"malloc_info_writes_well_formed_XML", malloc_info_writes_well_formed_XML, 0},
    {"malloc_info_refuses_options", malloc_info_refuses_options, 0},
    {"malloc_stats_writes_to_stderr", malloc_stats_writes_to_stderr, 0},
    {"malloc_trim_gives_idle_memory_back", malloc_trim_gives_idle_memory_back, TEST_GLIBC},
    {"mallopt_takes_the_known_parameters", mallopt_takes_the_known_parameters, TEST_CHILD},
};
const struct suite heap_suite = SUITE(tests);
