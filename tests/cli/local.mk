# The command as its users call it, and its reading of ELF files.

tests_cli_scripts = \
	tests/cli/ask.sh \
	tests/cli/completion.sh \
	tests/cli/guest.py \
	tests/cli/perf_map.sh \
	tests/cli/read_cost.sh \
	tests/cli/refuse.sh \
	tests/cli/report.sh \
	tests/cli/report_live.sh \
	tests/cli/run.sh \
	tests/cli/top.sh \
	tests/cli/verbs.sh
tests_cli = $(tests_cli_scripts) tests/cli/test_elf_image
EXTRA_DIST += $(tests_cli_scripts) tests/cli/golden tests/cli/live.sh tests/cli/make_dump.py \
	tests/cli/report_program.c tests/cli/tap.sh

check_PROGRAMS += tests/cli/test_elf_image
tests_cli_test_elf_image_LDADD = libcli.a $(LDADD)

# A program to be looked at, and asked for things.
check_PROGRAMS += tests/cli/live
tests_cli_live_SOURCES = tests/cli/live.c
tests_cli_live_CPPFLAGS = -D_GNU_SOURCE
tests_cli_live_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_cli_live_LDADD = -lpthread

# A program that waits, and notices what interrupts it.
check_PROGRAMS += tests/cli/waits
tests_cli_waits_SOURCES = tests/cli/waits.c
tests_cli_waits_CPPFLAGS = -D_GNU_SOURCE
tests_cli_waits_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_cli_waits_LDADD = -ldl -lpthread
