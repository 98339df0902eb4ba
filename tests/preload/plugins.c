/*
 * plugins.c -- a C program that loads libraries while it runs.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/common/harness.h"
#include "tests/preload/work.h"

static void *load(const char *name, int flags)
{
	char self[PATH_MAX], path[PATH_MAX + 100];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

	if (length <= 0)
		return NULL;
	self[length] = '\0';
	snprintf(path, sizeof path, "%s/%s", dirname(self), name);
	return dlopen(path, flags);
}

static void memory_crosses_the_border_of_an_RTLD_DEEPBIND_plugin(void)
{
	void *plugin = load("plugin_deep.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

	REQUIRE(plugin != NULL, "%s", dlerror());
	void *(*make)(size_t) = (void *(*)(size_t))dlsym(plugin, "deep_make");
	void (*release)(void *) = (void (*)(void *))dlsym(plugin, "deep_free");
	void *(*grow)(void *, size_t) = (void *(*)(void *, size_t))dlsym(plugin, "deep_grow");
	int (*use_libc)(void) = (int (*)(void))dlsym(plugin, "deep_use_libc");

	REQUIRE(make && release && grow && use_libc, "%s", dlerror());
	for (size_t size = 10; size < 4 * MIB; size = size * 5 / 2) {
		char *p = make(size), *q = malloc(size);

		REQUIRE(p != NULL && q != NULL && p[size - 1] == 7, "%zu bytes", size);
		memset(q, 8, size);
		p = realloc(p, size * 2);
		q = grow(q, size * 2);
		REQUIRE(p != NULL && q != NULL && p[size - 1] == 7 && q[size - 1] == 8, "%zu bytes", size);
		free(p);
		release(q);
		free(make(size));
		release(malloc(size));
	}
	EXPECT(use_libc() == 70000, "what libc allocates for the plugin");
	dlclose(plugin);
	EXPECT(work_some(1, 500), "afterwards");
}

static void a_cxx_plugin_of_a_C_program_comes_and_goes_200_times(void)
{
	long resident = 0;

	for (int i = 0; i < 200; i++) {
		void *plugin = load("plugin_cxx.so", RTLD_NOW | RTLD_LOCAL);

		REQUIRE(plugin != NULL, "round %d: %s", i, dlerror());
		int (*work)(int) = (int (*)(int))dlsym(plugin, "cxx_work");

		REQUIRE(work != NULL && work(i) == 0, "round %d", i);
		REQUIRE(dlclose(plugin) == 0, "round %d: %s", i, dlerror());
		if (i == 50)
			resident = status_number("VmRSS:");
	}
	EXPECT(status_number("VmRSS:") < resident + 8000, "from %ld KiB to %ld KiB", resident,
	    status_number("VmRSS:"));
}

/* libstdc++ comes into the process with the plugin, and would otherwise bring the operators. */
static void a_cxx_plugin_of_a_C_program_uses_the_operators_of_mallocs_object(void)
{
	void *plugin = load("plugin_cxx.so", RTLD_NOW | RTLD_LOCAL);
	Dl_info of_malloc, of_new;

	if (harness_is_under("libc")) {
		harness_skip("libc has no operators");
		return;
	}
	REQUIRE(plugin != NULL, "%s", dlerror());
	void *(*operator_new)(void) = (void *(*)(void))dlsym(plugin, "cxx_operator_new");

	REQUIRE(operator_new != NULL && dladdr(operator_new(), &of_new) &&
		    dladdr(dlsym(RTLD_DEFAULT, "malloc"), &of_malloc),
	    "%s", dlerror());
	EXPECT(strcmp(of_new.dli_fname, of_malloc.dli_fname) == 0,
	    "operator new comes from %s, malloc from %s", of_new.dli_fname, of_malloc.dli_fname);
	dlclose(plugin);
}

static void a_bare_name_is_found_through_the_RUNPATH_of_the_library_that_calls_dlopen(void)
{
	void *loader = load("loader.so", RTLD_NOW | RTLD_LOCAL);

	REQUIRE(loader != NULL, "%s", dlerror());
	void *(*open)(const char *, int) = (void *(*)(const char *, int))dlsym(loader, "loader_open");

	REQUIRE(open != NULL, "%s", dlerror());
	EXPECT(dlopen("leaf.so", RTLD_NOW) == NULL, "this program's own search has to miss it");
	dlerror();
	static const int flags[] = {RTLD_NOW, RTLD_LAZY | RTLD_GLOBAL, RTLD_NOW | RTLD_DEEPBIND};

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		void *leaf = open("leaf.so", flags[i]);

		REQUIRE(leaf != NULL, "flags %#x: %s", (unsigned)flags[i], dlerror());
		int (*number)(void) = (int (*)(void))dlsym(leaf, "leaf_number");

		EXPECT(number != NULL && number() == 4711, "flags %#x", (unsigned)flags[i]);
		EXPECT(dlclose(leaf) == 0, "flags %#x: %s", (unsigned)flags[i], dlerror());
	}
	dlclose(loader);
}

static void dlopen_of_nothing_is_the_program_and_NOLOAD_loads_nothing(void)
{
	void *self = dlopen(NULL, RTLD_NOW), *deep = dlopen(NULL, RTLD_NOW | RTLD_DEEPBIND);

	EXPECT(self != NULL && self == deep, "%p and %p", self, deep);
	EXPECT(dlsym(self, "malloc") == dlsym(RTLD_DEFAULT, "malloc"), "its malloc is everybody's");
	EXPECT(load("plugin_deep.so", RTLD_NOW | RTLD_NOLOAD) == NULL, "it was not loaded yet");
	EXPECT(load("plugin_deep.so", RTLD_NOW | RTLD_NOLOAD | RTLD_DEEPBIND) == NULL,
	    "nor with the other flag");
	dlerror();
	void *plugin = load("plugin_deep.so", RTLD_NOW);

	REQUIRE(plugin != NULL, "%s", dlerror());
	EXPECT(load("plugin_deep.so", RTLD_NOW | RTLD_NOLOAD) == plugin, "and now it is");
	EXPECT(dlopen("/nowhere/at.all", RTLD_NOW) == NULL && dlerror() != NULL, "an error is told");
	dlclose(plugin);
	dlclose(plugin);
}

static const struct test tests[] = {
    {"a_bare_name_is_found_through_the_RUNPATH_of_the_library_that_calls_dlopen",
	a_bare_name_is_found_through_the_RUNPATH_of_the_library_that_calls_dlopen, 0},
    {"dlopen_of_nothing_is_the_program_and_NOLOAD_loads_nothing",
	dlopen_of_nothing_is_the_program_and_NOLOAD_loads_nothing, 0},
    {"memory_crosses_the_border_of_an_RTLD_DEEPBIND_plugin",
	memory_crosses_the_border_of_an_RTLD_DEEPBIND_plugin, TEST_GLIBC},
    {"a_cxx_plugin_of_a_C_program_comes_and_goes_200_times",
	a_cxx_plugin_of_a_C_program_comes_and_goes_200_times, 0},
    {"a_cxx_plugin_of_a_C_program_uses_the_operators_of_mallocs_object",
	a_cxx_plugin_of_a_C_program_uses_the_operators_of_mallocs_object, 0},
};

int main(int argc, char **argv)
{
	const struct suite suites[] = {SUITE(tests)};

	return harness_run(argc, argv, suites, 1);
}
