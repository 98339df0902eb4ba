noinst_LIBRARIES += libbase.a
libbase_a_CFLAGS = $(LAYER_CFLAGS)
libbase_a_SOURCES = \
	src/base/clock.h \
	src/base/compiler.h \
	src/base/log.h \
	src/base/meminfo.h \
	src/base/options.def \
	src/base/options.h \
	src/base/out.h
