/*
 * stack.c -- the stack of the calling thread.
 *
 * Called by track_birth(), on cold paths only. A stack is walked by the rules of its
 * frames (cfi.h): each says, from the return address alone, how far it is to the caller's frame,
 * where the return address and the frame pointer stand. rules.c remembers them, so that a frame costs
 * ten ns; reading the tables that the compiler made for exceptions costs hundreds, once for
 * each address. No frame pointers are needed; where a function uses one, because it has alloca()
 * or aligns its frame, its rule says so.
 *
 * A signal's frame is left by what the kernel saved in it. Code without tables (hand-written assembler, what a
 * JIT generates and what it brings for that) is crossed by its frame pointers, which
 * nearly all such code keeps. They count only where they lead back to code that has tables, right
 * behind a call in it: then what is on the way, too. Else the walk ends at the first such frame, of which the address
 * still counts, as it ends with a rule that is none of those, which nothing that allocates has.
 *
 * An address on that way may be any word. Nothing is read there but the tables of the module that it would be in, and the
 * bytes before it where that has some; another thread that unloads the very module then ends the program, as it
 * does where that module's code runs.
 *
 * Tables may be wrong, and a frame pointer may hold anything where hand-written code used it
 * without a word in them. So each step has to go outwards, and a word is read only where the stack can be read
 * (extent.h): the walk ends there, too. libgcc's own unwinder would follow; that is why no
 * stack is left to it. From glibc 2.35 on no lock of the loader is taken.
 */
#include "track/stack.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "base/sys.h"
#include "track/extent.h"
#include "track/rules.h"

#define CROSSED_MAX 128 /* frames in a row without tables */
/* Of generated ones the first and so many more are kept. All of them would make a site of each state that a JIT has its
 * callers in: of one load of node twice as many sites, none with enough to judge by. */
#define GENERATED_MAX 2

static struct {
	uintptr_t start, size; /* frozen by stack_start() */
} own;

/* False: there is no room for it, nor for what comes after. */
static bool add(struct stack *stack, uintptr_t pc)
{
	if (pc - own.start < own.size)
		return true;
	if (stack->count == STACK_FRAMES_MAX) {
		stack->is_truncated = true;
		return false;
	}
	stack->pcs[stack->count++] = pc;
	return true;
}

/* A frame of the walk: what its registers are once the call in it returns. */
struct frame {
	uintptr_t sp, fp, pc;
	bool is_interrupted; /* by a signal: pc is the very address, and no call was made there */
	bool has_lost_sp;    /* it was found by frame pointers, which do not say where it is */
};

#if defined(__aarch64__)
#define FP_TELLS_SP false /* and compilers keep frame pointers: with them it goes on */
#else
#define FP_TELLS_SP true
#endif

INLINE uintptr_t at(uintptr_t address, int64_t words)
{
	return address + (uintptr_t)words * sizeof(uintptr_t);
}

/* A word of the stack from this frame on. False: it is none. Sanitizers would see an overrun in every word of
 * another function's frame. */
__attribute__((no_sanitize("address", "thread"), always_inline)) static inline bool load(
    const struct frame *frame, struct extent *extent, uintptr_t address, uintptr_t *word)
{
	if (!extent_has(extent, frame->sp, address))
		return false;
	*word = *(const uintptr_t *)address;
	return true;
}

/* A return address may be signed, which its upper bits say. */
INLINE uintptr_t stripped(uintptr_t pc)
{
#if defined(__aarch64__)
	register uintptr_t x30 __asm__("x30") = pc;

	__asm__("hint #7" : "+r"(x30)); /* xpaclri; nothing, where addresses are not signed */
	return x30;
#else
	return pc;
#endif
}

/* From a frame to its caller's. False: not by this rule. */
INLINE bool go_out(struct frame *frame, struct extent *extent, struct cfi_rule rule)
{
	bool is_lost = !FP_TELLS_SP && frame->has_lost_sp && rule.kind == CFI_SP;
	uintptr_t cfa, saved;
	struct frame caller = {.fp = frame->fp, .has_lost_sp = is_lost};

	if (is_lost)
		rule = cfi_by_frame_pointer(CFI_FP);
	cfa = saved = at(rule.kind == CFI_SP ? frame->sp : frame->fp, rule.cfa_words);
	if (UNLIKELY(rule.kind == CFI_FP_LOAD)) {
		saved = frame->fp;
		if (!load(frame, extent, cfa, &cfa))
			return false;
	}
	/* Outwards, and the whole frame is there. */
	if (!extent_has(extent, frame->sp, at(cfa, -1)) ||
	    !load(frame, extent, at(cfa, rule.pc_words), &caller.pc) ||
	    (rule.is_fp_saved && !load(frame, extent, at(saved, rule.fp_words), &caller.fp)))
		return false;
	caller.sp = cfa;
	caller.pc = stripped(caller.pc);
	*frame = caller;
	return true;
}

/* From the frame that a signal handler returns to, to the one that was interrupted, perhaps on another stack. */
COLD static bool go_back(struct frame *frame, struct extent *extent)
{
#if defined(__x86_64__)
	uintptr_t context = frame->sp;
	size_t sp = offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]);
	size_t fp = offsetof(ucontext_t, uc_mcontext.gregs[REG_RBP]);
	size_t pc = offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]);
#else
	uintptr_t context = frame->sp + sizeof(siginfo_t);
	size_t sp = offsetof(ucontext_t, uc_mcontext.sp);
	size_t fp = offsetof(ucontext_t, uc_mcontext.regs[29]);
	size_t pc = offsetof(ucontext_t, uc_mcontext.pc);
#endif
	struct frame before = {.is_interrupted = true};

	if (!load(frame, extent, context + sp, &before.sp) ||
	    !load(frame, extent, context + fp, &before.fp) || !load(frame, extent, context + pc, &before.pc))
		return false;
	*frame = before;
	*extent = extent_of(frame->sp);
	return true;
}

#if defined(__x86_64__)
#define CALL_BYTES_MAX 7

/* How long a call through a register or memory is, by the bytes behind its 0xff; 0: it is none. Intel's manual, volume 2,
 * tables 2-2 and 2-3: the opcode's extension is 2. */
static int indirect_call_bytes(const unsigned char *operands)
{
	unsigned mode = operands[0] >> 6, rm = operands[0] & 7;
	bool has_sib = mode != 3 && rm == 4;
	bool is_far = mode == 2 || (mode == 0 && (has_sib ? (operands[1] & 7) == 5 : rm == 5));

	return (operands[0] >> 3 & 7) != 2 ? 0 : 2 + has_sib + (is_far ? 4 : mode == 1);
}
#endif

/* Whether the instruction before pc is a call: where nothing was called, nothing returns to. */
static bool is_after_call(uintptr_t pc)
{
#if defined(__x86_64__)
	const unsigned char *next = (const unsigned char *)pc;

	if (!sys_is_readable(pc - CALL_BYTES_MAX))
		return false;
	if (next[-5] == 0xe8)
		return true;
	for (int bytes = 2; bytes <= CALL_BYTES_MAX; bytes++)
		if (next[-bytes] == 0xff && indirect_call_bytes(next - bytes + 1) == bytes)
			return true;
	return false;
#else
	uint32_t before;

	if (pc % sizeof(before) != 0 || !sys_is_readable(pc - sizeof(before)))
		return false;
	memcpy(&before, (const void *)(pc - sizeof(before)), sizeof(before));
	return before >> 26 == 0x25 /* bl */ || (before & 0xfffffc1fu) == 0xd63f0000u /* blr */ ||
	       (before & 0xfefff800u) == 0xd63f0800u /* blraa and others */;
#endif
}

/*
 * From a frame without tables, which has been added, to the first beyond it that has some. What a JIT generated is
 * added on the way, as it may have names; what it brought only says that it is a JIT. False, and
 * nothing is added: frame pointers do not lead there.
 */
COLD static bool cross(struct stack *stack, struct frame *frame, struct extent *extent, struct cfi_rule rule)
{
	unsigned count = stack->count;

	for (unsigned crossed = 0; crossed < CROSSED_MAX && count < STACK_FRAMES_MAX; crossed++) {
		uintptr_t pc;

		/* What makecontext() and the like put where a stack begins was never called from. */
		if (rule.kind == CFI_GAP && !frame->is_interrupted && !is_after_call(frame->pc))
			break;
		if (!go_out(frame, extent, rule) || frame->pc < PAGE_BYTES)
			break;
		pc = frame->pc - 1;
		stack->crossed++;
		rule = rules_find(pc, &stack->tables_read);
		if (rule.kind != CFI_GAP && rule.kind != CFI_GENERATED) {
			frame->has_lost_sp = true;
			if (is_after_call(frame->pc))
				return true;
			break;
		}
		if (rule.kind == CFI_GENERATED && stack->count < count + GENERATED_MAX)
			add(stack, pc);
	}
	stack->count = count;
	return false;
}

/* Where a signal handler returns to. On aarch64 the kernel's code for that has no tables on purpose, and
 * is known by its two instructions; on x86-64 it is libc's, with tables. pc: an address that was returned to. */
static bool is_signal_return(uintptr_t pc UNUSED)
{
#if defined(__aarch64__)
	static const uint32_t code[] = {0xd2801168, 0xd4000001}; /* mov x8, #139; svc #0 */

	return pc % sizeof(code[0]) == 0 && sys_is_readable(pc) &&
	       memcmp((const void *)pc, code, sizeof(code)) == 0;
#else
	return false;
#endif
}

static void walk(struct stack *stack, struct frame frame)
{
	struct extent extent = extent_of(frame.sp);

	while (frame.pc != 0) {
		uintptr_t pc = frame.is_interrupted ? frame.pc : frame.pc - 1;
		struct cfi_rule rule;

		if (!add(stack, pc))
			return;
		rule = rules_find(pc, &stack->tables_read);
		if (rule.kind == CFI_GENERATED && is_signal_return(frame.pc))
			rule.kind = CFI_SIGNAL;
		switch ((enum cfi_kind)rule.kind) {
		case CFI_SP:
		case CFI_FP:
		case CFI_FP_LOAD:
			if (!go_out(&frame, &extent, rule))
				return;
			break;
		case CFI_SIGNAL:
			/* What the kernel saved stands at the stack pointer. */
			if ((!FP_TELLS_SP && frame.has_lost_sp) || !go_back(&frame, &extent))
				return;
			break;
		case CFI_GAP:
		case CFI_GENERATED:
			if (!cross(stack, &frame, &extent, rule))
				return;
			break;
		default:
			return;
		}
	}
}

OWN_FRAME bool stack_capture(struct stack *stack)
{
	/* Both architectures save the caller's frame pointer where their own points. */
	struct frame caller = {
	    .sp = (uintptr_t)__builtin_dwarf_cfa(),
	    .fp = *(const uintptr_t *)__builtin_frame_address(0),
	    .pc = (uintptr_t)__builtin_return_address(0),
	};
	int saved = errno;

	stack->count = 0;
	stack->is_truncated = false;
	stack->tables_read = stack->crossed = 0;
	walk(stack, caller);
	errno = saved;
	return stack->count != 0;
}

void stack_start(uintptr_t own_start, uintptr_t own_end)
{
	own.start = own_start;
	own.size = own_end - own_start;
}

uint64_t stack_key(const struct stack *stack)
{
	uint64_t h = stack->count;

	for (unsigned i = 0; i < stack->count; i++) {
		h = (h ^ stack->pcs[i]) * 0x9E3779B97F4A7C15u;
		h ^= h >> 32;
	}
	return h != 0 ? h : 1;
}
