/*
 * test_meminfo.c -- cgroups in every layout that is met, from small trees under fixtures/.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/meminfo.h"
#include "run_suite.h"

#define NONE UINT64_MAX

/* Those that this process has besides its own. */
#ifdef WEIR_TSAN
#define SANITIZER_THREADS 1
#else
#define SANITIZER_THREADS 0
#endif

static char root[400];
static struct meminfo_source source;
static struct meminfo info;
static struct meminfo_scratch scratch;

/* Automake says where the sources are; by hand it is the working directory. */
static void use(const char *name)
{
	const char *srcdir = getenv("srcdir");
	snprintf(root, sizeof(root), "%s/tests/unit/fixtures/%s", srcdir != NULL ? srcdir : ".", name);
	ck_assert_msg(access(root, R_OK) == 0, "%s is missing", root);
	meminfo_root = root;
	errno = EDOM;
	meminfo_find(&source, &scratch);
	meminfo_read(&source, &info, &scratch);
	ck_assert_int_eq(errno, EDOM);
}

static void done(void)
{
	meminfo_root = "";
}

static bool is_about(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static const struct {
	const char *name;
	int cgroup;
	const char *directory, *psi_directory;
	uint64_t limit, high, used;
	uint64_t fullest_used, fullest_limit;
} trees[] = {
    {"v2", CGROUP_V2, "/sys/fs/cgroup/app.slice/web.service", "/sys/fs/cgroup/app.slice/web.service", 2 * GIB,
	3 * GIB, 500 * MIB, 3700 * MIB, 4 * GIB},
    {"v2_container", CGROUP_V2, "/sys/fs/cgroup", "", 512 * MIB, 256 * MIB, 300 * MIB, 300 * MIB, 512 * MIB},
    {"v2_leaf", CGROUP_V2, "/sys/fs/cgroup/a/b", "", 64 * MIB, NONE, 20 * MIB, 20 * MIB, 64 * MIB},
    {"v2_outside", CGROUP_V2, "/sys/fs/cgroup/other", "", 64 * MIB, NONE, 2 * MIB, 2 * MIB, 64 * MIB},
    {"v2_escaped", CGROUP_V2, "/sys/fs/cgroup", "", 128 * MIB, NONE, 1 * MIB, 1 * MIB, 128 * MIB},
    {"v1_container", CGROUP_V1, "/sys/fs/cgroup/memory", "", 1 * GIB, NONE, 650 * MIB, 0, NONE},
    {"hybrid", CGROUP_V1, "/sys/fs/cgroup/memory/api/job1", "/sys/fs/cgroup/unified/api", 1 * GIB, 800 * MIB,
	500 * MIB, 500 * MIB, 1 * GIB},
    {"blank", CGROUP_V2, "/cg v2/x", "", 32 * MIB, NONE, 1 * MIB, 1 * MIB, 32 * MIB},
    {"bare", CGROUP_NONE, "", "", NONE, NONE, 0, 0, NONE},
    {"odd", CGROUP_V2, "/sys/fs/cgroup", "/sys/fs/cgroup", NONE, NONE, 0, 0, NONE},
};

START_TEST(the_cgroup_is_found_and_its_tightest_limit)
{
	use(trees[_i].name);
	ck_assert_int_eq((int)source.cgroup, trees[_i].cgroup);
	ck_assert_str_eq(source.directory, trees[_i].directory);
	ck_assert_str_eq(source.psi_directory, trees[_i].psi_directory);
	ck_assert_int_eq(info.has_cgroup, trees[_i].cgroup != CGROUP_NONE);
	ck_assert_uint_eq(info.cgroup_limit_bytes, trees[_i].limit);
	ck_assert_uint_eq(info.cgroup_high_bytes, trees[_i].high);
	ck_assert_uint_eq(info.cgroup_used_bytes, trees[_i].used);
	ck_assert_uint_eq(info.fullest_used_bytes, trees[_i].fullest_used);
	ck_assert_uint_eq(info.fullest_limit_bytes, trees[_i].fullest_limit);
	done();
}
END_TEST

START_TEST(the_systems_figures_are_read_in_bytes)
{
	use("bare");
	ck_assert_uint_eq(info.total_bytes, 16384000 * KIB);
	ck_assert_uint_eq(info.available_bytes, 8192000 * KIB);
	ck_assert_uint_eq(info.swap_free_bytes, 1 * GIB);
	done();
}
END_TEST

START_TEST(stall_times_are_the_cgroups_own_where_it_has_them)
{
	use("v2");
	ck_assert(info.has_psi);
	ck_assert(is_about(info.psi_some_avg10, 0.1234));
	ck_assert(is_about(info.psi_full_avg10, 0.0305));
	ck_assert_uint_eq(info.psi_some_total_us, 987654);
	use("hybrid");
	ck_assert(info.has_psi && is_about(info.psi_some_avg10, 0.075));
	done();
}
END_TEST

START_TEST(stall_times_are_the_systems_where_there_is_no_cgroup)
{
	use("bare");
	ck_assert(info.has_psi);
	ck_assert(is_about(info.psi_some_avg10, 1));
	ck_assert(is_about(info.psi_full_avg10, 0.9999));
	ck_assert_uint_eq(info.psi_some_total_us, 12345678901);
	use("v2_container");
	ck_assert(!info.has_psi);
	ck_assert(info.psi_some_avg10 == 0);
	done();
}
END_TEST

START_TEST(nonsense_counts_as_absent)
{
	use("odd");
	ck_assert_uint_eq(info.total_bytes, 0);
	ck_assert_uint_eq(info.available_bytes, 0);
	ck_assert_uint_eq(info.swap_free_bytes, 0);
	ck_assert(!info.has_psi);
	struct process_info process;
	ck_assert(!process_info_read(&process, &scratch));
	done();
}
END_TEST

START_TEST(no_proc_at_all_is_no_error)
{
	struct process_info process;
	meminfo_root = "/nonexistent";
	meminfo_find(&source, &scratch);
	meminfo_read(&source, &info, &scratch);
	ck_assert_int_eq((int)source.cgroup, CGROUP_NONE);
	ck_assert(!info.has_cgroup && !info.has_psi);
	ck_assert_uint_eq(info.total_bytes, 0);
	ck_assert_uint_eq(info.cgroup_limit_bytes, NONE);
	ck_assert(!process_info_read(&process, &scratch));
	done();
}
END_TEST

START_TEST(a_root_that_is_too_long_is_refused)
{
	static char endless[4096];
	memset(endless, '/', sizeof(endless) - 1);
	meminfo_root = endless;
	meminfo_find(&source, &scratch);
	meminfo_read(&source, &info, &scratch);
	ck_assert_uint_eq(info.total_bytes, 0);
	done();
}
END_TEST

START_TEST(a_program_name_with_brackets_does_not_shift_the_fields)
{
	struct process_info process;
	use("bare");
	ck_assert(process_info_read(&process, &scratch));
	ck_assert_uint_eq(process.minor_faults, 970);
	ck_assert_uint_eq(process.major_faults, 31);
	ck_assert_uint_eq(process.threads, 9);
	ck_assert_uint_eq(process.rss_bytes, 360 * (uint64_t)sysconf(_SC_PAGESIZE));
	done();
}
END_TEST

START_TEST(this_machine_has_memory_and_this_process_uses_some)
{
	/* The kernel counts RSS per CPU and sums it late, so a small process may seem empty. */
	static char touched[16 * 1024 * 1024];
	const char *emulator = getenv("TEST_EMULATOR");
	struct process_info process;
	memset(touched, 1, sizeof(touched));
	ck_assert_int_eq(*(volatile char *)&touched[sizeof(touched) / 2], 1);
	meminfo_find(&source, &scratch);
	meminfo_read(&source, &info, &scratch);
	ck_assert_uint_gt(info.total_bytes, 16 * MIB);
	ck_assert_uint_ge(info.total_bytes, info.available_bytes);
	ck_assert(process_info_read(&process, &scratch));
	/* qemu-user shows a /proc/self/stat of its own making, without these figures. */
	if (emulator != NULL && strstr(emulator, "qemu") != NULL)
		return;
	ck_assert_uint_gt(process.rss_bytes, sizeof(touched) / 2);
	ck_assert_uint_eq(process.threads, 1 + SANITIZER_THREADS);
	ck_assert_uint_gt(process.minor_faults, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, the_cgroup_is_found_and_its_tightest_limit, 0, ARRAY_LENGTH(trees));
	tcase_add_test(tests, the_systems_figures_are_read_in_bytes);
	tcase_add_test(tests, stall_times_are_the_cgroups_own_where_it_has_them);
	tcase_add_test(tests, stall_times_are_the_systems_where_there_is_no_cgroup);
	tcase_add_test(tests, nonsense_counts_as_absent);
	tcase_add_test(tests, no_proc_at_all_is_no_error);
	tcase_add_test(tests, a_root_that_is_too_long_is_refused);
	tcase_add_test(tests, a_program_name_with_brackets_does_not_shift_the_fields);
	tcase_add_test(tests, this_machine_has_memory_and_this_process_uses_some);
}

int main(void)
{
	return run_suite("meminfo", add_tests);
}
