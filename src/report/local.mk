noinst_LIBRARIES += libreport.a
libreport_a_CFLAGS = $(LAYER_CFLAGS)
libreport_a_SOURCES = \
	src/report/snapshot.h
