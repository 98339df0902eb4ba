# Programs that show the library at work; libweir(3) quotes them, and `make check` builds them. They see
# weir.h and libweir.so, as anybody's program does, and nothing else of the tree.

examples_flags = -D_GNU_SOURCE= -I$(srcdir)/include
examples_libweir = -L. -lweir
examples_rpath = -Wl,-rpath,'$(abs_top_builddir)'

EXTRA_PROGRAMS += examples/batch examples/pool examples/relay
CLEANFILES += examples/batch examples/pool examples/relay

examples_batch_CPPFLAGS = $(examples_flags)
examples_batch_LDADD = $(examples_libweir)
examples_batch_LDFLAGS = $(AM_LDFLAGS) $(examples_rpath)
EXTRA_examples_batch_DEPENDENCIES = libweir.so

examples_pool_CPPFLAGS = $(examples_flags)
examples_pool_LDADD = $(examples_libweir)
examples_pool_LDFLAGS = $(AM_LDFLAGS) $(examples_rpath)
EXTRA_examples_pool_DEPENDENCIES = libweir.so

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

check_DATA += examples/batch examples/pool examples/relay

.PHONY: examples
examples: examples/batch$(EXEEXT) examples/pool$(EXEEXT) examples/relay$(EXEEXT)
