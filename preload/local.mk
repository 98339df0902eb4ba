# The interposer: a module that is only ever preloaded, so no version, no archive
# and no libtool, but a program that is linked as a shared object.

if WITH_PRELOAD
preloaddir = $(libdir)
preload_PROGRAMS = libweir-preload.so
endif

libweir_preload_so_SOURCES = \
	preload/alloc.h \
	preload/bind.c \
	preload/bootstrap.c preload/bootstrap.h \
	preload/command.c preload/command.h \
	preload/cxx.c \
	preload/dlopen.c \
	preload/dump.c preload/dump.h \
	preload/elf_symbol.c preload/elf_symbol.h \
	preload/engine.c \
	preload/glibc.c \
	preload/keeper.c preload/keeper.h \
	preload/limit.c \
	preload/maintain.c preload/maintain.h \
	preload/malloc.c \
	preload/meet.c preload/meet.h \
	preload/metrics_file.c preload/metrics_file.h \
	preload/metrics_left.c preload/metrics_left.h \
	preload/misuse.c preload/misuse.h \
	preload/owner.c preload/owner.h \
	preload/preload.h \
	preload/quiet.c preload/quiet.h \
	preload/sample.c preload/sample.h \
	preload/signal.c \
	preload/start.c \
	preload/state.c preload/state.h \
	preload/thread.c \
	preload/vfork.c \
	preload/walk.c

# -fexceptions: operator new throws through our frames. -fno-builtin-*: gcc would
# make a call of calloc out of the malloc and memset within calloc.
libweir_preload_so_CFLAGS = $(LAYER_CFLAGS) -fexceptions \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free

# nodelete: a dlclose must not take malloc away.
libweir_preload_so_LDFLAGS = $(AM_LDFLAGS) -shared \
	-Wl,-soname,libweir-preload.so \
	-Wl,-z,defs,-z,relro,-z,now,-z,nodelete \
	-Wl,--version-script=$(srcdir)/preload/weir-preload.map $(ORDER_LDFLAGS)
libweir_preload_so_LDADD = $(LAYERS) $(JEMALLOC_NEEDED)
EXTRA_libweir_preload_so_DEPENDENCIES = preload/weir-preload.map preload/start.ld

EXTRA_DIST += preload/exports.expected preload/start.ld preload/weir-preload.map
