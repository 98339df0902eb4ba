# All of the command but main() is an archive, so that unit tests can link it.
noinst_LIBRARIES += libcli.a
libcli_a_CPPFLAGS = $(AM_CPPFLAGS) -DWEIR_LIBDIR='"$(libdir)"' $(CLI_CFLAGS)
libcli_a_SOURCES = \
	src/cli/cli.h \
	src/cli/dump_fields.def \
	src/cli/dump_file.c \
	src/cli/dump_file.h \
	src/cli/dump_parse.c \
	src/cli/dump_reader.h \
	src/cli/dump_value.c \
	src/cli/elf.c \
	src/cli/elf.h \
	src/cli/html.h \
	src/cli/html_charts.c \
	src/cli/html_flame.c \
	src/cli/judge.c \
	src/cli/judge.h \
	src/cli/object.c \
	src/cli/object.h \
	src/cli/options_table.c \
	src/cli/proto.c \
	src/cli/proto.h \
	src/cli/report.c \
	src/cli/report.h \
	src/cli/report_diff.c \
	src/cli/report_folded.c \
	src/cli/report_html.c \
	src/cli/report_pprof.c \
	src/cli/report_site.c \
	src/cli/report_text.c \
	src/cli/report_verdict.c \
	src/cli/run.c \
	src/cli/symbols.c \
	src/cli/symbols.h \
	src/cli/text.c \
	src/cli/text.h

bin_PROGRAMS += weir
weir_SOURCES = src/cli/main.c
weir_LDADD = libcli.a libbase.a $(CLI_LIBS)
