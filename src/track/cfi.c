/*
 * cfi.c -- the rule for one frame, out of call frame information (.eh_frame).
 *
 * Called by rules.c where it does not know a rule yet. frame_table.c finds the entry (FDE) for an address; its
 * instructions are followed here up to that address, as DWARF 5, section 6.4, and the LSB
 * (10.6, .eh_frame) describe them. Of the registers only three are followed: the CFA, the return
 * address and the frame pointer, since with them nearly all code describes how to get to
 * its caller. A signal's frame is told by its augmentation alone; of any other, such as one whose CFA
 * stands in another register, it is said that it is CFI_OTHER.
 *
 * The rule is a function of the address alone, as long as the same code is there. Tables are
 * trusted as libgcc trusts them: they were mapped with the code. Reading stays within an entry.
 * No lock of ours, no allocation.
 */
#include "track/cfi.h"

#include <string.h>

#include "track/frame_table.h"

#if defined(__x86_64__)
#define REGISTER_FP 6
#define REGISTER_SP 7
#define IS_SIGNED false
#elif defined(__aarch64__)
#define REGISTER_FP 29
#define REGISTER_SP 31
#define IS_SIGNED true /* return addresses may be; whoever loads one strips it in any case */
#else
#error "the DWARF numbers of this processor's registers"
#endif

#define STATES_MAX 4 /* remembered, one within the other; compilers need one */

enum {
	DW_CFA_nop = 0x00,
	DW_CFA_set_loc = 0x01,
	DW_CFA_advance_loc1 = 0x02,
	DW_CFA_advance_loc2 = 0x03,
	DW_CFA_advance_loc4 = 0x04,
	DW_CFA_offset_extended = 0x05,
	DW_CFA_restore_extended = 0x06,
	DW_CFA_undefined = 0x07,
	DW_CFA_same_value = 0x08,
	DW_CFA_register = 0x09,
	DW_CFA_remember_state = 0x0a,
	DW_CFA_restore_state = 0x0b,
	DW_CFA_def_cfa = 0x0c,
	DW_CFA_def_cfa_register = 0x0d,
	DW_CFA_def_cfa_offset = 0x0e,
	DW_CFA_def_cfa_expression = 0x0f,
	DW_CFA_expression = 0x10,
	DW_CFA_offset_extended_sf = 0x11,
	DW_CFA_def_cfa_sf = 0x12,
	DW_CFA_def_cfa_offset_sf = 0x13,
	DW_CFA_val_offset = 0x14,
	DW_CFA_val_offset_sf = 0x15,
	DW_CFA_val_expression = 0x16,
	DW_CFA_AARCH64_negate_ra_state = 0x2d,
	DW_CFA_GNU_args_size = 0x2e,
	/* With an operand in the lower six bits. */
	DW_CFA_advance_loc = 0x40,
	DW_CFA_offset = 0x80,
	DW_CFA_restore = 0xc0,
	DW_OP_deref = 0x06,
	DW_OP_breg0 = 0x70,
};

struct bytes {
	const unsigned char *at, *end;
	bool is_short; /* there was less than what was asked for */
};

/* Where a register's value for the caller is. */
struct place {
	enum { SAME, AT_CFA, AT_FP, UNDEFINED, ELSEWHERE } how;
	int64_t offset;
};

struct state {
	enum { CFA_REGISTER, CFA_FP_LOAD, CFA_ELSEWHERE } cfa_how;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct place fp, pc;
	bool is_odd; /* the stack pointer has a rule of its own */
};

struct entry {
	uint64_t code_align, pc_register, code_bytes;
	int64_t data_align;
	unsigned char pointer_encoding;
	bool has_augmentation, is_signal;
	struct bytes common, own; /* instructions, of the CIE and of the FDE */
};

/* --- bytes ------------------------------------------------------------------- */

static uint64_t fixed(struct bytes *bytes, unsigned size)
{
	uint64_t value = 0;

	if ((size_t)(bytes->end - bytes->at) < size) {
		bytes->is_short = true;
		bytes->at = bytes->end;
		return 0;
	}
	memcpy(&value, bytes->at, size); /* both architectures are little-endian */
	bytes->at += size;
	return value;
}

static uint64_t leb128(struct bytes *bytes, bool is_signed)
{
	uint64_t value = 0, byte;
	unsigned shift = 0;

	do {
		byte = fixed(bytes, 1);
		if (shift < 64)
			value |= (byte & 127) << shift;
		shift += 7;
	} while ((byte & 128) != 0);
	if (is_signed && (byte & 64) != 0 && shift < 64)
		value |= ~(uint64_t)0 << shift;
	return value;
}

static uint64_t unsigned_number(struct bytes *bytes)
{
	return leb128(bytes, false);
}

static int64_t signed_number(struct bytes *bytes)
{
	return (int64_t)leb128(bytes, true);
}

static struct bytes block(struct bytes *bytes)
{
	uint64_t length = unsigned_number(bytes);
	struct bytes inner = {bytes->at, bytes->at, false};

	if (length > (size_t)(bytes->end - bytes->at)) {
		bytes->is_short = true;
		length = 0;
	}
	bytes->at += length;
	inner.end = bytes->at;
	return inner;
}

/* A pointer in an encoding of .eh_frame's, as it stands there. False: one that is not known. */
static bool pointer(struct bytes *bytes, unsigned char encoding, uint64_t *value)
{
	static const unsigned char sizes[16] = {
	    [0x0] = 8, [0x2] = 2, [0x3] = 4, [0x4] = 8, [0xa] = 2, [0xb] = 4, [0xc] = 8};
	unsigned form = encoding & 15;

	if (encoding == 0xff)
		return true;
	if ((encoding & 0x70) == 0x50) /* aligned */
		return false;
	if (form == 0x1 || form == 0x9)
		*value = unsigned_number(bytes);
	else if (sizes[form] == 0)
		return false;
	else
		*value = fixed(bytes, sizes[form]);
	return true;
}

/* --- entries ----------------------------------------------------------------- */

/* What follows the length at p. Empty: of a form that libgcc does not know either. */
static struct bytes body_of(const unsigned char *p)
{
	uint32_t length;

	memcpy(&length, p, sizeof(length));
	if (length == UINT32_MAX)
		length = 0;
	return (struct bytes){p + 4, p + 4 + length, false};
}

static bool read_common(struct entry *entry, const unsigned char *cie)
{
	struct bytes bytes = body_of(cie), data = {NULL, NULL, false};
	const char *augmentation;
	unsigned version;
	uint64_t personality;

	fixed(&bytes, 4);
	version = (unsigned)fixed(&bytes, 1);
	augmentation = (const char *)bytes.at;
	while (fixed(&bytes, 1) != 0)
		;
	entry->code_align = unsigned_number(&bytes);
	entry->data_align = signed_number(&bytes);
	entry->pc_register = version == 1 ? fixed(&bytes, 1) : unsigned_number(&bytes);
	if (bytes.is_short || (version != 1 && version != 3))
		return false;
	entry->has_augmentation = augmentation[0] == 'z';
	if (entry->has_augmentation) {
		data = block(&bytes);
		for (const char *p = augmentation + 1; *p != '\0'; p++) {
			if (*p == 'R')
				entry->pointer_encoding = (unsigned char)fixed(&data, 1);
			else if (*p == 'L')
				fixed(&data, 1);
			else if (*p == 'S')
				entry->is_signal = true;
			else if (*p == 'B' && IS_SIGNED)
				continue; /* with which key */
			else if (*p != 'P' || !pointer(&data, (unsigned char)fixed(&data, 1), &personality))
				return false;
		}
	} else if (augmentation[0] != '\0') {
		return false;
	}
	entry->common = bytes;
	return !bytes.is_short && !data.is_short;
}

static bool read_entry(struct entry *entry, const unsigned char *fde)
{
	struct bytes bytes = body_of(fde);
	int32_t to_common;
	uint64_t start;

	memset(entry, 0, sizeof(*entry));
	to_common = (int32_t)fixed(&bytes, 4);
	if (bytes.is_short || !read_common(entry, fde + 4 - to_common))
		return false;
	/* Where the code begins is known; and how long it is. */
	if (!pointer(&bytes, entry->pointer_encoding, &start) ||
	    !pointer(&bytes, entry->pointer_encoding & 15, &entry->code_bytes))
		return false;
	if (entry->has_augmentation)
		block(&bytes);
	entry->own = bytes;
	return !bytes.is_short;
}

/* --- instructions ------------------------------------------------------------ */

static void set_place(struct state *state, const struct entry *entry, uint64_t number, struct place place)
{
	if (number == REGISTER_FP)
		state->fp = place;
	else if (number == entry->pc_register)
		state->pc = place;
	else if (number == REGISTER_SP)
		state->is_odd |= place.how != SAME;
}

static void restore(
    struct state *state, const struct entry *entry, uint64_t number, const struct state *first)
{
	if (number == REGISTER_FP)
		state->fp = first->fp;
	else if (number == entry->pc_register)
		state->pc = first->pc;
}

/* "The frame pointer and so many bytes", and perhaps "what stands there". */
static bool is_from_fp(struct bytes expression, bool is_loaded, int64_t *offset)
{
	if (fixed(&expression, 1) != DW_OP_breg0 + REGISTER_FP)
		return false;
	*offset = signed_number(&expression);
	if (is_loaded && fixed(&expression, 1) != DW_OP_deref)
		return false;
	return !expression.is_short && expression.at == expression.end;
}

/* Those that say where the CFA is. */
static void define_cfa(struct state *state, const struct entry *entry, unsigned op, struct bytes *bytes)
{
	if (op == DW_CFA_def_cfa_expression) {
		state->cfa_how =
		    is_from_fp(block(bytes), true, &state->cfa_offset) ? CFA_FP_LOAD : CFA_ELSEWHERE;
		return;
	}
	if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_register) {
		state->cfa_how = CFA_REGISTER;
		state->cfa_register = unsigned_number(bytes);
	}
	if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_offset)
		state->cfa_offset = (int64_t)unsigned_number(bytes);
	else if (op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_offset_sf)
		state->cfa_offset = signed_number(bytes) * entry->data_align;
}

/* Those that say where a register is. False: one that is not known. */
static bool define_register(struct state *state, const struct entry *entry, unsigned op, struct bytes *bytes,
    const struct state *first)
{
	uint64_t number = unsigned_number(bytes);
	struct place place = {ELSEWHERE, 0};

	switch (op) {
	case DW_CFA_offset_extended:
		place = (struct place){AT_CFA, (int64_t)unsigned_number(bytes) * entry->data_align};
		break;
	case DW_CFA_offset_extended_sf:
		place = (struct place){AT_CFA, signed_number(bytes) * entry->data_align};
		break;
	case DW_CFA_restore_extended:
		restore(state, entry, number, first);
		return true;
	case DW_CFA_undefined:
		place.how = UNDEFINED;
		break;
	case DW_CFA_same_value:
		place.how = SAME;
		break;
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		unsigned_number(bytes);
		break;
	case DW_CFA_expression:
		if (is_from_fp(block(bytes), false, &place.offset))
			place.how = AT_FP;
		break;
	case DW_CFA_val_expression:
		block(bytes);
		break;
	default:
		return false;
	}
	set_place(state, entry, number, place);
	return true;
}

/*
 * Follow instructions as far as they are about addresses up to pc. first: what the common ones
 * said, NULL while they are followed. False: one that is not known.
 */
static bool follow(struct state *state, const struct entry *entry, struct bytes bytes, uintptr_t location,
    uintptr_t pc, const struct state *first)
{
	struct state remembered[STATES_MAX];
	unsigned depth = 0;

	while (bytes.at < bytes.end && location <= pc) {
		unsigned op = (unsigned)fixed(&bytes, 1), operand = op & 63;

		switch (op & 0xc0) {
		case DW_CFA_advance_loc:
			location += operand * entry->code_align;
			continue;
		case DW_CFA_offset:
			set_place(state, entry, operand,
			    (struct place){AT_CFA, (int64_t)unsigned_number(&bytes) * entry->data_align});
			continue;
		case DW_CFA_restore:
			if (first != NULL)
				restore(state, entry, operand, first);
			continue;
		}
		switch (op) {
		case DW_CFA_nop:
			break;
		case DW_CFA_advance_loc1:
		case DW_CFA_advance_loc2:
		case DW_CFA_advance_loc4:
			location += fixed(&bytes, 1u << (op - DW_CFA_advance_loc1)) * entry->code_align;
			break;
		case DW_CFA_remember_state:
			if (depth == STATES_MAX)
				return false;
			remembered[depth++] = *state;
			break;
		case DW_CFA_restore_state:
			if (depth == 0)
				return false;
			*state = remembered[--depth];
			break;
		case DW_CFA_def_cfa:
		case DW_CFA_def_cfa_sf:
		case DW_CFA_def_cfa_register:
		case DW_CFA_def_cfa_offset:
		case DW_CFA_def_cfa_offset_sf:
		case DW_CFA_def_cfa_expression:
			define_cfa(state, entry, op, &bytes);
			break;
		case DW_CFA_GNU_args_size:
			unsigned_number(&bytes);
			break;
		case DW_CFA_AARCH64_negate_ra_state:
			if (!IS_SIGNED)
				return false;
			break;
		default:
			/* DW_CFA_set_loc, among others. */
			if (!define_register(state, entry, op, &bytes, first != NULL ? first : state))
				return false;
		}
	}
	return !bytes.is_short;
}

/* --- the rule ---------------------------------------------------------------- */

/* Whether so many bytes are whole words, of which the number has so many bits. */
static bool fits(int64_t offset, unsigned bits)
{
	int64_t end = (int64_t)8 << (bits - 1);

	return offset % 8 == 0 && offset < end && offset >= -end;
}

static enum cfi_kind kind_of(const struct state *state)
{
	if (state->pc.how == UNDEFINED)
		return CFI_END;
	if (state->is_odd || state->pc.how != AT_CFA || !fits(state->cfa_offset, 23) ||
	    !fits(state->pc.offset, 18) || !fits(state->fp.offset, 18))
		return CFI_OTHER;
	/* A frame that aligned itself has its caller's frame pointer where its own points. */
	if (state->fp.how != SAME && state->fp.how != (state->cfa_how == CFA_FP_LOAD ? AT_FP : AT_CFA))
		return CFI_OTHER;
	if (state->cfa_how == CFA_FP_LOAD)
		return CFI_FP_LOAD;
	if (state->cfa_how != CFA_REGISTER)
		return CFI_OTHER;
	return state->cfa_register == REGISTER_SP   ? CFI_SP
	       : state->cfa_register == REGISTER_FP ? CFI_FP
						    : CFI_OTHER;
}

struct cfi_rule cfi_of_entry(const unsigned char *fde, uintptr_t code, uintptr_t pc)
{
	struct state first = {.cfa_how = CFA_ELSEWHERE}, state;
	struct entry entry;
	struct cfi_rule rule = {.kind = CFI_OTHER};

	if (!read_entry(&entry, fde))
		return rule;
	if (pc - code >= entry.code_bytes)
		return cfi_by_frame_pointer(CFI_GAP);
	if (entry.is_signal)
		return (struct cfi_rule){.kind = CFI_SIGNAL};
	if (!follow(&first, &entry, entry.common, 0, 0, NULL))
		return rule;
	state = first;
	if (!follow(&state, &entry, entry.own, code, pc, &first))
		return rule;
	rule.kind = kind_of(&state);
	if (rule.kind != CFI_SP && rule.kind != CFI_FP && rule.kind != CFI_FP_LOAD)
		return rule;
	rule.is_fp_saved = state.fp.how != SAME;
	rule.cfa_words = state.cfa_offset / 8;
	rule.pc_words = state.pc.offset / 8;
	rule.fp_words = state.fp.offset / 8;
	return rule;
}

struct cfi_rule cfi_read(uintptr_t pc)
{
	uintptr_t code;
	const unsigned char *fde = frame_table_find(pc, &code);

	return fde != NULL ? cfi_of_entry(fde, code, pc) : cfi_by_frame_pointer(CFI_GENERATED);
}
