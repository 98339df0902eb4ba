/*
 * proto.h -- Protocol Buffers' wire format, as much of it as a profile needs.
 */
#ifndef WEIR_CLI_PROTO_H
#define WEIR_CLI_PROTO_H

#include "base/compiler.h"

/* Starts zeroed; ends with proto_free(). Once memory has run out, has_failed stays set and
 * the rest is dropped. */
struct proto {
	unsigned char *bytes;
	size_t used, size;
	bool has_failed;
};

void proto_free(struct proto *proto);

/* A field of type uint64, int64 or bool. As in proto3, 0 is not written. */
void proto_number(struct proto *proto, unsigned field, uint64_t value);
/* A field of type string or bytes; may be empty. */
void proto_bytes(struct proto *proto, unsigned field, const void *bytes, size_t length);
/* A repeated field of numbers, packed. */
void proto_packed(struct proto *proto, unsigned field, const uint64_t *values, size_t count);
/* An embedded message; message is emptied, so that the next one can be written into it. */
void proto_message(struct proto *proto, unsigned field, struct proto *message);

#endif
