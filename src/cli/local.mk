# All of the command but main() is an archive, so that unit tests can link it.
noinst_LIBRARIES += libcli.a
libcli_a_CPPFLAGS = $(AM_CPPFLAGS) $(NCURSES_CFLAGS) -DWEIR_LIBDIR='"$(libdir)"'
libcli_a_SOURCES = \
	src/cli/ask.c \
	src/cli/ask.h \
	src/cli/ask_verbs.c \
	src/cli/cli.h \
	src/cli/elf.c \
	src/cli/elf.h \
	src/cli/fleet.c \
	src/cli/fleet.h \
	src/cli/judge.c \
	src/cli/judge.h \
	src/cli/list.c \
	src/cli/object.c \
	src/cli/object.h \
	src/cli/options_table.c \
	src/cli/process.c \
	src/cli/process.h \
	src/cli/run.c \
	src/cli/say.c \
	src/cli/target.c \
	src/cli/target.h

bin_PROGRAMS += weir
weir_SOURCES = src/cli/main.c
weir_LDADD = libcli.a $(LAYERS) $(NCURSES_LIBS)
