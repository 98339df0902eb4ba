# Programs that show the library at work; libweir(3) quotes them, and `make check` builds them. They see
# weir.h and libweir.so, as anybody's program does, and nothing else of the tree.

examples_flags = -D_GNU_SOURCE= -I$(srcdir)/include
examples_libweir = -L. -lweir
examples_rpath = -Wl,-rpath,'$(abs_top_builddir)'

EXTRA_PROGRAMS += examples/relay
CLEANFILES += examples/relay

examples_relay_SOURCES = \
	examples/relay.c \
	examples/relay.h \
	examples/relay_channel.c \
	examples/relay_client.c \
	examples/relay_http.c \
	examples/relay_report.c \
	examples/relay_source.c
examples_relay_CPPFLAGS = $(examples_flags)
examples_relay_LDADD = $(examples_libweir)
examples_relay_LDFLAGS = $(AM_LDFLAGS) $(examples_rpath)
EXTRA_examples_relay_DEPENDENCIES = libweir.so



.PHONY: examples
examples: examples/relay$(EXEEXT)
