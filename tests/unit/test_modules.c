/*
 * test_modules.c -- what is loaded where, against what the loader says itself.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_suite.h"
#include "track/modules.h"

/* Comes with libc, and no program is linked to it. */
#define PLUGIN "libBrokenLocale.so.1"
#define PLUGIN_SYMBOL "__ctype_get_mb_cur_max"

static unsigned gone_count, gone_module;

static void note_gone(unsigned module)
{
	gone_count++;
	gone_module = module;
}

static void setup(void)
{
	ck_assert(modules_start());
	ck_assert(modules_refresh(note_gone, NULL));
}

static void *open_plugin(uintptr_t *pc)
{
	void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);

	ck_assert_ptr_nonnull(plugin);
	*pc = (uintptr_t)dlsym(plugin, PLUGIN_SYMBOL);
	ck_assert_uint_ne(*pc, 0);
	return plugin;
}

START_TEST(code_is_found_in_the_module_that_the_loader_names)
{
	uintptr_t ours = (uintptr_t)&setup, libc = (uintptr_t)dlsym(RTLD_DEFAULT, "strtol");
	char exe[512] = "";
	Dl_info info;

	ck_assert_int_gt(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
	ck_assert_str_eq(modules_at(modules_find(ours))->path, exe);
	ck_assert_int_ne(dladdr((void *)libc, &info), 0);
	ck_assert_str_eq(modules_at(modules_find(libc))->path, info.dli_fname);
	ck_assert_uint_eq(modules_at(modules_find(libc))->bias, (uintptr_t)info.dli_fbase);
	/* Data and nothing are in no module's code. */
	ck_assert_uint_eq(modules_find((uintptr_t)&gone_count), MODULE_NONE);
	ck_assert_uint_eq(modules_find(0), MODULE_NONE);
	ck_assert_uint_eq(modules_find(UINTPTR_MAX), MODULE_NONE);
}
END_TEST

START_TEST(the_mapping_that_the_kernel_shows_agrees)
{
	const struct module *module = modules_at(modules_find((uintptr_t)&setup));
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned found = 0;
	char line[1024];

	while (fgets(line, sizeof(line), maps) != NULL) {
		unsigned long start, end, offset;
		char flags[8];

		if (sscanf(line, "%lx-%lx %7s %lx", &start, &end, flags, &offset) != 4 || flags[2] != 'x' ||
		    (uintptr_t)&setup < start || (uintptr_t)&setup >= end)
			continue;
		found++;
		ck_assert_uint_eq(module->start & ~4095ul, start);
		ck_assert_uint_eq(module->file_offset & ~4095ul, offset);
		ck_assert_uint_le(module->end, end);
	}
	fclose(maps);
	ck_assert_uint_eq(found, 1);
}
END_TEST

START_TEST(a_build_id_is_as_readelf_reads_it)
{
	const struct module *module = modules_at(modules_find((uintptr_t)&setup));
	char command[600], line[256] = "";
	FILE *pipe;

	snprintf(command, sizeof(command), "readelf -n '%s' | sed -n 's/.*Build ID: //p'", module->path);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	if (fgets(line, sizeof(line), pipe) != NULL)
		line[strcspn(line, "\n")] = '\0';
	pclose(pipe);
	ck_assert_str_eq(module->build_id, line);
}
END_TEST

START_TEST(a_refresh_finds_nothing_new_where_nothing_is)
{
	unsigned before = modules_count();

	ck_assert(!modules_refresh(note_gone, NULL));
	ck_assert_uint_eq(modules_count(), before);
	ck_assert_uint_eq(gone_count, 0);
}
END_TEST

START_TEST(an_unloaded_module_is_gone_and_keeps_what_it_was)
{
	uintptr_t pc;
	void *plugin = open_plugin(&pc);
	char build_id[sizeof(((struct module *)0)->build_id)];
	unsigned row;

	ck_assert_uint_eq(modules_find(pc), MODULE_NONE);
	ck_assert(modules_refresh(note_gone, NULL));
	row = modules_find(pc);
	ck_assert_uint_ne(row, MODULE_NONE);
	memcpy(build_id, modules_at(row)->build_id, sizeof(build_id));
	ck_assert_uint_gt(strlen(build_id), 0);

	ck_assert_int_eq(dlclose(plugin), 0);
	ck_assert(modules_refresh(note_gone, NULL));
	ck_assert_uint_eq(gone_count, 1);
	ck_assert_uint_eq(gone_module, row);
	ck_assert_uint_eq(modules_find(pc), MODULE_NONE);
	ck_assert_ptr_nonnull(strstr(modules_at(row)->path, PLUGIN));
	ck_assert_str_eq(modules_at(row)->build_id, build_id);
}
END_TEST

START_TEST(a_module_that_is_loaded_again_and_again_has_one_row)
{
	unsigned row = MODULE_NONE, count = 0;

	for (unsigned i = 0; i < 2 * MODULES_MAX; i++) {
		uintptr_t pc;
		void *plugin = open_plugin(&pc);

		modules_refresh(note_gone, NULL);
		if (i == 0) {
			row = modules_find(pc);
			count = modules_count();
		}
		ck_assert_uint_eq(modules_find(pc), row);
		ck_assert_int_eq(dlclose(plugin), 0);
		modules_refresh(note_gone, NULL);
	}
	ck_assert_uint_eq(modules_count(), count);
	ck_assert_uint_eq(gone_count, 2 * MODULES_MAX);
	ck_assert_uint_eq(modules_left_out(), 0);
}
END_TEST

static _Atomic bool is_in_callback, is_over;

static int stay(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)info, (void)size, (void)unused;
	is_in_callback = true;
	while (!is_over)
		usleep(1000);
	return 1;
}

static void *ask_the_loader(void *unused)
{
	dl_iterate_phdr(stay, NULL);
	return unused;
}

START_TEST(the_child_of_a_thread_beside_one_that_asks_does_not_wait_for_it)
{
	pthread_t thread;
	int status = -1;
	pid_t child;

	ck_assert_int_eq(pthread_create(&thread, NULL, ask_the_loader, NULL), 0);
	while (!is_in_callback)
		usleep(1000);
	modules_fork_prepare();
	child = fork();
	modules_fork_done(child == 0);
	if (child == 0) {
		alarm(5);
		/* What was known still is; what has changed is not. */
		_exit(modules_refresh(note_gone, NULL) && gone_count == 0 &&
			      modules_find((uintptr_t)&setup) != MODULE_NONE
			  ? 42
			  : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	is_over = true;
	pthread_join(thread, NULL);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status 0x%x", (unsigned)status);
	ck_assert(!modules_refresh(note_gone, NULL));
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, code_is_found_in_the_module_that_the_loader_names);
	tcase_add_test(tests, the_mapping_that_the_kernel_shows_agrees);
	tcase_add_test(tests, a_build_id_is_as_readelf_reads_it);
	tcase_add_test(tests, a_refresh_finds_nothing_new_where_nothing_is);
	tcase_add_test(tests, an_unloaded_module_is_gone_and_keeps_what_it_was);
	tcase_add_test(tests, a_module_that_is_loaded_again_and_again_has_one_row);
	tcase_add_test(tests, the_child_of_a_thread_beside_one_that_asks_does_not_wait_for_it);
}

int main(void)
{
	return run_suite("modules", add_tests);
}
