/*
 * command.c -- commands from outside: a dump, a collection, a full clean-up.
 *
 * Called by the dump signal's handler, in any state of the program, and by the maintenance thread for what
 * was left with it (keeper.c). The answer stands in weir_state, where the sender polls for it. A command that
 * came before, and is being done or done, is not done twice: signals other than real-time ones are lost while one is
 * pending, so senders repeat themselves.
 *
 * Invariant: from state_take() on, all signals are blocked until the command is handed on or
 * done, so no two handlers of one thread are at the same answer. No lock, no allocation; keeps
 * errno. A child of vfork does nothing: it runs in its parent's memory.
 */
#include "preload/command.h"

#include <errno.h>
#include <signal.h>

#include "base/io.h"
#include "preload/maintain.h"
#include "preload/owner.h"
#include "preload/preload.h"
#include "preload/state.h"

static void run(uint64_t request)
{
	enum state_command command = state_request_command(request);

	if (!state_take(request))
		return;
	if (command == STATE_COMMAND_DUMP)
		dump_take(TRIGGER_COMMAND);
	else
		maintain_ask(command);
}

void command_run(uint64_t request)
{
	int saved_errno = errno;
	uint64_t before;
	bool is_masked;

	if (!atomic_load_explicit(&preload.is_started, memory_order_acquire) || !owner_is_self())
		return;
	is_masked = sys_signal_mask(SIG_SETMASK, SIGNALS_ALL, &before);
	run(request);
	if (is_masked)
		sys_signal_mask(SIG_SETMASK, before, NULL);
	errno = saved_errno;
}
