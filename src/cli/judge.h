/*
 * judge.h -- finds a command's file and says whether Weir can serve it.
 */
#ifndef WEIR_CLI_JUDGE_H
#define WEIR_CLI_JUDGE_H

#include <limits.h>

#include "base/compiler.h"

struct judgement {
	int status;	     /* 0: go on; else the exit status, EXIT_CANNOT_SERVE or EXIT_COMMAND_MISSING */
	char path[PATH_MAX]; /* the file to execute, once the command was found */
	bool is_binary;	     /* not text, not ELF: only something in binfmt_misc can execute it */
	char text
	    [3 *
		PATH_MAX]; /* why not, or what one should know before it starts; "" where there is nothing to say */
};

/* command as execvp() takes it: a path, or a name to be looked up in PATH. */
void judge_command(const char *command, struct judgement *judgement);

#endif
