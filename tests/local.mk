# Every test speaks TAP. A suffix without a LOG_DRIVER of its own would be judged
# by its exit status alone, and "not ok" would pass: whoever adds a suffix to
# TEST_EXTENSIONS adds its driver here. tests/lint/harness.sh watches over it.

TEST_EXTENSIONS = .sh .py
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_DRIVER = $(TAP_DRIVER)
PY_LOG_DRIVER = $(TAP_DRIVER)

# A test that hangs is ended with all that it started; make TEST_TIMEOUT=60 check.
# EMULATOR is what a cross-compiled program is run by.
TEST_TIMEOUT = 600
LIMIT = bash $(top_srcdir)/tests/limit.sh $(TEST_TIMEOUT)
LOG_COMPILER = $(LIMIT) $(EMULATOR)
SH_LOG_COMPILER = $(LIMIT) bash
PY_LOG_COMPILER = $(LIMIT) python3

# What a test may rely on. Paths are absolute; a test's own files go to a
# directory of mktemp's. Check prints TAP and nothing else, and gives a test up only when
# it hangs, however busy the machine is.
if WITH_PRELOAD
TEST_OBJECT_IF_BUILT = TEST_OBJECT='$(abs_top_builddir)/libweir-preload.so'; export TEST_OBJECT;
else
TEST_OBJECT_IF_BUILT = unset TEST_OBJECT;
endif
AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; export CK_TAP_LOG_FILE_NAME; \
	CK_VERBOSITY=silent; export CK_VERBOSITY; \
	CK_TIMEOUT_MULTIPLIER="$${CK_TIMEOUT_MULTIPLIER:-5}"; export CK_TIMEOUT_MULTIPLIER; \
	LC_ALL=C.UTF-8; export LC_ALL; \
	abs_top_srcdir='$(abs_top_srcdir)'; export abs_top_srcdir; \
	abs_top_builddir='$(abs_top_builddir)'; export abs_top_builddir; \
	TEST_SOURCE_DIR='$(abs_top_srcdir)'; export TEST_SOURCE_DIR; \
	TEST_BUILD_DIR='$(abs_top_builddir)'; export TEST_BUILD_DIR; \
	$(TEST_OBJECT_IF_BUILT) \
	TEST_WEIR='$(abs_top_builddir)/weir'; export TEST_WEIR; \
	TEST_EMULATOR='$(EMULATOR)'; export TEST_EMULATOR; \
	TEST_CC='$(CC)'; export TEST_CC; \
	TEST_CXX='$(CXX)'; export TEST_CXX; \
	TEST_SANITIZERS='$(SANITIZER_FLAGS)'; export TEST_SANITIZERS;

# For programs that run on whatever malloc the loader gives them: "common/harness.h".
# The compiler may not know malloc by name, or it leaves calls out.
MALLOC_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
MALLOC_TEST_CFLAGS = $(AM_CFLAGS) -fno-builtin -pthread
MALLOC_TEST_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -fno-builtin -pthread

EXTRA_DIST += tests/installcheck.sh tests/limit.sh

if WITH_TESTS
include tests/unit/local.mk
include tests/cli/local.mk
include tests/fuzz/local.mk
include tests/contract/local.mk
include tests/preload/local.mk
include tests/lint/local.mk
include tests/stress/local.mk
include tests/leak/local.mk
include tests/programs/local.mk
include tests/examples/local.mk
include tests/sabotage/local.mk

TESTS += $(tests_unit) $(tests_fuzz)
if WITH_PRELOAD
TESTS += $(tests_cli) $(tests_contract) $(tests_preload)
endif
if LONG_TESTS
TESTS += $(tests_stress)
if WITH_PRELOAD
TESTS += $(tests_leak) $(tests_lint) $(tests_programs) $(tests_sabotage)
endif
endif
endif

# One suite: make check-unit. Suites that measure or load the machine run alone.
# check-sabotage may run beside another one in the same tree: its summary has a name of its own.
MOSTLYCLEANFILES += test-suite-sabotage.log
# The suites that every build runs make their own programs only.
check-unit:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_unit)' check_PROGRAMS='$(tests_unit)' check_DATA=
check-cli:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_cli)'
check-fuzz:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_fuzz)' check_PROGRAMS=tests/fuzz/fuzz_dump check_DATA=
check-contract:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_contract)'
check-preload:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_preload)'
check-lint:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_lint)'
check-stress:
	$(MAKE) $(AM_MAKEFLAGS) -j1 check TESTS='$(tests_stress)' check_PROGRAMS='$(stress_programs)' check_DATA=
check-leak:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(tests_leak)'
check-programs:
	$(MAKE) $(AM_MAKEFLAGS) -j1 check TESTS='$(tests_programs)'
check-sabotage:
	$(MAKE) $(AM_MAKEFLAGS) -j1 check TESTS='$(tests_sabotage)' TEST_SUITE_LOG=test-suite-sabotage.log
.PHONY: check-unit check-cli check-fuzz check-contract check-preload check-lint check-stress check-leak check-programs check-sabotage

if WITH_PRELOAD
if !CROSS_COMPILING
installcheck-local:
	DESTDIR='$(DESTDIR)' CC='$(CC)' CXX='$(CXX)' $(SHELL) $(srcdir)/tests/installcheck.sh \
		'$(DESTDIR)$(bindir)' '$(DESTDIR)$(libdir)' '$(srcdir)/examples/pool.c'
endif
endif
