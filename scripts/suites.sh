# suites.sh -- what ./dev test runs, and how it counts.
# shellcheck shell=bash disable=SC2154
#
# Sourced by ./dev after setup.sh. A suite is a function suite_NAME; it hands its
# results to count() or is a make target whose summary run_make() reads. The last
# line is "N passed, N failed, N skipped" over everything, and the exit status is 0
# only when nothing failed. Each suite has a limit in seconds; what is still alive
# afterwards is found by a word in its environment and killed.
#
# There are two lanes, which run at once: what needs only build/, and what makes trees
# of its own. Much of the first one waits (for programs, clocks and signals) and most
# of the second one compiles. What the second lane says comes when the first is over.

suites_here=(unit lint cli fuzz contract preload stress leak programs)
suites_apart=(sabotage sanitizers aarch64 distcheck)
all_suites=("${suites_here[@]}" "${suites_apart[@]}")

passed=0 failed=0 skipped=0

count()
{
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

# result ok|fail|skip NAME [WHY]
result()
{
	case $1 in
	ok) count 1 0 0 ;;
	fail) count 0 1 0 ;;
	skip) count 0 0 1 ;;
	esac
	printf '  %-5s %s%s\n' "$1" "$2" "${3:+ ($3)}"
}

# Whatever carries our word was started by us, however often it has forked.
kill_leftovers()
{
	local environ pid environs
	# Listed before grep starts, so that grep does not find itself.
	environs=(/proc/[0-9]*/environ)
	while read -r environ; do
		pid=${environ#/proc/}
		pid=${pid%/environ}
		if [ "$pid" != $$ ] && kill -KILL "$pid" 2>/dev/null; then
			say "killed what a test left behind: process $pid"
		fi
	done < <(grep -lszx "DEV_TEST_RUN=$DEV_TEST_RUN" "${environs[@]}" 2>/dev/null)
	return 0
}

# Shows each test program once when it begins, and each result that is not a pass.
show_progress()
{
	awk '
	/^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR): / {
		if (!seen[$2]++) { print "  " $2; fflush() }
		if ($1 != "PASS:" && $1 != "XFAIL:") { print "    " $0; fflush() }
	}'
}

# The logs of the tests that failed, as named in the output LOG of a make in DIR.
show_failures()
{
	local dir=$1 log=$2 test
	sed -nE 's/^(FAIL|ERROR|XPASS): ([^ ]+).*/\2/p' "$log" | sort -u | while read -r test; do
		test=${test%.sh}
		test=${test%.py}
		echo "--- $dir/$test.log"
		grep -vE '^(ok|PASS:|XFAIL:|FAIL:) ' "$dir/$test.log" | tail -n 150
	done
}

# run_make DIR TARGET LIMIT [ARGS]: a check target, its counts from its summary
run_make()
{
	local dir=$1 target=$2 limit=$3 log status=0 make_pid p f s began=$SECONDS
	shift 3
	log=.dev/log/$target-$dir
	mkdir -p .dev/log
	: >"$log"
	# To a file, not a pipe: a process that a test leaves behind must not keep us waiting.
	timeout -k 20 "$limit" make -C "$dir" -j"$JOBS" "$target" "$@" </dev/null >"$log" 2>&1 &
	make_pid=$!
	tail -n +1 -s 0.2 -f --pid=$make_pid "$log" | show_progress
	wait $make_pid || status=$?
	kill_leftovers
	read -r p f s < <(awk '/^# (PASS|XFAIL|FAIL|XPASS|ERROR|SKIP): +[0-9]+$/ { n[$2] = $3 }
		END { print n["PASS:"] + n["XFAIL:"], n["FAIL:"] + n["XPASS:"] + n["ERROR:"], n["SKIP:"] + 0 }' "$log")
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		echo "  FAIL  $target in $dir was killed after $limit s"
		f=$((f + 1))
		tail -n 20 "$log"
	elif [ "$status" != 0 ] && [ "$f" = 0 ]; then
		echo "  FAIL  make $target in $dir failed"
		f=1
		tail -n 60 "$log"
	elif [ $((p + f + s)) = 0 ]; then
		echo "  FAIL  make $target in $dir ran no test"
		f=1
	fi
	[ "$f" = 0 ] || show_failures "$dir" "$log"
	count "$p" "$f" "$s"
	echo "  $target in $dir: $p passed, $f failed, $s skipped, $((SECONDS - began)) s"
}

suite_unit() { run_make build check-unit 600; }
suite_lint()
{
	install_missing "${packages_lint[@]}" || true
	run_make build check-lint 1200
}
suite_cli() { run_make build check-cli 360; }
suite_fuzz() { run_make build check-fuzz 120; }
suite_contract() { run_make build check-contract 900; }
# The fork storms are 500 forks by default; here the short form.
suite_preload() { TEST_FORKS=${TEST_FORKS:-150} run_make build check-preload 1200; }
suite_stress() { run_make build check-stress 900; }
# Processes that mostly sleep: all at once.
suite_leak()
{
	install_missing "${packages_programs[@]}" || true
	CI=true run_make build check-leak 600
}
suite_programs()
{
	install_missing "${packages_programs[@]}" || true
	# A program that is not installed is a failure here, not a skip.
	CI=true run_make build check-programs 1800
}
suite_sabotage() { run_make build check-sabotage 1800; }

# UBSan bears being preloaded; ASan and TSan see what links to src/.
suite_sanitizers()
{
	local fixed_addresses=()
	# gcc's TSan dies where addresses are more random than it knows of.
	if setarch -R true 2>/dev/null; then
		fixed_addresses=(EMULATOR='setarch -R')
	fi
	if sanitized build-ubsan undefined; then
		run_make build-ubsan check-unit 600
		run_make build-ubsan check-contract 900
		TEST_FORKS=40 run_make build-ubsan check-preload 1200
	fi
	if sanitized build-asan address; then
		run_make build-asan check-unit 900
		run_make build-asan check-fuzz 240
		run_make build-asan check-stress 900
	fi
	if sanitized build-tsan thread; then
		# What one thread does it only has to run.
		TEST_SEQUENCES=300 CK_TIMEOUT_MULTIPLIER=15 run_make build-tsan check-unit 1200 "${fixed_addresses[@]}"
		run_make build-tsan check-stress 900 "${fixed_addresses[@]}"
	fi
}

# No -Werror: the sanitizers' instrumentation makes gcc warn of what is not there.
sanitized()
{
	if build_tree "$1" --enable-long-tests --enable-sanitizers="$2" CFLAGS='-g -O1'; then
		result ok "the tree builds with -fsanitize=$2"
	else
		result fail "the tree builds with -fsanitize=$2"
		return 1
	fi
}

# jemalloc, Check, jansson, zlib and ncurses for arm64 come from Debian into a directory of our own, so
# that the machine's dpkg learns no second architecture.
sysroot=$PWD/.dev/aarch64
sysroot_packages=(libjemalloc-dev libjemalloc2 check libsubunit-dev libsubunit0 libjansson-dev libjansson4 zlib1g-dev zlib1g libncurses-dev libncursesw6 libtinfo6 libstdc++6)
get_sysroot()
{
	local apt=$PWD/.dev/apt-aarch64 deb
	[ "$(cat "$sysroot/.complete" 2>/dev/null)" != "${sysroot_packages[*]}" ] || return 0
	rm -rf "$apt" "$sysroot"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$sysroot"
	: >"$apt/status"
	local options=(-qq -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
		-o Dir::Cache="$apt/cache" -o APT::Architecture=arm64 -o APT::Architectures=arm64
		-o Acquire::Languages=none)
	if [ "$(id -u)" = 0 ]; then
		options+=(-o APT::Sandbox::User=root)
	fi
	(cd "$apt" && apt-get "${options[@]}" update && apt-get "${options[@]}" download "${sysroot_packages[@]}") \
		>.dev/log/aarch64-apt 2>&1 || return 1
	for deb in "$apt"/*.deb; do
		dpkg-deb -x "$deb" "$sysroot" || return 1
	done
	rm -rf "$apt"
	echo "${sysroot_packages[*]}" >"$sysroot/.complete"
}

suite_aarch64()
{
	# ncurses is in /lib, and its linker script names it without a folder.
	local libraries=$sysroot/usr/lib/aarch64-linux-gnu others=$sysroot/lib/aarch64-linux-gnu qemu
	mkdir -p .dev/log
	if ! install_missing "${packages_aarch64[@]}"; then
		result skip "the tree builds for aarch64" "no cross compiler or qemu-user"
		return 0
	fi
	if ! get_sysroot; then
		result skip "the tree builds for aarch64" "no arm64 packages of jemalloc and Check to be had"
		return 0
	fi
	export PKG_CONFIG_SYSROOT_DIR=$sysroot PKG_CONFIG_LIBDIR=$libraries/pkgconfig
	# A cross-compiled weir cannot print the man page's table here; the native one has.
	if [ -e build/man/settings.mdoc ]; then
		mkdir -p build-aarch64/man
		cp build/man/settings.mdoc build-aarch64/man/
	fi
	if build_tree build-aarch64 --host=aarch64-linux-gnu --enable-werror --disable-symbols LDFLAGS="-L$others -Wl,-rpath-link,$libraries:$others"; then
		result ok "the tree builds for aarch64"
		qemu="qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$libraries:$others"
		TEST_BRIEF=yes TEST_EMULATED=yes CK_TIMEOUT_MULTIPLIER=15 run_make build-aarch64 check-unit 1200 EMULATOR="$qemu"
	else
		result fail "the tree builds for aarch64"
	fi
	unset PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
}

# The tarball builds, passes, installs and uninstalls elsewhere, from a read-only
# tree, and holds what the repository holds.
suite_distcheck()
{
	local began=$SECONDS
	rm -f build/weir-*.tar.xz
	# Its tests are those of build, which run whole beside it.
	if TEST_BRIEF=yes TEST_FORKS=20 quietly .dev/log/distcheck timeout -k 20 1500 \
		make -C build -j"$JOBS" distcheck DISTCHECK_CONFIGURE_FLAGS=--enable-werror; then
		result ok "make distcheck, with installcheck" "$((SECONDS - began)) s"
	else
		result fail "make distcheck, with installcheck" "the log is .dev/log/distcheck"
	fi
	kill_leftovers
	if [ ! -e .git ] || ! command -v git >/dev/null; then
		result skip "the tarball holds every file of the repository" "not a git checkout"
	elif git -c safe.directory="$PWD" ls-files | grep -vxE '(.*/)?\.gitignore' | LC_ALL=C sort >.dev/in-git &&
		tar -tf build/weir-*.tar.xz | sed 's|^[^/]*/||' | LC_ALL=C sort >.dev/in-tarball &&
		[ -z "$(LC_ALL=C comm -23 .dev/in-git .dev/in-tarball)" ]; then
		result ok "the tarball holds every file of the repository"
	else
		result fail "the tarball holds every file of the repository"
		LC_ALL=C comm -23 .dev/in-git .dev/in-tarball | sed 's/^/        missing: /'
	fi
}

# The tests of this run that cost most, by what the last lines of their logs say; all of them go to .dev/log/took.
show_longest()
{
	find build build-* -path '*/tests/*' -name '*.log' -newer .dev/log/began -exec grep -aH '^# took' {} + 2>/dev/null |
		sed -nE 's/^([^:]*)\.log:# took ([0-9.]+) s: ([0-9.]+) s of user, ([0-9.]+) s of .*/\1 \2 \3 \4/p' |
		awk '{ printf "%8.1f s, %7.1f s of processors  %s\n", $2, $3 + $4, $1 }' | sort -k3,3nr >.dev/log/took
	say "what cost most (more in .dev/log/took):"
	head -n 8 .dev/log/took >&2
}

# run_lane NAME SUITE...: those of them that are wanted; the counts are left in a file
run_lane()
{
	local lane=$1 suite
	shift
	passed=0 failed=0 skipped=0
	export DEV_TEST_RUN=$DEV_TEST_RUN.$lane
	trap 'kill_leftovers; exit 130' INT TERM
	for suite in "$@"; do
		[[ " ${wanted[*]} " == *" $suite "* ]] || continue
		echo "$suite"
		"suite_$suite"
	done
	echo "$passed $failed $skipped" >".dev/log/lane-$lane"
}

# What the suites of both lanes install, so that they do not do it at once.
install_for_suites()
{
	local suite
	for suite in "${wanted[@]}"; do
		case $suite in
		lint) install_missing "${packages_lint[@]}" || true ;;
		programs | leak) install_missing "${packages_programs[@]}" || true ;;
		aarch64) install_missing "${packages_aarch64[@]}" || true ;;
		esac
	done
}

run_suites()
{
	local suite lane lanes=() began=$SECONDS
	wanted=("$@")
	[ $# -gt 0 ] || wanted=("${all_suites[@]}")
	for suite in "${wanted[@]}"; do
		if [[ " ${all_suites[*]} " != *" $suite "* ]]; then
			say "no such suite: $suite; there are: ${all_suites[*]}"
			exit 2
		fi
	done
	DEV_TEST_RUN=$$.$(date +%s)
	need_packages "${packages_build[@]}" "${packages_tests[@]}"
	install_for_suites
	# Whole, before two lanes run make in it: of two that compile one object the other links half of it.
	if build_tree build && build_tests build; then
		result ok "the tree builds without a warning"
		mkdir -p .dev/log
		rm -f .dev/log/lane-*
		touch .dev/log/began
		(run_lane apart "${suites_apart[@]}") >.dev/log/apart 2>&1 &
		lanes+=($!)
		(run_lane here "${suites_here[@]}") &
		lanes+=($!)
		trap 'kill -TERM "${lanes[@]}" 2>/dev/null; wait; exit 130' INT TERM
		wait "${lanes[1]}" || true
		wait "${lanes[0]}" || true
		trap - INT TERM
		cat .dev/log/apart
		for lane in here apart; do
			local p=0 f=1 s=0
			read -r p f s <".dev/log/lane-$lane" ||
				echo "  FAIL  the lane of suites \"$lane\" ended before its time"
			count "$p" "$f" "$s"
		done
		show_longest
	else
		result fail "the tree builds without a warning"
	fi
	say "took $((SECONDS - began)) s"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
}
