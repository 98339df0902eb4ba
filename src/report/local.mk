noinst_LIBRARIES += libreport.a
libreport_a_CFLAGS = $(LAYER_CFLAGS)
libreport_a_SOURCES = \
	src/report/advice.c \
	src/report/dump_name.c \
	src/report/dump_name.h \
	src/report/metrics.c \
	src/report/metrics.h \
	src/report/snapshot.h \
	src/report/text.c \
	src/report/text.h \
	src/report/weir_engine.h \
	src/report/weir_state.h \
	src/report/write_json.c \
	src/report/write_openmetrics.c \
	src/report/write_text.c \
	src/report/write_text_track.c
