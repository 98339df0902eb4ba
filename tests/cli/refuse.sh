#!/bin/sh
# refuse.sh -- weir run with programs that it cannot serve: each is refused with its reason, and not started.
# The last tests are those that look as if they could not be served, and can.

# shellcheck source=tests/cli/tap.sh
. "$(dirname "$0")/tap.sh"

cat >"$work/mark.c" <<'END'
#include <stdlib.h>
__attribute__((constructor)) static void mark(void) { setenv("MARK", "loaded", 1); }
END
cat >"$work/program.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void) { puts(getenv("MARK") ? "served" : "not served"); return 0; }
END
"$CC" -shared -fPIC -o "$work/mark.so" "$work/mark.c" || exit 1
"$CC" -o "$work/program" "$work/program.c" || exit 1

run()
{
	try "$WEIR" run --object "$work/mark.so" -- "$@"
}

# build NAME FLAGS...: false where this compiler cannot.
build()
{
	built=$1
	shift
	"$CC" "$@" -o "$work/$built" "$work/program.c" >/dev/null 2>&1
}

# patched NAME OFFSET OCTAL: the program with one byte changed.
patched()
{
	cp "$work/program" "$work/$1"
	printf '%b' "\\0$3" | dd of="$work/$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

script()
{
	printf '%s\n' "$2" 'echo started' >"$work/$1"
	chmod 755 "$work/$1"
}

run "$work/program"
gives "the program of these tests is served as it is" 0 served

# Not found, not executable

run no-such-command-here
says "a name that is not in PATH is not found" 127 'no-such-command-here is not in PATH'
run "$work/missing"
says "a path that does not exist is not found" 127 'missing does not exist'
run ''
says "an empty name is not found" 127 'not in PATH'
cp "$work/program" "$work/plain"
chmod 644 "$work/plain"
run "$work/plain"
says "a file without the x bit is not executable" 126 'plain is not executable'
PATH="$work:$PATH" run plain
says "a file in PATH without the x bit is not executable, rather than not found" 126 'plain is not executable'
run "$work"
says "a directory is refused" 126 'is a directory'
mkdir "$work/first" "$work/first/program"
PATH="$work/first:$work:$PATH" run program
gives "a directory in PATH is passed over for a program behind it" 0 served

# Programs that no loader preloads into

if build static -static; then
	run "$work/static"
	says "a static program is refused" 126 'static is statically linked'
	script static.sh "#!$work/static"
	run "$work/static.sh"
	says "a script of a static interpreter is refused" 126 'its interpreter .*static is statically linked'
else
	skip "a static program is refused" "$CC does not link -static"
fi
if build static-pie -static-pie; then
	run "$work/static-pie"
	says "a static program that can lie anywhere is refused" 126 'statically linked'
else
	skip "a static program that can lie anywhere is refused" "$CC does not link -static-pie"
fi

for kind in address:AddressSanitizer thread:ThreadSanitizer leak:LeakSanitizer; do
	name=${kind#*:}
	if build "sanitized" "-fsanitize=${kind%:*}"; then
		run "$work/sanitized"
		says "a program with $name is refused" 126 "is built with $name"
	else
		skip "a program with $name is refused" "$CC has no $name"
	fi
done
if build asan-inside -fsanitize=address -static-libasan; then
	run "$work/asan-inside"
	says "a program with AddressSanitizer linked in is refused" 126 'is built with AddressSanitizer'
	strip "$work/asan-inside"
	run "$work/asan-inside"
	# gcc's runtime exports no name of its own then, only the functions that it stands in front of.
	if grep -q 'is built with AddressSanitizer' "$work/stderr"; then
		says "a stripped program with AddressSanitizer linked in is refused" 126 'AddressSanitizer'
	else
		test "$status" -eq 0 && grep -q 'note: .* has a malloc of its own' "$work/stderr"
		ok $? "a stripped program with AddressSanitizer linked in is started with a note"
	fi
else
	skip "a program with AddressSanitizer linked in is refused" "$CC has no static libasan"
fi

build musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 || exit 1
run "$work/musl"
says "a program of another libc is refused" 126 'another libc, musl .*ld-musl-x86_64'
build loaderless -Wl,--dynamic-linker=/nowhere/ld-linux.so.2 || exit 1
run "$work/loaderless"
says "a program whose loader is missing is refused" 126 '/nowhere/ld-linux\.so\.2, which is not there'

patched machine 18 363 # 243, EM_RISCV; the high byte is zero
run "$work/machine"
says "a program for another machine is refused" 126 'another machine: RISC-V'
patched class 4 1
run "$work/class"
says "a program of another word size is refused" 126 'another machine: .*, 32 bits'
"$CC" -c -o "$work/program.o" "$work/program.c" && chmod 755 "$work/program.o"
run "$work/program.o"
says "an object file is refused" 126 'not a program'

# Programs that gain privileges

# Whether set-ID bits work here: we have to be root, on a file system and in a process that heed them.
set_id_works()
{
	test "$(id -u)" -eq 0 || return 1
	cp "$(command -v id)" "$work/id" && chown 65534:65534 "$work/id" && chmod 4755 "$work/id" &&
		test "$("$work/id" -u)" = 65534
}

if set_id_works; then
	cp "$work/program" "$work/setuid"
	chown 65534 "$work/setuid"
	chmod 4755 "$work/setuid"
	run "$work/setuid"
	says "a set-user-ID program is refused" 126 'is set-user-ID'
	chmod 4711 "$work/setuid"
	try setpriv --reuid 65533 --clear-groups "$WEIR" run --object "$work/mark.so" -- "$work/setuid"
	says "a set-user-ID program that cannot be read is refused" 126 'is set-user-ID'
	chown root "$work/setuid"
	chmod 4755 "$work/setuid"
	run "$work/setuid"
	gives "a set-user-ID program of one's own user is served" 0 served
	cp "$work/program" "$work/setgid"
	chown :65534 "$work/setgid"
	chmod 2755 "$work/setgid"
	run "$work/setgid"
	says "a set-group-ID program is refused" 126 'is set-group-ID'
	try setpriv --no-new-privs "$WEIR" run --object "$work/mark.so" -- "$work/setgid"
	gives "set-ID bits that the kernel will not heed do not matter" 0 served
	cp "$work/program" "$work/capable"
	if setcap cap_net_raw+ep "$work/capable" 2>"$work/stderr"; then
		try setpriv --reuid 65534 --clear-groups "$WEIR" run --object "$work/mark.so" -- "$work/capable"
		says "a program with file capabilities is refused" 126 'has file capabilities'
		run "$work/capable"
		gives "a program with file capabilities is served for root, who has them anyway" 0 served
	else
		skip "a program with file capabilities is refused" "setcap does not work here"
	fi
else
	skip "a set-user-ID program is refused" "set-user-ID files cannot be made here"
fi

# Scripts

script plain.sh '#!/bin/sh'
run "$work/plain.sh"
gives "a script of a served interpreter is started" 0 started
script spaced.sh "#!  $(command -v env)   sh  "
run "$work/spaced.sh"
gives "a script by way of env is started" 0 started
script split.sh "#!$(command -v env) -S -u HOME A=b sh -e"
run "$work/split.sh"
gives "a script by way of env -S is started" 0 started
script envmissing.sh "#!$(command -v env) no-such-command-here"
run "$work/envmissing.sh"
says "a script whose env has nothing to start is told so" 127 'its interpreter no-such-command-here is not in PATH'
script envstatic.sh "#!$(command -v env) musl"
PATH="$work:$PATH" run "$work/envstatic.sh"
says "a script by way of env is judged by the program that env starts" 126 'its interpreter .*musl is built for another libc'
script splitstatic.sh "#!$(command -v env) -S -u HOME A=b musl -e"
PATH="$work:$PATH" run "$work/splitstatic.sh"
says "a script by way of env -S is judged by the program that env starts" 126 'another libc'
script cleared.sh "#!$(command -v env) -S -i /bin/sh"
run "$work/cleared.sh"
says "a script whose env clears the environment is refused" 126 'clear the environment'
script nointerpreter.sh '#!/nowhere/sh'
run "$work/nointerpreter.sh"
says "a script without its interpreter is refused" 126 'its interpreter /nowhere/sh does not exist'
script round.sh "#!$work/round.sh"
run "$work/round.sh"
says "a script that is its own interpreter is refused" 126 'too many times'
printf 'echo started\n' >"$work/bare"
chmod 755 "$work/bare"
run "$work/bare"
gives "text without a #! line goes to the shell, as with execvp" 0 started
printf 'PK\003\004\000\000\000' >"$work/junk"
chmod 755 "$work/junk"
run "$work/junk"
says "a file that is neither a program nor text is refused" 126 'neither a program nor a script'

# Damaged files

crashed=
accepted=
length=4
while test "$length" -le 4096; do
	head -c "$length" "$work/program" >"$work/cut"
	chmod 755 "$work/cut"
	run "$work/cut"
	test "$status" -lt 128 || crashed="$crashed $length"
	test "$status" -eq 126 || accepted="$accepted $length"
	length=$((length + 61))
done
test -z "$crashed"
ok $? "a program cut short at 4 to 4096 bytes never crashes weir"
test -z "$accepted"
ok $? "a program cut short at 4 to 4096 bytes is refused"

# Programs that only look so

loader=$(readelf -l "$work/program" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
run "$loader" "$work/program"
gives "the loader started as a program is served, though nothing loads it" 0 served
cat >>"$work/program.c" <<'END'
void *malloc(size_t size) { static char heap[1 << 20]; static size_t used; void *p = heap + used; used += (size + 15) & ~15UL; return p; }
void free(void *p) { (void)p; }
END
build own -fno-builtin || exit 1
run "$work/own"
test "$status" -eq 0 && grep -q 'note: .*own has a malloc of its own' "$work/stderr"
ok $? "a program with a malloc of its own is started with a note"
if test "$(id -u)" -eq 0; then
	cp "$work/program" "$work/unreadable"
	chmod 711 "$work/unreadable"
	try setpriv --reuid 65534 --clear-groups "$WEIR" run --object "$work/mark.so" -- "$work/unreadable"
	test "$status" -eq 0 && grep -q 'note: .*cannot be read' "$work/stderr"
	ok $? "a program that may be executed but not read is started with a note"
else
	skip "a program that may be executed but not read is started with a note" "needs root to have another user"
fi

finish
