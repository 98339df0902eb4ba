# The benchmark: built by `make bench-cells`, never by `make` alone; run by bench/run.py, and by the tests
# for what it counts.
# Expects EXTRA_PROGRAMS, EXTRA_DIST and CLEANFILES to be set in Makefile.am.

EXTRA_PROGRAMS += bench/cells-tail
check_PROGRAMS += bench/cells
CLEANFILES += bench/cells-tail

bench_cells_SOURCES = \
	bench/bench.h \
	bench/cells.c \
	bench/measure.c \
	bench/cell_burst.c \
	bench/cell_churn.c \
	bench/cell_exchange.c \
	bench/cell_fixed.c \
	bench/cell_grow.c \
	bench/cell_workset.c
bench_cells_CFLAGS = $(AM_CFLAGS) -pthread
bench_cells_LDADD =

# The same sources with a clock around each malloc and free: p99.9 and the longest call.
bench_cells_tail_SOURCES = $(bench_cells_SOURCES)
bench_cells_tail_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_TAIL
bench_cells_tail_CFLAGS = $(AM_CFLAGS) -pthread
bench_cells_tail_LDADD =

EXTRA_DIST += bench/run.py bench/programs.py bench/pair_instructions.sh bench/RESULTS.md

.PHONY: bench-cells
bench-cells: bench/cells$(EXEEXT) bench/cells-tail$(EXEEXT)
