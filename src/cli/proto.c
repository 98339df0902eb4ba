/*
 * proto.c -- Protocol Buffers' wire format, as much of it as a profile needs.
 *
 * Wire types 0 (a number of 7 bits a byte, low ones first) and 2 (a length and so
 * many bytes), as the encoding is specified at protobuf.dev. Messages are built inside
 * out: a message is written whole, then put into the one that holds it. Pure.
 */
#include "cli/proto.h"

#include <stdlib.h>
#include <string.h>

enum wire { NUMBER = 0, LENGTH = 2 };

void proto_free(struct proto *proto)
{
	free(proto->bytes);
	*proto = (struct proto){0};
}

static void append(struct proto *proto, const void *bytes, size_t length)
{
	if (proto->size - proto->used < length) {
		size_t size = MAX(2 * proto->size, proto->used + length + 64);
		unsigned char *grown = proto->has_failed ? NULL : realloc(proto->bytes, size);

		if (grown == NULL) {
			proto->has_failed = true;
			return;
		}
		proto->bytes = grown;
		proto->size = size;
	}
	if (length > 0)
		memcpy(proto->bytes + proto->used, bytes, length);
	proto->used += length;
}

static void varint(struct proto *proto, uint64_t value)
{
	unsigned char bytes[10];
	size_t length = 0;

	do {
		bytes[length] = (unsigned char)(value & 0x7F);
		value >>= 7;
		if (value != 0)
			bytes[length] |= 0x80;
		length++;
	} while (value != 0);
	append(proto, bytes, length);
}

static void tag(struct proto *proto, unsigned field, enum wire wire)
{
	varint(proto, (uint64_t)field << 3 | wire);
}

void proto_number(struct proto *proto, unsigned field, uint64_t value)
{
	if (value == 0)
		return;
	tag(proto, field, NUMBER);
	varint(proto, value);
}

void proto_bytes(struct proto *proto, unsigned field, const void *bytes, size_t length)
{
	tag(proto, field, LENGTH);
	varint(proto, length);
	append(proto, bytes, length);
}

void proto_message(struct proto *proto, unsigned field, struct proto *message)
{
	proto_bytes(proto, field, message->bytes, message->used);
	proto->has_failed |= message->has_failed;
	message->used = 0;
}

void proto_packed(struct proto *proto, unsigned field, const uint64_t *values, size_t count)
{
	struct proto packed = {0};

	for (size_t i = 0; i < count; i++)
		varint(&packed, values[i]);
	proto_message(proto, field, &packed);
	proto_free(&packed);
}
