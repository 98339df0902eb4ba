/*
 * libc.c -- functions of libc that hand out memory which the program frees.
 * A libc that allocated by its own malloc would hand free a stranger.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "tests/contract/contract.h"

static void strdup_and_strndup_can_be_freed_and_grown(void)
{
	for (size_t i = 0; i < contract_size_count && contract_sizes[i] <= 4 * MIB; i++) {
		size_t size = contract_sizes[i];
		char *text = malloc(size + 1);

		REQUIRE(text != NULL, "malloc(%zu)", size + 1);
		memset(text, 'x', size);
		text[size] = '\0';
		char *copy = strdup(text), *part = strndup(text, size / 2);

		REQUIRE(copy != NULL && strcmp(copy, text) == 0, "strdup of %zu", size);
		REQUIRE(part != NULL && strlen(part) == size / 2, "strndup of %zu", size);
		copy = realloc(copy, size * 2 + 10);
		REQUIRE(copy != NULL && strncmp(copy, text, size) == 0, "realloc of strdup of %zu", size);
		free(copy);
		free(part);
		free(text);
	}
	wchar_t *wide = wcsdup(L"weir");

	EXPECT(wide != NULL && wcscmp(wide, L"weir") == 0, "wcsdup");
	free(wide);
}

static void getline_grows_a_buffer_of_ours(void)
{
	FILE *file = tmpfile();
	size_t size = 10;
	char *line = malloc(size);

	REQUIRE(file != NULL && line != NULL, "errno %d", errno);
	for (size_t i = 0; i < contract_size_count && contract_sizes[i] <= 4 * MIB; i++) {
		for (size_t k = 0; k < contract_sizes[i]; k++)
			putc('a' + (int)(i % 26), file);
		putc('\n', file);
	}
	rewind(file);
	for (size_t i = 0; i < contract_size_count && contract_sizes[i] <= 4 * MIB; i++) {
		ssize_t got = getline(&line, &size, file);

		REQUIRE(got == (ssize_t)contract_sizes[i] + 1, "%zd of %zu", got, contract_sizes[i] + 1);
		REQUIRE(line[0] == 'a' + (int)(i % 26) && line[got - 2] == line[0], "line %zu", i);
		EXPECT(malloc_usable_size(line) >= size, "getline says %zu, usable are %zu", size,
		    malloc_usable_size(line));
	}
	fclose(file);
	free(line);
}

static void asprintf_can_be_freed(void)
{
	for (int width = 1; width < 3000000; width = width * 5 + 1) {
		char *text = NULL;
		int got = asprintf(&text, "%*d", width, 7);

		REQUIRE(got == width && text != NULL && text[width - 1] == '7', "width %d", width);
		free(text);
	}
}

static void open_memstream_can_be_freed(void)
{
	for (size_t target = 1; target < 3 * MIB; target = target * 7 + 1) {
		char *text = NULL;
		size_t size = 0;
		FILE *file = open_memstream(&text, &size);

		REQUIRE(file != NULL, "errno %d", errno);
		for (size_t i = 0; i < target; i++)
			putc('z', file);
		fclose(file);
		REQUIRE(
		    size == target && text != NULL && text[target - 1] == 'z', "%zu of %zu", size, target);
		text = realloc(text, size + 5000);
		REQUIRE(text != NULL && text[target - 1] == 'z', "realloc");
		free(text);
	}
}

static void directories_and_paths_can_be_freed(void)
{
	struct dirent **names = NULL;
	DIR *directory = opendir("/proc/self");
	int entries = 0;

	REQUIRE(directory != NULL, "errno %d", errno);
	while (readdir(directory) != NULL)
		entries++;
	EXPECT(entries > 10, "%d", entries);
	EXPECT(closedir(directory) == 0, "errno %d", errno);

	int count = scandir("/proc/self", &names, NULL, alphasort);

	REQUIRE(count > 10, "%d", count);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);

	char *path = realpath("/proc/self/../self/exe", NULL), *here = getcwd(NULL, 0);

	EXPECT(path != NULL && path[0] == '/', "realpath: errno %d", errno);
	EXPECT(here != NULL && here[0] == '/', "getcwd: errno %d", errno);
	free(path);
	free(here);
}

static void streams_use_buffers_of_ours(void)
{
	for (int i = 0; i < 300; i++) {
		FILE *file = fopen("/proc/self/maps", "r");
		char line[600];

		REQUIRE(
		    file != NULL && fgets(line, sizeof line, file) != NULL, "round %d: errno %d", i, errno);
		fclose(file);
	}
	char *value = malloc(100);

	strcpy(value, "CONTRACT_VALUE=1");
	EXPECT(putenv(value) == 0 && getenv("CONTRACT_VALUE") != NULL, "putenv");
	EXPECT(setenv("CONTRACT_VALUE", "2", 1) == 0 && strcmp(getenv("CONTRACT_VALUE"), "2") == 0, "setenv");
	unsetenv("CONTRACT_VALUE");
	free(value);
}

static const struct test tests[] = {
    {"strdup_and_strndup_can_be_freed_and_grown", strdup_and_strndup_can_be_freed_and_grown, 0},
    {"getline_grows_a_buffer_of_ours", getline_grows_a_buffer_of_ours, 0},
    {"asprintf_can_be_freed", asprintf_can_be_freed, 0},
    {"open_memstream_can_be_freed", open_memstream_can_be_freed, 0},
    {"directories_and_paths_can_be_freed", directories_and_paths_can_be_freed, 0},
    {"streams_use_buffers_of_ours", streams_use_buffers_of_ours, 0},
};
const struct suite libc_suite = SUITE(tests);
