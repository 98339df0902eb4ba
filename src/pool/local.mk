noinst_LIBRARIES += libpool.a
libpool_a_CFLAGS = $(LAYER_CFLAGS)
libpool_a_SOURCES = \
	src/pool/pressure.h \
	src/pool/stats.h
