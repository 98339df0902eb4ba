# The library. Its objects are an archive first, so that unit tests reach what is hidden; the
# shared object is all of the archive with the layers below, and shows weir.h only. Linked as
# the interposer is: a program with a soname, no libtool. No jemalloc: what the engine has no memory
# for comes from the process's own malloc.

noinst_LIBRARIES += libpools.a
libpools_a_CFLAGS = $(LAYER_CFLAGS)
libpools_a_SOURCES = \
	src/lib/batch.c \
	src/lib/batch.h \
	src/lib/batch_buffer.c \
	src/lib/batch_buffer.h \
	src/lib/batch_due.c \
	src/lib/batch_lock.c \
	src/lib/batch_lock.h \
	src/lib/batch_maintain.c \
	src/lib/batch_offer.c \
	src/lib/batch_pending.c \
	src/lib/batch_table.c \
	src/lib/buffer_pool.h \
	src/lib/buffers.c \
	src/lib/config.c \
	src/lib/config.h \
	src/lib/engine.c \
	src/lib/engine.h \
	src/lib/event.c \
	src/lib/figures.c \
	src/lib/leak.c \
	src/lib/monitor.c \
	src/lib/policy.c \
	src/lib/policy.h \
	src/lib/registry.c \
	src/lib/resize.c \
	src/lib/room.c \
	src/lib/room.h \
	src/lib/slots.c \
	src/lib/spread.c \
	src/lib/state.h \
	src/lib/upkeep.c

include_HEADERS = include/weir.h

# nodelete: the library's thread never ends.
libweirdir = $(libdir)
libweir_PROGRAMS = libweir.so.0
libweir_so_0_SOURCES =
libweir_so_0_LDFLAGS = $(AM_LDFLAGS) -shared -Wl,-soname,libweir.so.0 \
	$(NO_UNDEFINED) -Wl,-z,relro,-z,now,-z,nodelete \
	-Wl,--version-script=$(srcdir)/src/lib/libweir.map \
	-Wl,--whole-archive,libpools.a,--no-whole-archive
libweir_so_0_LDADD = $(LAYERS) -lpthread
EXTRA_libweir_so_0_DEPENDENCIES = libpools.a $(LAYERS) src/lib/libweir.map
EXTRA_DIST += src/lib/libweir.map src/lib/libweir-x86_64.abi src/lib/weir.pc.in

# What a release promises; tests/lint/library.sh compares with it.
.PHONY: update-abi
update-abi: libweir.so.0
	$(SHELL) $(srcdir)/scripts/abi.sh '$(abs_builddir)/libweir.so.0' \
		>$(srcdir)/src/lib/libweir-$(host_cpu).abi

# The name that -lweir looks for.
all-local: libweir.so
CLEANFILES += libweir.so weir.pc
libweir.so: libweir.so.0
	$(AM_V_at)rm -f $@ && $(LN_S) libweir.so.0 $@
install-exec-local: install-libweirPROGRAMS
	cd '$(DESTDIR)$(libdir)' && rm -f libweir.so && $(LN_S) libweir.so.0 libweir.so
uninstall-hook:
	rm -f '$(DESTDIR)$(libdir)/libweir.so'
	rmdir '$(DESTDIR)$(datadir)/weir' 2>/dev/null || :

pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = weir.pc
weir.pc: src/lib/weir.pc.in Makefile
	$(AM_V_GEN)sed -e 's|@PREFIX[@]|$(prefix)|' -e 's|@LIBDIR[@]|$(libdir)|' \
		-e 's|@INCLUDEDIR[@]|$(includedir)|' -e 's|@VERSION[@]|$(VERSION)|' \
		$(srcdir)/src/lib/weir.pc.in >$@.tmp && mv -f $@.tmp $@
