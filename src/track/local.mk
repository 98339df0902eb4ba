noinst_LIBRARIES += libtrack.a
libtrack_a_CFLAGS = $(LAYER_CFLAGS)
libtrack_a_SOURCES = \
	src/track/accrual.c \
	src/track/accrual.h \
	src/track/approx.c \
	src/track/approx.h \
	src/track/cfi.c \
	src/track/cfi.h \
	src/track/extent.h \
	src/track/frame_table.h \
	src/track/cold.c \
	src/track/cold.h \
	src/track/facts.c \
	src/track/facts.h \
	src/track/flat_tail.c \
	src/track/flat_tail.h \
	src/track/growth.c \
	src/track/growth.h \
	src/track/life_table.c \
	src/track/life_table.h \
	src/track/modules.c \
	src/track/modules.h \
	src/track/octaves.c \
	src/track/risk.c \
	src/track/risk.h \
	src/track/risk_process.c \
	src/track/risk_text.c \
	src/track/rules.c \
	src/track/rules.h \
	src/track/sampler.c \
	src/track/sampler.h \
	src/track/samples.c \
	src/track/samples.h \
	src/track/series.c \
	src/track/series.h \
	src/track/site_frames.c \
	src/track/sites.c \
	src/track/sites.h \
	src/track/stack.c \
	src/track/extent.c \
	src/track/frame_table.c \
	src/track/stack.h \
	src/track/tick.c \
	src/track/tick.h \
	src/track/track.c \
	src/track/track.h
