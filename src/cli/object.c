/*
 * object.c -- finds libweir-preload.so and puts it into LD_PRELOAD.
 *
 * Called by run.c. What the user names explicitly is taken or refused, never
 * replaced by another that happens to lie around. Else the first existing of:
 * beside this executable, .libs beside it (a build tree), ../lib,
 * ../lib/MULTIARCH and ../lib64 from it (an installation, wherever it was moved
 * to), and the library directory that configure was told.
 */
#include "cli/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/elf_image.h"

#ifndef WEIR_LIBDIR
#error "the build has to say where libraries are installed: -DWEIR_LIBDIR=\"...\""
#endif

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#endif

/* What ends an entry of LD_PRELOAD, and what the loader would expand in one. */
#define ENTRY_ENDS " :"
#define NOT_IN_AN_ENTRY ENTRY_ENDS "$"

/* Relative to the directory of this executable; an absolute one stands for itself. */
static const char *const places[] = {
    OBJECT_NAME,
    ".libs/" OBJECT_NAME,
    "../lib/" OBJECT_NAME,
    "../lib/" MULTIARCH "/" OBJECT_NAME,
    "../lib64/" OBJECT_NAME,
    WEIR_LIBDIR "/" OBJECT_NAME,
};

static bool own_directory(char directory[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
	char *slash;

	if (length <= 0)
		return false;
	directory[length] = '\0';
	slash = strrchr(directory, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

static bool look_around(char path[PATH_MAX])
{
	char directory[PATH_MAX], place[2 * PATH_MAX];
	bool has_directory = own_directory(directory);

	for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
		if (places[i][0] == '/')
			snprintf(place, sizeof place, "%s", places[i]);
		else if (has_directory)
			snprintf(place, sizeof place, "%s/%s", directory, places[i]);
		else
			continue;
		if (realpath(place, path) != NULL)
			return true;
	}
	complain(
	    "%s is neither beside this program (%s) nor in %s; --object FILE or WEIR_OBJECT=FILE says where it is",
	    OBJECT_NAME, has_directory ? directory : "/proc is not there to say where that is", WEIR_LIBDIR);
	return false;
}

/* Would the loader of a program of this machine preload it? */
static bool is_loadable(const char *path)
{
	struct elf_facts facts;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		complain("%s cannot be read: %s", path, strerror(errno));
		return false;
	}
	elf_read(fd, &facts);
	close(fd);
	if (facts.kind == ELF_NATIVE && facts.is_shared && facts.interpreter[0] == '\0')
		return true;
	if (facts.kind == ELF_FOREIGN)
		complain("%s is built for another machine than this one", path);
	else if (facts.kind == ELF_DAMAGED)
		complain("%s is a damaged ELF file", path);
	else
		complain("%s is not a shared object", path);
	return false;
}

bool object_find(const char *asked_for, char path[PATH_MAX])
{
	const char *asked_by = "--object";

	if (asked_for == NULL) {
		asked_for = getenv("WEIR_OBJECT");
		asked_by = "WEIR_OBJECT";
		if (asked_for != NULL && asked_for[0] == '\0')
			asked_for = NULL;
	}
	if (asked_for == NULL) {
		if (!look_around(path))
			return false;
	} else if (realpath(asked_for, path) == NULL) {
		complain("%s names %s: %s", asked_by, asked_for, strerror(errno));
		return false;
	}
	if (strpbrk(path, NOT_IN_AN_ENTRY) != NULL) {
		complain("LD_PRELOAD cannot carry a path with a space, a colon or a dollar sign: %s", path);
		return false;
	}
	return is_loadable(path);
}

static bool is_weir(const char *entry, size_t length, const char *object)
{
	size_t name = strlen(OBJECT_NAME);

	if (length == strlen(object) && memcmp(entry, object, length) == 0)
		return true;
	return length >= name && memcmp(entry + length - name, OBJECT_NAME, name) == 0 &&
	       (length == name || entry[length - name - 1] == '/');
}

char *object_preload_value(const char *object, const char *existing)
{
	size_t used = strlen(object);
	char *value = malloc(used + 1 + (existing != NULL ? strlen(existing) + 1 : 0));

	if (value == NULL)
		return NULL;
	strcpy(value, object);
	while (existing != NULL && *(existing += strspn(existing, ENTRY_ENDS)) != '\0') {
		size_t length = strcspn(existing, ENTRY_ENDS);

		if (!is_weir(existing, length, object)) {
			value[used++] = ':';
			memcpy(value + used, existing, length);
			used += length;
			value[used] = '\0';
		}
		existing += length;
	}
	return value;
}
