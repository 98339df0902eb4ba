/*
 * mutate.c -- damaged JSON from good JSON.
 *
 * Knows just enough of JSON to find where its tokens begin and end, so that most
 * mutants are JSON still and get past the parser to what lies behind it. Allocates
 * nothing; deterministic.
 */
#include "tests/fuzz/mutate.h"

#include <stdbool.h>
#include <string.h>

#define TOKENS_MAX 8192

struct token {
	size_t begin, length;
};

/* Values of every type, and the edges of each. */
static const char *const values[] = {"0", "1", "-1", "2", "-0.0", "0.5", "1.0000001", "1e18", "1.1e18",
    "-1e18", "1e308", "1e309", "-1e999", "1e-320", "18446744073709551615", "18446744073709551616",
    "9007199254740993", "4294967296", "1.5", "00", "NaN", "Infinity", "null", "true", "false", "{}", "[]",
    "[[]]", "[null]", "{\"a\":1}", "\"\"", "\"HIGH\"", "\"LOW\"", "\"0x7fffffffffffffff\"", "\"0x\"",
    "\"0x1ffffffffffffffff\"", "\"0xZZ\"", "\"-1\"", "\"weir-dump\"", "\"2026-01-01T00:00:00.000Z\"",
    "\"9999999999-01-01T00:00:00Z\""};

static const char *const texts[] = {"\"\\u001b[2J\\u001b]0;evil\\u0007\"", "\"<script>evil()</script>\"",
    "\"<evil a='1' b=\\\"2\\\">&amp;<\"", "\"\\\"><evil\"", "\"%s%n%d%1000000s\"", "\"a;b c\\td\"",
    "\"\\u202eevil\\u2066\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\ud83d\\ude00\"", "\"\\u009b31m\"",
    "\"\x9b[31m\"", "\"\xff\xfe\"", "\"\xe2\x80\xae\"", "\"\xf0\x9f\x98\x80\xe4\xb8\xad\xe6\x96\x87\"",
    "\"\\n\\r\\n\"", "\"/proc/self/mem\"", "\"/dev/zero\"", "\"../../etc/passwd\"",
    "\"\xef\xbf\xbd\xcc\x81\xcc\x81\""};

/* In range for one count or another. */
static const char *const numbers[] = {"0", "1", "2", "0.5", "1e-9", "3", "255", "65536", "4294967295",
    "9007199254740992", "18446744073709551615", "1e17", "1e20", "0.999999"};

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

uint64_t random_below(struct random *random, uint64_t bound)
{
	uint64_t x = random->state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	random->state = x;
	return (x >> 11) % bound;
}

static size_t token_length(const char *text, size_t left)
{
	size_t length = 1;

	if (*text == '"') {
		while (length < left && text[length] != '"')
			length += text[length] == '\\' && length + 1 < left ? 2 : 1;
		return length < left ? length + 1 : left;
	}
	if (memchr("{}[]:,", *text, 6) != NULL)
		return 1;
	while (length < left && memchr("{}[]:,\" \n\t\r", text[length], 11) == NULL)
		length++;
	return length;
}

static size_t tokenise(const char *text, size_t length, struct token *tokens)
{
	size_t count = 0;

	for (size_t i = 0; i < length && count < TOKENS_MAX;) {
		if (memchr(" \n\t\r", text[i], 4) != NULL) {
			i++;
			continue;
		}
		tokens[count] = (struct token){i, token_length(text + i, length - i)};
		i += tokens[count++].length;
	}
	return count;
}

/* Put bytes in the place of others; false where there is no room. */
static bool splice(char *text, size_t *length, size_t at, size_t out, const char *in, size_t in_length)
{
	if (*length - out + in_length > MUTANT_BYTES_MAX)
		return false;
	memmove(text + at + in_length, text + at + out, *length - at - out);
	memcpy(text + at, in, in_length);
	*length = *length - out + in_length;
	return true;
}

/* Where the object or list that begins at token i ends: the token past its bracket. */
static size_t past(const char *text, const struct token *tokens, size_t count, size_t i)
{
	int depth = 0;

	do {
		char c = text[tokens[i].begin];

		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		i++;
	} while (depth > 0 && i < count);
	return i;
}

/* Neither punctuation nor a member's name. */
static bool is_value(const char *text, const struct token *tokens, size_t count, size_t i)
{
	return memchr("{}[]:,", text[tokens[i].begin], 6) == NULL &&
	       (i + 1 == count || text[tokens[i + 1].begin] != ':');
}

static void change_token(struct random *random, char *text, size_t *length)
{
	static struct token tokens[TOKENS_MAX];
	static char copy[65536];
	size_t count = tokenise(text, *length, tokens), i, end;
	const char *put;

	if (count == 0)
		return;
	i = random_below(random, count);
	for (unsigned tries = 0; tries < 8 && !is_value(text, tokens, count, i); tries++)
		i = random_below(random, count);
	end = past(text, tokens, count, i) - 1;
	switch (random_below(random, 12)) {
	case 0:
	case 1: /* another value, of any type */
		put = values[random_below(random, ARRAY_LENGTH(values))];
		splice(text, length, tokens[i].begin, tokens[i].length, put, strlen(put));
		break;
	case 2:
	case 3:
	case 4:
	case 6:
	case 7:
	case 8: /* another of its type, where it has one of these */
		if (text[tokens[i].begin] == '"')
			put = texts[random_below(random, ARRAY_LENGTH(texts))];
		else
			put = numbers[random_below(random, ARRAY_LENGTH(numbers))];
		splice(text, length, tokens[i].begin, tokens[i].length, put, strlen(put));
		break;
	case 5: /* taken out */
		splice(text, length, tokens[i].begin, tokens[i].length, "", 0);
		break;
	case 9:
	case 10: { /* an entry or a member again and again, or, of half of a megabyte, a text */
		size_t begin = tokens[i].begin, size = tokens[end].begin + tokens[end].length - begin;
		uint64_t times = 1 + random_below(random, 1u << random_below(random, 8));

		if (size + 1 >= sizeof copy)
			break;
		memcpy(copy, text + begin, size);
		copy[size] = text[begin] == '"' && times > 16 ? 'x' : ',';
		while (times-- > 0)
			if (!splice(text, length, begin, 0, copy, size + 1))
				break;
		break;
	}
	default: { /* swapped with another */
		const struct token a = tokens[i], b = tokens[random_below(random, count)];

		if (b.length >= sizeof copy || a.begin + a.length > b.begin)
			break;
		memcpy(copy, text + b.begin, b.length);
		if (splice(text, length, b.begin, b.length, text + a.begin, 0))
			splice(text, length, a.begin, a.length, copy, b.length);
		break;
	}
	}
}

static void change_bytes(struct random *random, char *text, size_t *length)
{
	size_t at = random_below(random, *length + 1);
	char c = (char)random_below(random, 256);

	switch (random_below(random, 4)) {
	case 0: /* cut off */
		*length = at;
		break;
	case 1:
		if (at < *length)
			text[at] ^= (char)(1u << random_below(random, 8));
		break;
	case 2:
		splice(text, length, at, 0, &c, 1);
		break;
	default: { /* nested past all reason */
		char brackets[4096];
		size_t depth = random_below(random, sizeof brackets);

		memset(brackets, random_below(random, 2) == 0 ? '[' : '{', depth);
		splice(text, length, at, 0, brackets, depth);
		break;
	}
	}
}

size_t mutate(struct random *random, const char *good, size_t length, char *mutant)
{
	uint64_t changes = 1 + random_below(random, 1 + random_below(random, 6));

	memcpy(mutant, good, length);
	while (changes-- > 0 && length > 0) {
		if (random_below(random, 8) != 0)
			change_token(random, mutant, &length);
		else
			change_bytes(random, mutant, &length);
	}
	return length;
}
