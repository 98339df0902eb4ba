# Check programs, one per module: tests/unit/test_MODULE.c needs one line here.

tests_unit = \
	tests/unit/test_advice \
	tests/unit/test_apart \
	tests/unit/test_arena \
	tests/unit/test_clock \
	tests/unit/test_dump_file \
	tests/unit/test_dump_name \
	tests/unit/test_flow \
	tests/unit/test_lock \
	tests/unit/test_log \
	tests/unit/test_magazine \
	tests/unit/test_meminfo \
	tests/unit/test_modules \
	tests/unit/test_options \
	tests/unit/test_out \
	tests/unit/test_pool \
	tests/unit/test_pressure \
	tests/unit/test_proto \
	tests/unit/test_range \
	tests/unit/test_reclaim \
	tests/unit/test_rseq \
	tests/unit/test_runs \
	tests/unit/test_sites \
	tests/unit/test_sampler \
	tests/unit/test_samples \
	tests/unit/test_size_class \
	tests/unit/test_slab \
	tests/unit/test_stack \
	tests/unit/test_sys \
	tests/unit/test_tick \
	tests/unit/test_track \
	tests/unit/test_text \
	tests/unit/test_write_json \
	tests/unit/test_write_openmetrics \
	tests/unit/test_write_text

check_PROGRAMS += $(tests_unit)

# The fixtures are trees as /proc and /sys/fs/cgroup show them; one has a space in its name.
EXTRA_DIST += tests/common/engine.h tests/unit/facts.h tests/unit/run_suite.h tests/unit/fixtures

# What the JSON writer writes is read by another's parser.
tests_unit_test_write_json_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_write_json_LDADD = $(LDADD) $(JANSSON_LIBS)

# Parts of the command.
tests_unit_test_dump_file_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
tests_unit_test_proto_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
tests_unit_test_text_LDADD = libcli.a $(LDADD) $(CLI_LIBS)
# What is computed without libm is compared with libm.
tests_unit_test_sampler_LDADD = $(LDADD) -lm
tests_unit_test_samples_LDADD = $(LDADD) -lm
