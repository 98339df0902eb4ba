#!/bin/bash
# run.sh -- each patch in this folder breaks one mechanism, and a test must see it.
#
# run.sh [WORD]...   only the patches whose name holds one of the words
#
# A patch's head says in a line or more what it breaks, and then
#
#	Must-fail: [NAME=VALUE]... PROGRAM [ARGUMENT]...: CASE
#
# PROGRAM is a test program or script as the tree names it, CASE the test in it,
# whole, as its TAP says. There may be more than one such line. Where the program
# may be gone before it can say "not ok", the head has the line
#
#	Ends: abnormally
#
# and then a case that is not reported, or a run that is ended, counts as a failure. Such
# a run, which may hang for good, has ten seconds and ten times what it takes without the patch.
# A patch that does not apply, a tree that does not build with it, and a case that
# does not pass without it are failures, too. The tree is the one of the tarball
# (make distdir), configured and built once. There each command is run once for all
# patches that name it; then each worker takes one patch after the other into a copy of
# its own, which afterwards is made again what the first one is, file by file.
test_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/common/tap.sh
. "$test_dir/../common/tap.sh"

jobs=${JOBS:-$(nproc)}
limit=${TEST_SABOTAGE_SECONDS:-240}
words=("$@")
# Flags and the job server of the make that runs us are not for ours.
unset MAKEFLAGS MAKELEVEL MFLAGS

is_wanted()
{
	local word
	[ "${#words[@]}" -eq 0 ] && return 0
	for word in "${words[@]}"; do
		[[ $1 == *"$word"* ]] && return 0
	done
	return 1
}

# field NAME PATCH: what the head says after "NAME: ", a line each
field()
{
	sed -n "/^--- /q; s/^$1: //p" "$2"
}

# The folder that holds src/ and build/, of the tree as it is.
prepare()
{
	mkdir -p "$base/build" || return 1
	make -s -C "$build_dir" distdir distdir="$base/src" top_distdir="$base/src" || return 1
	# Optimized as users have it; without debug information, since it is copied often.
	(cd "$base/build" && ../src/configure -q --disable-maintainer-mode CC="${TEST_CC:-gcc}" CXX="${TEST_CXX:-g++}" \
		CFLAGS=-O2 CXXFLAGS=-O2) || return 1
	make -s -C "$base/build" -j"$jobs" check TESTS= || return 1
}

# Settings, program and arguments of a command: into settings, program, arguments.
parse()
{
	local command
	read -r -a command <<<"$1"
	settings=()
	while [[ ${command[0]:-} == *=* ]]; do
		settings+=("${command[0]}")
		command=("${command[@]:1}")
	done
	program=${command[0]:-}
	arguments=("${command[@]:1}")
}

# build DIR: what the command needs of a tree that was built before a patch
build()
{
	local target=libweir-preload.so
	case $program in
	tests/unit/*) target=$program ;;
	# It looks at its program by weir, too.
	tests/preload/library.sh) make -s -C "$1/build" -j"$jobs" weir || return 1 ;;
	tests/contract/*.sh | tests/preload/*.sh | tests/preload/*.py) ;;
	tests/cli/guest.py) make -s -C "$1/build" -j"$jobs" weir tests/cli/waits || return 1 ;;
	tests/cli/*.sh) make -s -C "$1/build" -j"$jobs" weir || return 1 ;;
	*) make -s -C "$1/build" -j"$jobs" "$program" || return 1 ;;
	esac
	make -s -C "$1/build" -j"$jobs" "$target"
}

# run DIR SECONDS: TAP to $scratch/tap; the command's own files are the worker's
run()
{
	local source=$1/src build=$1/build dumps=$scratch/dumps
	local preload=$build/libweir-preload.so
	local environment=(TEST_DUMPS="$dumps" CK_TAP_LOG_FILE_NAME=- CK_VERBOSITY=silent)
	local command=("$build/$program")
	rm -rf "$dumps"
	mkdir "$dumps"
	case $program in
	*.sh | *.py)
		environment+=(abs_top_srcdir="$source" abs_top_builddir="$build" TEST_OBJECT="$preload" TEST_ALLOCATORS=weir
			TEST_SOURCE_DIR="$source" TEST_BUILD_DIR="$build" TEST_WEIR="$build/weir")
		command=(bash "$source/$program")
		[[ $program == *.py ]] && command=(/usr/bin/python3 "$source/$program")
		;;
	tests/contract/* | tests/preload/*)
		environment+=(LD_PRELOAD="$preload" WEIR_DUMP="$dumps/%e.%p.%n")
		command+=(--under weir --expect "${preload##*/}")
		;;
	esac
	timeout -k 5 "$2" env "${environment[@]}" "${settings[@]+"${settings[@]}"}" \
		"${command[@]}" "${arguments[@]+"${arguments[@]}"}" >"$scratch/tap" 2>"$scratch/err" </dev/null
	run_status=$?
}

# What the TAP says of a case: pass, fail or nothing. Check names a looped case many times.
verdict()
{
	awk -v wanted="$1" '
	/^(not )?ok [0-9]+ - / {
		is_bad = /^not /
		if (/ # SKIP/)
			next
		sub(/^(not )?ok [0-9]+ - /, "")
		at = length($0) - length(wanted) + 1
		if ($0 == wanted || index($0, ":" wanted ":") > 0 ||
		    (at > 2 && substr($0, at) == wanted && substr($0, at - 2, 2) == ": ")) {
			bad += is_bad
			all++
		}
	}
	END { print (all == 0 ? "nothing" : bad == 0 ? "pass" : "fail") }' "$scratch/tap"
}

why()
{
	{
		echo "$1 (exit status $run_status)"
		tail -n 20 "$scratch/tap"
		head -n 10 "$scratch/err"
	} >"$scratch/why"
}

# as_it_is COMMAND: where the files are that say how it ends in the tree as it is
as_it_is()
{
	local sum
	sum=$(echo "$1" | cksum)
	echo "$base/of.${sum// /.}"
}

# try_as_it_is COMMAND: all is built there
try_as_it_is()
{
	local to began=$SECONDS
	to=$(as_it_is "$1")
	parse "$1"
	run "$base" "$limit"
	mv "$scratch/tap" "$to.tap"
	mv "$scratch/err" "$to.err"
	echo "$run_status $((SECONDS - began))" >"$to.status"
}

# must_pass COMMAND CASE: in the tree as it is
must_pass()
{
	local from
	from=$(as_it_is "$1")
	cp "$from.tap" "$scratch/tap"
	cp "$from.err" "$scratch/err"
	read -r run_status run_seconds <"$from.status"
	[ "$(verdict "$2")" = pass ] || {
		why "as it is, the case should pass"
		return 1
	}
}

# must_fail PATCH DIR COMMAND CASE
must_fail()
{
	local found seconds=$limit
	parse "$3"
	if ! must_pass "$3" "$4"; then
		not_ok "$1: without it, $program passes: $4" "$scratch/why"
		return
	fi
	if ! build "$2" >"$scratch/log" 2>&1; then
		not_ok "$1: the tree builds with it" "$scratch/log"
		return
	fi
	if [ -n "$ends" ] && [ $((10 + 10 * run_seconds)) -lt "$limit" ]; then
		seconds=$((10 + 10 * run_seconds))
	fi
	run "$2" "$seconds"
	found=$(verdict "$4")
	if [ "$found" = nothing ] && [ -n "$ends" ]; then
		[ "$run_status" -eq 0 ] || found=fail
	fi
	if [ "$found" = fail ]; then
		ok "$1: $program sees it: $4"
	else
		why "with the patch the case says: $found"
		not_ok "$1: $program sees it: $4" "$scratch/why"
	fi
}

# files DIR [TESTS OF FIND]
files()
{
	(cd "$1" && find . ! -type d "${@:2}" | LC_ALL=C sort)
}

# restore DIR: what is newer there than its start goes or is again as in the base, its time, too; what is gone comes back.
restore()
{
	local file
	while read -r file; do
		if [ -e "$base/$file" ]; then
			cp -p "$base/$file" "$1/$file" || return 1
		else
			rm "$1/$file" || return 1
		fi
	done < <(
		files "$1" -newer "$scratch/start"
		LC_ALL=C comm -23 "$shared/files" <(files "$1")
	)
}

sabotage()
{
	local patch=$1 name dir=$scratch/tree line began=$SECONDS
	name=$(basename "$patch" .patch)
	mapfile -t lines < <(field Must-fail "$patch")
	ends=$(field Ends "$patch")
	if [ "${#lines[@]}" -eq 0 ] || [[ $(head -n 1 "$patch") != *[a-z]*. ]]; then
		not_ok "$name: the head says what it breaks and what must fail"
		return
	fi
	restore "$dir" || exit 99
	if ! patch -d "$dir/src" -p1 -N --no-backup-if-mismatch <"$patch" >"$scratch/log" 2>&1; then
		not_ok "$name: it applies" "$scratch/log"
		return
	fi
	for line in "${lines[@]}"; do
		must_fail "$name" "$dir" "${line%%: *}" "${line#*: }"
	done
	echo "# $name took $((SECONDS - began)) s"
}

command -v patch >/dev/null || skip_all 'patch is not installed'
base=$scratch/base
if ! prepare >"$scratch/log" 2>&1; then
	tail -n 30 "$scratch/log" >"$scratch/why"
	not_ok 'the tree as it is builds' "$scratch/why"
	plan
	exit 1
fi
wanted=()
for patch in "$test_dir"/*.patch; do
	is_wanted "$(basename "$patch" .patch)" && wanted+=("$patch")
done
mapfile -t commands < <(for patch in "${wanted[@]}"; do field Must-fail "$patch"; done | sed 's/: .*//' | LC_ALL=C sort -u)

# next_of COUNT: into i the number of the next piece of work, which no other worker gets
next_of()
{
	{
		flock 9
		i=$(cat "$shared/next")
		echo $((i + 1)) >"$shared/next"
	} 9>>"$shared/lock"
	[ "$i" -lt "$1" ]
}

work_as_it_is()
{
	while next_of ${#commands[@]}; do
		try_as_it_is "${commands[i]}"
	done
}

# What may hang, then what takes long without its patch: none of them is to be the last that all wait for.
longest_first()
{
	local patch command seconds
	for patch in "${wanted[@]}"; do
		seconds=$([ -z "$(field Ends "$patch")" ] || echo 100)
		while read -r command; do
			read -r _ run_seconds <"$(as_it_is "${command%%: *}").status"
			seconds=$((seconds + run_seconds))
		done < <(field Must-fail "$patch")
		echo "${seconds:-0} $patch"
	done | sort -k1,1nr -s | cut -d ' ' -f 2-
}

work_with_patches()
{
	# A copy has the times of what it is of.
	cp -a "$base" "$scratch/tree" && chmod -R u+w "$scratch/tree/src" || exit 99
	# The first change is a tick of the file system's clock later, or more.
	touch "$scratch/start" && sleep 0.1
	while next_of ${#wanted[@]}; do
		sabotage "${wanted[i]}"
	done
	plan
}

as_worker()
{
	scratch=$shared/$1 tap_count=0 tap_bad=0
	mkdir -p "$scratch" && "$2"
}

# all_workers FUNCTION: at once, each in a folder of its own; what they say to $shared/tap.K
all_workers()
{
	local k
	echo 0 >"$shared/next"
	for ((k = 0; k < workers; k++)); do
		(trap - EXIT && as_worker "$k" "$1") >"$shared/tap.$k" 2>&1 &
	done
	wait
}

# A patch is mostly one file to compile and some to link, which uses one processor, and a test that often waits.
shared=$scratch
workers=$((jobs > 3 ? 4 : jobs + 1))
jobs=2
all_workers work_as_it_is
files "$base" >"$shared/files"
mapfile -t wanted < <(longest_first)
all_workers work_with_patches
for ((k = 0; k < workers; k++)); do
	status=0
	grep -q '^1\.\.' "$scratch/tap.$k" || status=1
	[ "$(tail -n 1 "$scratch/tap.$k")" = 1..0 ] || retell "$((k + 1))" "$scratch/tap.$k" "$status"
done
plan
