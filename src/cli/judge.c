/*
 * judge.c -- finds a command's file and says whether Weir can serve it.
 *
 * Called by run.c before it executes the file. A preloaded object is silently
 * left out by the kernel's and the loader's rules in several cases; somebody who
 * asked for Weir must hear of them before the program runs, not find out by a
 * missing dump. What cannot be known here (a security module that changes the
 * domain, a seccomp filter) is left to weir(7).
 *
 * A script is judged by its interpreter, and `env` in a #! line by the program it
 * starts. Facts about the file come from elf_image.c; everything here only reads.
 */
#include "cli/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/elf_image.h"

#define SCRIPT_LINE_MAX 256 /* what the kernel reads of a #! line */
#define SCRIPT_DEPTH_MAX 5  /* how many scripts it follows */
#define DEFAULT_PATH "/bin:/usr/bin"

static void say(struct judgement *judgement, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last thing said stays: a refusal takes the place of a remark. */
static void say(struct judgement *judgement, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(judgement->text, sizeof judgement->text, format, arguments);
	va_end(arguments);
}

#define REFUSE(judgement, why, ...) (say((judgement), __VA_ARGS__), (judgement)->status = (why), false)

/* 0, or why the kernel would not execute this file: EISDIR or EPERM where it is there, else stat's errno. */
static int why_not_executable(const char *path)
{
	struct stat stat_of;

	if (stat(path, &stat_of) != 0)
		return errno;
	if (S_ISDIR(stat_of.st_mode))
		return EISDIR;
	if (!S_ISREG(stat_of.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
		return EPERM;
	return 0;
}

/* As execvp() does it: the first executable one wins, and one that is not is remembered. 0 or why not. */
static int look_up(const char *command, char path[PATH_MAX])
{
	const char *next = getenv("PATH");
	int result = ENOENT;

	if (strchr(command, '/') != NULL) {
		if (snprintf(path, PATH_MAX, "%s", command) >= PATH_MAX)
			return ENAMETOOLONG;
		return why_not_executable(path);
	}
	if (command[0] == '\0')
		return ENOENT;
	for (next = next != NULL ? next : DEFAULT_PATH; next != NULL;) {
		size_t length = strcspn(next, ":");
		char candidate[PATH_MAX];
		int error = ENAMETOOLONG;

		/* An empty entry is the working directory. */
		if (snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, next,
			length > 0 ? "/" : "./", command) < PATH_MAX)
			error = why_not_executable(candidate);
		if (error == 0 || (result == ENOENT && (error == EPERM || error == EISDIR))) {
			strcpy(path, candidate);
			result = error;
		}
		if (error == 0)
			return 0;
		next = next[length] == ':' ? next + length + 1 : NULL;
	}
	return result;
}

/* who is "" or ends in a space: "its interpreter ". */
static bool find(const char *command, const char *who, char path[PATH_MAX], int status_if_missing,
    struct judgement *judgement)
{
	int error = look_up(command, path);

	switch (error) {
	case 0:
		return true;
	case ENOENT:
	case ENOTDIR:
		return REFUSE(judgement, status_if_missing,
		    strchr(command, '/') != NULL ? "%s%s does not exist" : "%s%s is not in PATH", who,
		    command);
	case EISDIR:
		return REFUSE(judgement, EXIT_CANNOT_SERVE, "%s%s is a directory", who, path);
	case EPERM:
		return REFUSE(
		    judgement, EXIT_CANNOT_SERVE, "%s%s is not executable for this user", who, path);
	default:
		return REFUSE(judgement, EXIT_CANNOT_SERVE, "%s%s: %s", who, command, strerror(error));
	}
}

/* Does the file give capabilities to whoever executes it? */
static bool has_file_capabilities(const char *path)
{
	struct vfs_ns_cap_data data;
	ssize_t length = getxattr(path, "security.capability", &data, sizeof data);

	if (length < (ssize_t)sizeof(struct vfs_cap_data))
		return false;
	return (data.magic_etc & VFS_CAP_FLAGS_EFFECTIVE) != 0 || data.data[0].permitted != 0 ||
	       data.data[1].permitted != 0;
}

/*
 * Why the kernel will set AT_SECURE, so that the loader drops LD_PRELOAD; NULL
 * where it will not. It does where the effective ids of the new program differ
 * from the caller's real ones, and where somebody other than root gains
 * capabilities (cap_bprm_creds_from_file() in the kernel's security/commoncap.c).
 */
static const char *why_privileged(const char *path)
{
	struct stat stat_of;
	struct statvfs mount;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	bool is_nosuid;

	if (stat(path, &stat_of) != 0)
		return NULL;
	is_nosuid = (statvfs(path, &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0);
	if (!is_nosuid && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		if ((stat_of.st_mode & S_ISUID) != 0)
			uid = stat_of.st_uid;
		if ((stat_of.st_mode & S_ISGID) != 0 && (stat_of.st_mode & S_IXGRP) != 0)
			gid = stat_of.st_gid;
	}
	if (uid != getuid())
		return uid != geteuid() ? "is set-user-ID" : "would keep this process's effective user";
	if (gid != getgid())
		return gid != getegid() ? "is set-group-ID" : "would keep this process's effective group";
	if (!is_nosuid && getuid() != 0 && has_file_capabilities(path))
		return "has file capabilities";
	return NULL;
}

static bool judge_privilege(const char *who, const char *path, struct judgement *judgement)
{
	const char *why = why_privileged(path);

	if (why == NULL)
		return true;
	return REFUSE(judgement, EXIT_CANNOT_SERVE,
	    "%s%s %s: the loader ignores LD_PRELOAD in a program that gains privileges", who, path, why);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* The loaders of the libcs that are not glibc, by how their names begin. */
static const char *other_libc(const char *loader)
{
	static const struct {
		const char *start, *name;
	} others[] = {
	    {"ld-musl", "musl"}, {"ld-uClibc", "uClibc"}, {"ld64-uClibc", "uClibc"},
	    {"linker", "Bionic"}, /* Android's: linker, linker64, linker_asan */
	};

	for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
		if (strncmp(base_name(loader), others[i].start, strlen(others[i].start)) == 0)
			return others[i].name;
	return NULL;
}

static bool refuse_foreign(
    const struct elf_facts *facts, const char *who, const char *path, struct judgement *judgement)
{
	const char *name = elf_machine_name(facts->machine);
	char number[32];

	if (name == NULL) {
		snprintf(number, sizeof number, "e_machine %u", facts->machine);
		name = number;
	}
	return REFUSE(judgement, EXIT_CANNOT_SERVE,
	    "%s%s is built for another machine: %s, %u bits, where Weir here is %s, %zu bits", who, path,
	    name, facts->bits, elf_machine_name(elf_native_machine()), 8 * sizeof(void *));
}

static bool judge_elf(
    const struct elf_facts *facts, const char *who, const char *path, struct judgement *judgement)
{
	const char *libc = other_libc(facts->interpreter);

	if (facts->kind == ELF_DAMAGED)
		return REFUSE(judgement, EXIT_CANNOT_SERVE, "%s%s is a damaged ELF file", who, path);
	if (facts->kind == ELF_FOREIGN)
		return refuse_foreign(facts, who, path, judgement);
	if (!facts->is_program)
		return REFUSE(
		    judgement, EXIT_CANNOT_SERVE, "%s%s is an ELF file, but not a program", who, path);
	if (facts->sanitizer != NULL)
		return REFUSE(judgement, EXIT_CANNOT_SERVE,
		    "%s%s is built with %s, which has an allocator of its own and does not work behind another",
		    who, path, facts->sanitizer);
	if (libc != NULL)
		return REFUSE(judgement, EXIT_CANNOT_SERVE,
		    "%s%s is built for another libc, %s (its loader is %s); Weir needs glibc", who, path,
		    libc, facts->interpreter);
	/* The loader itself (`ld.so PROGRAM`) asks for no loader, but reads LD_PRELOAD. */
	if (facts->interpreter[0] == '\0' && strncmp(facts->soname, "ld", 2) == 0)
		return judge_privilege(who, path, judgement);
	if (facts->interpreter[0] == '\0')
		return REFUSE(judgement, EXIT_CANNOT_SERVE,
		    "%s%s is statically linked: no loader runs in it that could preload anything", who, path);
	if (facts->interpreter[0] != '\0' && access(facts->interpreter, X_OK) != 0)
		return REFUSE(judgement, EXIT_CANNOT_SERVE, "%s%s asks for the loader %s, which is not there",
		    who, path, facts->interpreter);
	if (facts->has_own_malloc)
		say(judgement,
		    "%s%s has a malloc of its own, which comes before Weir's: Weir sees nothing of this heap",
		    who, path);
	return judge_privilege(who, path, judgement);
}

/* The #! line of a script: the interpreter, and the one argument (or NULL) that the kernel makes of the rest. */
static bool parse_script(char *line, char **interpreter, char **argument)
{
	char *end;

	if (line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = '\0';
	for (end = line + strlen(line); end[-1] == ' ' || end[-1] == '\t'; end--)
		end[-1] = '\0';
	*interpreter = line + 2 + strspn(line + 2, " \t");
	*argument = *interpreter + strcspn(*interpreter, " \t");
	if (**argument != '\0') {
		*(*argument)++ = '\0';
		*argument += strspn(*argument, " \t");
	}
	if (**argument == '\0')
		*argument = NULL;
	return **interpreter != '\0';
}

/*
 * The program that `env ARGUMENT` starts, in place; NULL where there is none to
 * be seen. *clears is set where env does away with the environment before.
 */
static char *program_of_env(char *argument, bool *clears)
{
	bool is_split = false; /* without -S all of the argument is one word */
	char *word, *rest = NULL;

	if (argument[0] == '-' && argument[1] == 'S') {
		is_split = true;
		argument += 2;
	} else if (strncmp(argument, "--split-string=", 15) == 0) {
		is_split = true;
		argument += 15;
	}
	if (!is_split) {
		*clears = strcmp(argument, "-") == 0 || strcmp(argument, "-i") == 0;
		return argument[0] != '-' && strchr(argument, '=') == NULL ? argument : NULL;
	}
	for (word = strtok_r(argument, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
		if (strcmp(word, "-") == 0 || strcmp(word, "-i") == 0 ||
		    strcmp(word, "--ignore-environment") == 0)
			*clears = true;
		else if (strcmp(word, "-u") == 0 || strcmp(word, "-C") == 0)
			strtok_r(NULL, " \t", &rest);
		else if (word[0] != '-' && strchr(word, '=') == NULL)
			return word;
	}
	return NULL;
}

/* A name for what the next file in the chain is to the first: "FILE: its interpreter ". */
static void name_interpreter(char who[PATH_MAX + 64], const char *script)
{
	snprintf(who, PATH_MAX + 64, "%s: its interpreter ", script);
}

static bool judge_file(const char *path, const char *who, int depth, struct judgement *judgement);

static bool judge_script(
    char *interpreter, char *argument, const char *script, int depth, struct judgement *judgement)
{
	char who[PATH_MAX + 64], path[PATH_MAX], place[SCRIPT_LINE_MAX + 3];
	bool clears = false;

	if (depth >= SCRIPT_DEPTH_MAX)
		return REFUSE(judgement, EXIT_CANNOT_SERVE,
		    "%s: the interpreters of its #! lines are scripts too many times over", script);
	name_interpreter(who, script);
	/* The kernel does not look it up: a name without a slash is in the working directory. */
	snprintf(place, sizeof place, "%s%s", strchr(interpreter, '/') != NULL ? "" : "./", interpreter);
	if (!find(place, who, path, EXIT_CANNOT_SERVE, judgement) ||
	    !judge_file(path, who, depth + 1, judgement))
		return false;
	if (strcmp(base_name(interpreter), "env") != 0 || argument == NULL)
		return true;

	interpreter = program_of_env(argument, &clears);
	if (clears)
		return REFUSE(judgement, EXIT_CANNOT_SERVE,
		    "%s: its #! line has env clear the environment, and LD_PRELOAD with it", script);
	if (interpreter == NULL)
		return true;
	return find(interpreter, who, path, EXIT_COMMAND_MISSING, judgement) &&
	       judge_file(path, who, depth + 1, judgement);
}

static bool judge_open_file(int fd, const char *path, const char *who, int depth, struct judgement *judgement)
{
	char line[SCRIPT_LINE_MAX + 1];
	char *interpreter, *argument;
	struct elf_facts facts;
	ssize_t length;

	elf_read(fd, &facts);
	if (facts.kind != ELF_NOT)
		return judge_elf(&facts, who, path, judgement);
	length = pread(fd, line, SCRIPT_LINE_MAX, 0);
	if (length < 0)
		length = 0;
	line[length] = '\0';
	/* Without a #! line it is something for binfmt_misc, or text that execvp() gives to the shell. */
	judgement->is_binary = strcspn(line, "\n") < (size_t)length && strchr(line, '\n') == NULL;
	if (!parse_script(line, &interpreter, &argument))
		return true;
	return judge_script(interpreter, argument, path, depth, judgement);
}

static bool judge_file(const char *path, const char *who, int depth, struct judgement *judgement)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is_good;

	if (fd < 0) {
		/* A program may be executed without being read. */
		say(judgement, "%s%s cannot be read, so whether Weir can serve it is not known", who, path);
		return judge_privilege(who, path, judgement);
	}
	is_good = judge_open_file(fd, path, who, depth, judgement);
	close(fd);
	return is_good;
}

void judge_command(const char *command, struct judgement *judgement)
{
	judgement->status = 0;
	judgement->is_binary = false;
	judgement->path[0] = '\0';
	judgement->text[0] = '\0';
	if (find(command, "", judgement->path, EXIT_COMMAND_MISSING, judgement))
		judge_file(judgement->path, "", 0, judgement);
}
