# Hostile dumps for weir report. The suite runs the short form; ./dev fuzz the long one, under ASan.

tests_fuzz = tests/fuzz/run.sh
EXTRA_DIST += $(tests_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_dump
tests_fuzz_fuzz_dump_SOURCES = tests/fuzz/fuzz_dump.c tests/fuzz/mutate.c tests/fuzz/mutate.h
tests_fuzz_fuzz_dump_LDADD = libcli.a $(LAYERS) $(CLI_LIBS) -lpthread
