/*
 * test_proto.c -- Protocol Buffers' wire format, byte by byte.
 */
#include <string.h>

#include "cli/proto.h"
#include "run_suite.h"

static void bytes_are(const struct proto *proto, const char *bytes, size_t length)
{
	ck_assert(!proto->has_failed);
	ck_assert_uint_eq(proto->used, length);
	if (length > 0)
		ck_assert_mem_eq(proto->bytes, bytes, length);
}

static const struct {
	uint64_t value;
	const char *bytes;
	size_t length;
} numbers[] = {
    {1, "\x08\x01", 2},
    {127, "\x08\x7f", 2},
    {128, "\x08\x80\x01", 3},
    {150, "\x08\x96\x01", 3}, /* the example of the format's own description */
    {UINT64_MAX, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
    {0, "", 0},
};

START_TEST(numbers_are_seven_bits_a_byte_and_zero_is_left_out)
{
	struct proto proto = {0};

	proto_number(&proto, 1, numbers[_i].value);
	bytes_are(&proto, numbers[_i].bytes, numbers[_i].length);
	proto_free(&proto);
}
END_TEST

START_TEST(texts_have_their_length_in_front)
{
	struct proto proto = {0};

	proto_bytes(&proto, 2, "testing", 7);
	proto_bytes(&proto, 6, "", 0);
	bytes_are(&proto, "\x12\x07testing\x32\x00", 11);
	proto_free(&proto);
}
END_TEST

START_TEST(a_message_within_is_emptied_for_the_next)
{
	struct proto proto = {0}, message = {0};

	proto_number(&message, 1, 150);
	proto_message(&proto, 3, &message);
	ck_assert_uint_eq(message.used, 0);
	proto_number(&message, 2, 5);
	proto_message(&proto, 3, &message);
	bytes_are(&proto, "\x1a\x03\x08\x96\x01\x1a\x02\x10\x05", 9);
	proto_free(&message);
	proto_free(&proto);
}
END_TEST

START_TEST(a_packed_field_keeps_its_zeros)
{
	struct proto proto = {0};
	const uint64_t values[] = {3, 270, 0, 86942};

	proto_packed(&proto, 4, values, 4);
	bytes_are(&proto, "\x22\x07\x03\x8e\x02\x00\x9e\xa7\x05", 9);
	proto_free(&proto);
}
END_TEST

START_TEST(field_numbers_past_15_take_two_bytes)
{
	struct proto proto = {0};

	proto_number(&proto, 16, 1);
	bytes_are(&proto, "\x80\x01\x01", 3);
	proto_free(&proto);
}
END_TEST

START_TEST(it_grows)
{
	struct proto proto = {0};
	char text[1000];

	memset(text, 'x', sizeof text);
	for (int i = 0; i < 1000; i++)
		proto_bytes(&proto, 1, text, sizeof text);
	ck_assert(!proto.has_failed);
	ck_assert_uint_eq(proto.used, 1000 * (sizeof text + 3));
	ck_assert_int_eq(proto.bytes[proto.used - 1], 'x');
	proto_free(&proto);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, numbers_are_seven_bits_a_byte_and_zero_is_left_out, 0,
	    (int)(sizeof numbers / sizeof *numbers));
	tcase_add_test(tests, texts_have_their_length_in_front);
	tcase_add_test(tests, a_message_within_is_emptied_for_the_next);
	tcase_add_test(tests, a_packed_field_keeps_its_zeros);
	tcase_add_test(tests, field_numbers_past_15_take_two_bytes);
	tcase_add_test(tests, it_grows);
}

int main(void)
{
	return run_suite("proto", add_tests);
}
