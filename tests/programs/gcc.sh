#!/bin/bash
# gcc.sh -- g++ makes the same object files from C++ with <iostream>, <regex>, <map>
# and <thread> under the preload object as without it, the linker the same program;
# and that program, threads, exceptions, operator new and all, prints the same.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
needs g++ g++

cat >"$TMP/main.cc" <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <regex>
#include <string>
#include <thread>
#include <vector>

struct alignas(256) wide {
	unsigned char bytes[8192];
};

static unsigned long work(unsigned seed)
{
	std::map<std::string, std::vector<unsigned>> words;
	std::regex word("([a-z]+)([0-9]+)");
	std::string text;
	for (unsigned i = 0; i < 400; i++) {
		seed = seed * 1103515245u + 12345u;
		text += "ab"[seed >> 8 & 1] + std::string(1 + (seed >> 9) % 3, 'c') + std::to_string(seed % 997) + " ";
	}
	for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at)
		words[(*at)[1]].push_back(std::stoul((*at)[2]));
	unsigned long sum = 0;
	for (auto &entry : words)
		sum = sum * 31 + std::accumulate(entry.second.begin(), entry.second.end(), entry.first.size());
	for (unsigned i = 1; i < 200; i++) {
		std::unique_ptr<wide[]> aligned(new wide[i % 20 + 1]());
		std::unique_ptr<unsigned char[]> plain(new unsigned char[i * 5000]);
		if (reinterpret_cast<unsigned long>(aligned.get()) % alignof(wide) != 0)
			return 0;
		std::fill_n(plain.get(), i * 5000, i & 0xff);
		sum += plain[i * 5000 - 1] + aligned[0].bytes[8191];
	}
	return sum;
}

int main()
{
	std::vector<unsigned long> sums(8);
	std::vector<std::thread> threads;
	for (unsigned i = 0; i < sums.size(); i++)
		threads.emplace_back([&sums, i] { sums[i] = work(i); });
	for (auto &thread : threads)
		thread.join();
	for (auto sum : sums)
		std::cout << sum << '\n';
	try {
		std::size_t most = static_cast<std::size_t>(-1) / 2;
		std::cout << static_cast<void *>(::operator new(most)) << '\n';
	} catch (const std::bad_alloc &error) {
		std::cout << error.what() << '\n';
	}
	std::cout << (::operator new(static_cast<std::size_t>(-1) / 2, std::nothrow) == nullptr) << '\n';
}
END
# The folder has the same name for both, so that names inside the files are equal.
build() { # MODE
	local flags status=0
	mkdir "$TMP/build" && cp "$TMP/main.cc" "$TMP/build" && cd "$TMP/build" || return
	for flags in "-O0 -g" "-O2 -pipe"; do
		# shellcheck disable=SC2086 # flags are words
		"$1" g++ -std=c++17 $flags -frandom-seed=1 -c main.cc -o "main${flags// /}.o" || status=$?
	done
	"$1" g++ -std=c++17 -O2 -pthread -Wl,--build-id=none "main-O2-pipe.o" -o program || status=$?
	cd "$TMP" && mv build "$1"
	return "$status"
}
check "g++ works here without the object" build plain
WEIR_DUMP_AT_EXIT=on build under 2>"$TMP/under.err"
same "compiler, assembler and linker end with status 0" 0 "$?"
same "the same object files and program" "$(tree_sha "$TMP/plain")" "$(tree_sha "$TMP/under")"
check_dump "the compiler itself ran under the object" exit cc1plus '*' 2 100
plain "$TMP/plain/program" >"$TMP/plain.out"
under "$TMP/under/program" >"$TMP/under.out" 2>>"$TMP/under.err"
same "a C++ program of eight threads ends with status 0" 0 "$?"
same "and prints the same" "$(cat "$TMP/plain.out")" "$(cat "$TMP/under.out")"
check "with bad_alloc where memory cannot be had" grep -q bad_alloc "$TMP/under.out"

check_quiet "$TMP/under.err"
finish
