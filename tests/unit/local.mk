# Check programs, one per module: tests/unit/test_MODULE.c needs one line here.

tests_unit = \
	tests/unit/test_accrual \
	tests/unit/test_advice \
	tests/unit/test_apart \
	tests/unit/test_approx \
	tests/unit/test_arena \
	tests/unit/test_arenas \
	tests/unit/test_batch \
	tests/unit/test_batch_pool \
	tests/unit/test_batch_random \
	tests/unit/test_batch_stream \
	tests/unit/test_batch_threads \
	tests/unit/test_cfi \
	tests/unit/test_clock \
	tests/unit/test_demand \
	tests/unit/test_dump_file \
	tests/unit/test_dump_name \
	tests/unit/test_facts \
	tests/unit/test_flat_tail \
	tests/unit/test_flow \
	tests/unit/test_growth \
	tests/unit/test_habit \
	tests/unit/test_headroom \
	tests/unit/test_lease \
	tests/unit/test_life_table \
	tests/unit/test_limits \
	tests/unit/test_lock \
	tests/unit/test_log \
	tests/unit/test_magazine \
	tests/unit/test_magazine_budget \
	tests/unit/test_meminfo \
	tests/unit/test_modules \
	tests/unit/test_options \
	tests/unit/test_out \
	tests/unit/test_perf_map \
	tests/unit/test_pool \
	tests/unit/test_pressure \
	tests/unit/test_proto \
	tests/unit/test_purge \
	tests/unit/test_range \
	tests/unit/test_reclaim \
	tests/unit/test_returns \
	tests/unit/test_risk \
	tests/unit/test_risk_process \
	tests/unit/test_rseq \
	tests/unit/test_rules \
	tests/unit/test_runs \
	tests/unit/test_sampler \
	tests/unit/test_sampler_budget \
	tests/unit/test_samples \
	tests/unit/test_series \
	tests/unit/test_simulate \
	tests/unit/test_sites \
	tests/unit/test_size_class \
	tests/unit/test_slab \
	tests/unit/test_stack \
	tests/unit/test_stack_generated \
	tests/unit/test_stack_rules \
	tests/unit/test_sys \
	tests/unit/test_tick \
	tests/unit/test_track \
	tests/unit/test_text \
	tests/unit/test_write_json \
	tests/unit/test_write_openmetrics \
	tests/unit/test_write_text

# Of the library: what they link is below.
tests_unit_lib = \
	tests/unit/test_lib_buffers \
	tests/unit/test_lib_engine \
	tests/unit/test_lib_faults \
	tests/unit/test_lib_figures \
	tests/unit/test_lib_model \
	tests/unit/test_lib_policy \
	tests/unit/test_lib_spread \
	tests/unit/test_lib_threads \
	tests/unit/test_lib_upkeep

tests_unit += $(tests_unit_lib)
check_PROGRAMS += $(tests_unit)

# The fixtures are trees as /proc and /sys/fs/cgroup show them; one has a space in its name.
EXTRA_DIST += tests/common/engine.h tests/unit/facts.h tests/unit/frame_entry.h tests/unit/heap.h tests/unit/idle_thread.h \
	tests/unit/lib_pool.h tests/unit/run_suite.h tests/unit/sampling.h \
	tests/unit/site.h tests/unit/stack_calls.h tests/unit/fixtures

# What the JSON writer writes is read by another's parser.
tests_unit_test_write_json_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_write_json_LDADD = $(LDADD) $(JANSSON_LIBS)

tests_unit_test_lib_buffers_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_figures_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_lib_figures_LDADD = libpools.a $(LDADD) $(JANSSON_LIBS)
# What another thread takes while pages go back is taken within the call.
tests_unit_test_headroom_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=madvise
# Each mapping, madvise and allocation passes the test.
tests_unit_test_lib_faults_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_faults_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mmap,--wrap=mprotect,--wrap=madvise,--wrap=aligned_alloc
tests_unit_test_lib_model_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_policy_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_spread_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_engine_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_threads_LDADD = libpools.a $(LDADD)
tests_unit_test_lib_upkeep_LDADD = libpools.a $(LDADD)

# Token batches, on a pool that watches its user (tests/common/checked_pool.h), so not on ours.
EXTRA_DIST += tests/common/checked_pool.h tests/unit/batch_lanes.h
batch_test_LDADD = libpools.a $(LDADD)
tests_unit_test_batch_LDADD = $(batch_test_LDADD)
tests_unit_test_batch_stream_LDADD = $(batch_test_LDADD)
tests_unit_test_batch_threads_LDADD = $(batch_test_LDADD)
tests_unit_test_batch_random_LDADD = $(batch_test_LDADD)
tests_unit_test_batch_random_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=aligned_alloc
tests_unit_test_batch_pool_LDADD = $(batch_test_LDADD)
tests_unit_test_batch_pool_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mmap,--wrap=mprotect,--wrap=madvise,--wrap=malloc,--wrap=aligned_alloc

# Parts of the command.
tests_unit_test_dump_file_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
tests_unit_test_perf_map_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
tests_unit_test_proto_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
tests_unit_test_text_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
# What is computed without libm is compared with libm.
tests_unit_test_sampler_LDADD = $(LDADD) -lm
tests_unit_test_sampler_budget_LDADD = $(LDADD) -lm
tests_unit_test_samples_LDADD = $(LDADD) -lm

# The simulator of leaks, in its short form.
tests_unit_test_simulate_SOURCES = tests/unit/test_simulate.c $(leak_simulator)
