# All of the command but main() is an archive, so that unit tests can link it.
noinst_LIBRARIES += libcli.a
libcli_a_CPPFLAGS = $(AM_CPPFLAGS) -DWEIR_LIBDIR='"$(libdir)"' $(CLI_CFLAGS)
libcli_a_SOURCES = \
	src/cli/ask.c \
	src/cli/ask.h \
	src/cli/ask_verbs.c \
	src/cli/cli.h \
	src/cli/dump_fields.def \
	src/cli/dump.c \
	src/cli/dump.h \
	src/cli/dump_file.c \
	src/cli/dump_file.h \
	src/cli/dump_parse.c \
	src/cli/dump_parse.h \
	src/cli/dump_reader.h \
	src/cli/dump_value.c \
	src/cli/elf_image.c \
	src/cli/elf_image.h \
	src/cli/generated.c \
	src/cli/generated.h \
	src/cli/html.c \
	src/cli/html.h \
	src/cli/html_charts.c \
	src/cli/html_flame.c \
	src/cli/fleet.c \
	src/cli/fleet.h \
	src/cli/judge.c \
	src/cli/judge.h \
	src/cli/knock.c \
	src/cli/knock.h \
	src/cli/list.c \
	src/cli/object.c \
	src/cli/object.h \
	src/cli/options_table.c \
	src/cli/perf_map.c \
	src/cli/perf_map.h \
	src/cli/perf_map_name.c \
	src/cli/perf_map_open.c \
	src/cli/proto.c \
	src/cli/proto.h \
	src/cli/report.c \
	src/cli/report.h \
	src/cli/report_diff.c \
	src/cli/report_folded.c \
	src/cli/report_html.c \
	src/cli/report_live.c \
	src/cli/report_openmetrics.c \
	src/cli/report_pprof.c \
	src/cli/report_site.c \
	src/cli/report_text.c \
	src/cli/report_verdict.c \
	src/cli/process.c \
	src/cli/process_find.c \
	src/cli/process.h \
	src/cli/run.c \
	src/cli/say.c \
	src/cli/symbols.c \
	src/cli/symbols.h \
	src/cli/target.c \
	src/cli/target.h \
	src/cli/target_explain.c \
	src/cli/target_memory.c \
	src/cli/target_parts.h \
	src/cli/target_pool.c \
	src/cli/target_symbol.c \
	src/cli/target_track.c \
	src/cli/text.c \
	src/cli/text.h \
	src/cli/top.c \
	src/cli/top.h \
	src/cli/top_data.c \
	src/cli/top_draw.c \
	src/cli/top_list.c \
	src/cli/top_once.c \
	src/cli/top_names.c \
	src/cli/top_process.c \
	src/cli/top_site.c \
	src/cli/top_sites.c \
	src/cli/top_views.c

bin_PROGRAMS += weir
weir_SOURCES = src/cli/main.c
weir_LDADD = libcli.a $(LAYERS) $(CLI_LIBS)
