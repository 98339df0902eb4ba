noinst_LIBRARIES += libtrack.a
libtrack_a_CFLAGS = $(LAYER_CFLAGS)
libtrack_a_SOURCES = \
	src/track/accrual.c \
	src/track/accrual.h \
	src/track/approx.c \
	src/track/approx.h \
	src/track/facts.c \
	src/track/facts.h \
	src/track/flat_tail.c \
	src/track/flat_tail.h \
	src/track/growth.c \
	src/track/growth.h \
	src/track/life_table.c \
	src/track/life_table.h \
	src/track/risk.c \
	src/track/risk.h \
	src/track/risk_process.c \
	src/track/risk_text.c \
	src/track/series.c \
	src/track/series.h
