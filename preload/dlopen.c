/*
 * dlopen.c -- dlopen without RTLD_DEEPBIND.
 *
 * A plugin that is loaded with RTLD_DEEPBIND finds libc's malloc before ours, while libc
 * itself (strdup, getline) goes on with ours: what one of the two allocates, the other
 * frees. Apache's apr sets the flag, for one. So it is left out, as every allocator that is
 * preloaded has to.
 *
 * The loader takes the return address of dlopen for its caller: whose RUNPATH and $ORIGIN
 * are looked at, and into which namespace the object goes. So no frame of ours may stand
 * there: dlopen is a few instructions that jump to libc's, with the program's return
 * address untouched. Only the first call, and one that has the flag, asks dlopen_real()
 * on the way.
 *
 * dlmopen is left alone: another namespace has a libc, and so a malloc, of its own.
 *
 * dlclose is here, since an address may be another module's after it: tracking looks at what is
 * loaded before and after. Nothing in it depends on who calls it, so it is a plain function.
 *
 * No lock; thread-safe as dlopen is.
 */
#include <dlfcn.h>

#include "base/log.h"
#include "preload/preload.h"
#include "track/track.h"

_Static_assert(RTLD_DEEPBIND == 8, "the instructions below have it as a number");

typedef void *dlopen_function(const char *file, int mode);

/* libc's, once it is known. Relaxed: whoever looks it up stores the same. */
__attribute__((used)) static dlopen_function *dlopen_known;

static void *nowhere(const char *file UNUSED, int mode UNUSED)
{
	return NULL;
}

static COLD void tell_once(const char *file)
{
	static _Atomic bool is_told; /* relaxed; all that hangs on it is how often the line is said */
	struct log_line line;

	if (atomic_exchange_explicit(&is_told, true, memory_order_relaxed) || !log_begin(&line, LOG_INFO))
		return;
	out_str(&line.out, "dlopen of ");
	out_str(&line.out, file != NULL ? file : "the program");
	out_str(&line.out,
	    ": RTLD_DEEPBIND is left out, here and from now on: it hides malloc from what is loaded");
	log_end(&line);
}

/* Where the call goes on; never NULL. */
__attribute__((used)) static dlopen_function *dlopen_real(const char *file, int mode)
{
	dlopen_function *function = LOAD_RELAXED(&dlopen_known);

	if (function == NULL) {
		function = (dlopen_function *)preload_real("dlopen");
		if (function == NULL)
			return nowhere;
		STORE_RELAXED(&dlopen_known, function);
	}
	if ((mode & RTLD_DEEPBIND) != 0)
		tell_once(file);
	return function;
}

EXPORT int dlclose(void *handle)
{
	static int (*real)(void *);
	int result;

	if (LOAD_RELAXED(&real) == NULL)
		STORE_RELAXED(&real, (int (*)(void *))preload_real("dlclose"));
	if (LOAD_RELAXED(&real) == NULL)
		return -1;
	track_modules_changed();
	result = real(handle);
	track_modules_changed();
	return result;
}

/* clang-format off */
#if defined(__x86_64__)
__asm__(".pushsection .text\n\t"
	".globl dlopen\n\t"
	".type dlopen, @function\n\t"
	".balign 16\n"
	"dlopen:\n\t"
	".cfi_startproc\n\t"
	"endbr64\n\t"
	"testl $8, %esi\n\t"
	"jnz 1f\n\t"
	"movq dlopen_known(%rip), %rax\n\t"
	"testq %rax, %rax\n\t"
	"jz 1f\n\t"
	"jmp *%rax\n"
	"1:\n\t"
	"pushq %rdi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"pushq %rsi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"subq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call dlopen_real\n\t"
	"addq $8, %rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"popq %rsi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"popq %rdi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"andl $~8, %esi\n\t"
	"jmp *%rax\n\t"
	".cfi_endproc\n\t"
	".size dlopen, . - dlopen\n\t"
	".popsection");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n\t"
	".globl dlopen\n\t"
	".type dlopen, %function\n\t"
	".balign 16\n"
	"dlopen:\n\t"
	".cfi_startproc\n\t"
	"hint #34\n\t" /* bti c */
	"tbnz w1, #3, 1f\n\t"
	"adrp x16, dlopen_known\n\t"
	"ldr x16, [x16, :lo12:dlopen_known]\n\t"
	"cbz x16, 1f\n\t"
	"br x16\n"
	"1:\n\t"
	"stp x29, x30, [sp, #-32]!\n\t"
	".cfi_adjust_cfa_offset 32\n\t"
	".cfi_offset x29, -32\n\t"
	".cfi_offset x30, -24\n\t"
	"mov x29, sp\n\t"
	"stp x0, x1, [sp, #16]\n\t"
	"bl dlopen_real\n\t"
	"mov x16, x0\n\t"
	"ldp x0, x1, [sp, #16]\n\t"
	"ldp x29, x30, [sp], #32\n\t"
	".cfi_restore x29\n\t"
	".cfi_restore x30\n\t"
	".cfi_adjust_cfa_offset -32\n\t"
	"and w1, w1, #0xfffffff7\n\t"
	"br x16\n\t"
	".cfi_endproc\n\t"
	".size dlopen, . - dlopen\n\t"
	".popsection");
#endif
/* clang-format on */
