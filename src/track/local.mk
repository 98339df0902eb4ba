noinst_LIBRARIES += libtrack.a
libtrack_a_CFLAGS = $(LAYER_CFLAGS)
libtrack_a_SOURCES = \
	src/track/approx.c \
	src/track/approx.h \
	src/track/facts.c \
	src/track/facts.h \
	src/track/life_table.c \
	src/track/life_table.h \
	src/track/risk.c \
	src/track/risk.h \
	src/track/series.c \
	src/track/series.h
