# The benchmark: built by `make bench-cells`, never by `make` alone; run by bench/run.py, and by the tests
# for what it counts.
# Expects EXTRA_PROGRAMS, EXTRA_DIST and CLEANFILES to be set in Makefile.am.

EXTRA_PROGRAMS += bench/cells-tail
check_PROGRAMS += bench/cells bench/pressure
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
	bench/cell_idle.c \
	bench/cell_stream.c \
	bench/cell_workset.c
bench_cells_CFLAGS = $(AM_CFLAGS) -pthread
bench_cells_LDADD =

# The same sources with a clock around each malloc and free: p99.9 and the longest call.
bench_cells_tail_SOURCES = $(bench_cells_SOURCES)
bench_cells_tail_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_TAIL
bench_cells_tail_CFLAGS = $(AM_CFLAGS) -pthread
bench_cells_tail_LDADD =

# A pair of the library's, as a program links it.
EXTRA_PROGRAMS += bench/pool_pair
CLEANFILES += bench/pool_pair
bench_pool_pair_CPPFLAGS = -D_GNU_SOURCE= -I$(srcdir)/include
bench_pool_pair_CFLAGS = $(AM_CFLAGS) -pthread
bench_pool_pair_LDADD = -L. -lweir
bench_pool_pair_LDFLAGS = $(AM_LDFLAGS) -Wl,-rpath,'$(abs_top_builddir)'
EXTRA_bench_pool_pair_DEPENDENCIES = libweir.so

# Programs near a memory limit: bench/pressure.py runs them, and tests/programs/pressure.sh.
bench_pressure_CFLAGS = $(AM_CFLAGS) -pthread
bench_pressure_LDADD =

EXTRA_DIST += bench/run.py bench/programs.py bench/publish.py bench/charts.py bench/squeeze.py bench/pressure.py bench/dump_latency.py bench/pair_instructions.sh \
	bench/RESULTS.md bench/CELLS.md bench/results/cells.json bench/results/programs.json \
	bench/charts/speed-light.svg bench/charts/speed-dark.svg bench/charts/memory-light.svg \
	bench/charts/memory-dark.svg bench/charts/burst-light.svg bench/charts/burst-dark.svg

.PHONY: bench-cells
bench-cells: bench/cells$(EXEEXT) bench/pressure$(EXEEXT) bench/cells-tail$(EXEEXT) bench/pool_pair$(EXEEXT)

# Token batches: bench/batch, beside memcpy and a queue with a malloc for each.
EXTRA_PROGRAMS += bench/batch
CLEANFILES += bench/batch
bench_batch_SOURCES = bench/batch.c
bench_batch_CPPFLAGS = $(examples_flags)
bench_batch_CFLAGS = $(AM_CFLAGS) -pthread
bench_batch_LDFLAGS = $(AM_LDFLAGS) $(examples_rpath)
bench_batch_LDADD = $(examples_libweir)
EXTRA_bench_batch_DEPENDENCIES = libweir.so
EXTRA_DIST += bench/relay_soak.py

.PHONY: bench-batch
bench-batch: bench/batch$(EXEEXT)

# The leak corpus: `make bench-leak` builds what bench/leak/run.py starts.
leak_flags = -std=gnu11 -D_GNU_SOURCE
leak_injector_sources = bench/leak/injector.c bench/leak/injector_stack.c bench/leak/injector_table.c
EXTRA_PROGRAMS += bench/leak/shapes
CLEANFILES += bench/leak/shapes bench/leak/injector.so
bench_leak_shapes_SOURCES = bench/leak/shapes.c
bench_leak_shapes_LDADD = -lm
EXTRA_DIST += $(leak_injector_sources) bench/leak/inject.h \
	bench/leak/RESULTS.md bench/leak/evaluate.py bench/leak/load.py bench/leak/node_app.js bench/leak/process.py \
	bench/leak/programs.py bench/leak/python_app.py bench/leak/report.py bench/leak/run.py

bench/leak/injector.so: $(leak_injector_sources) bench/leak/inject.h
	$(AM_V_CCLD)$(MKDIR_P) bench/leak && $(CC) $(leak_flags) $(WARNING_CFLAGS) $(CFLAGS) -O2 -fPIC -shared \
		-fvisibility=hidden -fexceptions -fno-builtin -Wl,-z,now,-z,nodelete -o $@ \
		$(addprefix $(srcdir)/,$(leak_injector_sources))

.PHONY: bench-leak
bench-leak: bench/leak/shapes$(EXEEXT) bench/leak/injector.so

# Leak risk on simulated call sites: `make bench/leak/simulate`, and in short among the unit tests.
leak_simulator = \
	bench/leak/first_model.c \
	bench/leak/sim.h \
	bench/leak/sim_kinds.c \
	bench/leak/sim_run.c
EXTRA_PROGRAMS += bench/leak/simulate
CLEANFILES += bench/leak/simulate
bench_leak_simulate_SOURCES = bench/leak/simulate.c $(leak_simulator)
bench_leak_simulate_LDADD = libtrack.a libbase.a -lm
