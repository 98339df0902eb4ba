# Many threads, long and hard. The programs work on any malloc; the script runs
# them under the preloaded object, and one of them on the pool alone.

tests_stress = tests/stress/run.sh
EXTRA_DIST += $(tests_stress) tests/stress/check_dumps.py

stress_programs = tests/stress/pool_stress tests/stress/pool_stress_linked tests/stress/signals
check_PROGRAMS += $(stress_programs)
tests_stress_pool_stress_SOURCES = tests/stress/pool_stress.c tests/common/pattern.h
tests_stress_pool_stress_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE
tests_stress_pool_stress_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_pool_stress_LDADD = -lpthread

# The same program with the pool linked in, so that every sanitizer sees it.
tests_stress_pool_stress_linked_SOURCES = $(tests_stress_pool_stress_SOURCES) \
	tests/stress/on_pool.c tests/stress/on_pool.h
tests_stress_pool_stress_linked_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_ON_POOL
tests_stress_pool_stress_linked_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_pool_stress_linked_LDADD = $(LAYERS) -lpthread

tests_stress_signals_SOURCES = tests/stress/signals.c tests/common/pattern.h
tests_stress_signals_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE
tests_stress_signals_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_signals_LDADD = -lpthread
