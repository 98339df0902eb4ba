# The malloc family's contract, run on libc, on jemalloc and under Weir.

tests_contract = tests/contract/run.sh
EXTRA_DIST += $(tests_contract) tests/common/tap.sh

tests_common = tests/common/harness.c tests/common/harness.h tests/common/pattern.h

# -fno-builtin: the compiler must not reason about the calls that are tested.
check_PROGRAMS += tests/contract/contract tests/contract/operators
tests_contract_contract_SOURCES = $(tests_common) tests/contract/contract.h \
	tests/contract/align.c tests/contract/content.c tests/contract/contract.c \
	tests/contract/errors.c tests/contract/heap.c tests/contract/libc.c \
	tests/contract/limits.c tests/contract/realloc.c tests/contract/threads.c
tests_contract_contract_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE
tests_contract_contract_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_contract_contract_LDADD = -lpthread
tests_contract_operators_SOURCES = tests/contract/operators.cc
tests_contract_operators_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE
tests_contract_operators_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -fno-builtin
tests_contract_operators_LDADD = -lpthread
