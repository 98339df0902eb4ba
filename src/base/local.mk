noinst_LIBRARIES += libbase.a
libbase_a_CFLAGS = $(LAYER_CFLAGS)
libbase_a_SOURCES = \
	src/base/clock.c \
	src/base/clock.h \
	src/base/compiler.h \
	src/base/io.c \
	src/base/io.h \
	src/base/lock.c \
	src/base/lock.h \
	src/base/locks.def \
	src/base/log.c \
	src/base/log.h \
	src/base/meminfo.c \
	src/base/meminfo.h \
	src/base/meminfo_find.c \
	src/base/meminfo_lines.c \
	src/base/meminfo_lines.h \
	src/base/option_value.c \
	src/base/option_value.h \
	src/base/options.c \
	src/base/options.def \
	src/base/options.h \
	src/base/out.c \
	src/base/out.h \
	src/base/rseq.c \
	src/base/rseq.h \
	src/base/single.h \
	src/base/sys.c \
	src/base/sys.h
