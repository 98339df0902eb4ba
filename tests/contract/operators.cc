/*
 * operators.cc -- the contract of C++'s 20 allocation functions.
 *
 * Memory of every form is freed by every form that may free it, so an object
 * that replaces some of them and leaves others to libstdc++ is found. Each
 * function is also looked for by name: under Weir all 20 are Weir's own.
 * Prints TAP; takes --under and --expect as the C program does.
 */
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <malloc.h>
#include <stdlib.h>

namespace
{

constexpr std::size_t sizes[] = { 0,	 1,	8,     16,    100,    4095,	 4096,	      4097,
				  16384, 20000, 65536, 100000, 1048575, 1048576, 1048577, std::size_t(3) << 20 };
constexpr std::size_t alignments[] = { 16, 32, 64, 256, 4096, 8192, 65536, 1048576 };

std::string under = "libc";

/* Larger than any object may be, and larger than any machine. */
const volatile std::size_t huge[] = { SIZE_MAX - 8192, SIZE_MAX / 4 * 3, std::size_t(PTRDIFF_MAX) + 1,
				      std::size_t(1) << 62, SIZE_MAX };

/* libstdc++ 12's aligned forms round this up to 0 bytes. */
bool is_rounded_to_nothing(std::size_t size)
{
	return size == SIZE_MAX && under == "libc";
}

unsigned test_count, bad_count;
bool has_failed;

__attribute__((format(printf, 2, 3))) void expect(bool holds, const char *format, ...)
{
	if (holds)
		return;
	has_failed = true;
	std::va_list args;
	va_start(args, format);
	std::fputs("# not true: ", stdout);
	std::vprintf(format, args);
	std::fputc('\n', stdout);
	va_end(args);
}

void run(const char *name, void (*test)())
{
	has_failed = false;
	test();
	std::printf("%s %u - %s\n", has_failed ? "not ok" : "ok", ++test_count, name);
	std::fflush(stdout);
	bad_count += has_failed;
}

const char *const names[] = {
	"_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "_ZnwmSt11align_val_t",
	"_ZnamSt11align_val_t", "_ZnwmSt11align_val_tRKSt9nothrow_t", "_ZnamSt11align_val_tRKSt9nothrow_t",
	"_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_ZdlPvRKSt9nothrow_t", "_ZdaPvRKSt9nothrow_t",
	"_ZdlPvSt11align_val_t", "_ZdaPvSt11align_val_t", "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t",
	"_ZdlPvSt11align_val_tRKSt9nothrow_t", "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

const char *expected_object;

void all_20_operators_come_from_the_expected_object()
{
	for (const char *name : names) {
		Dl_info info;
		void *symbol = dlsym(RTLD_DEFAULT, name);
		if (symbol == nullptr || dladdr(symbol, &info) == 0) {
			expect(false, "%s is not found", name);
			continue;
		}
		std::size_t got = std::strlen(info.dli_fname), wanted = std::strlen(expected_object);
		expect(got >= wanted && std::strcmp(info.dli_fname + got - wanted, expected_object) == 0,
		       "%s comes from %s", name, info.dli_fname);
	}
}

struct form {
	const char *name;
	void *(*allocate)(std::size_t);
	void (*release)(void *, std::size_t);
};

const form forms[] = {
	{ "new and delete", [](std::size_t n) { return ::operator new(n); },
	  [](void *p, std::size_t) { ::operator delete(p); } },
	{ "new and sized delete", [](std::size_t n) { return ::operator new(n); },
	  [](void *p, std::size_t n) { ::operator delete(p, n); } },
	{ "nothrow new and delete", [](std::size_t n) { return ::operator new(n, std::nothrow); },
	  [](void *p, std::size_t) { ::operator delete(p); } },
	{ "nothrow new and nothrow delete", [](std::size_t n) { return ::operator new(n, std::nothrow); },
	  [](void *p, std::size_t) { ::operator delete(p, std::nothrow); } },
	{ "new[] and delete[]", [](std::size_t n) { return ::operator new[](n); },
	  [](void *p, std::size_t) { ::operator delete[](p); } },
	{ "new[] and sized delete[]", [](std::size_t n) { return ::operator new[](n); },
	  [](void *p, std::size_t n) { ::operator delete[](p, n); } },
	{ "nothrow new[] and delete[]", [](std::size_t n) { return ::operator new[](n, std::nothrow); },
	  [](void *p, std::size_t) { ::operator delete[](p); } },
	{ "nothrow new[] and nothrow delete[]", [](std::size_t n) { return ::operator new[](n, std::nothrow); },
	  [](void *p, std::size_t) { ::operator delete[](p, std::nothrow); } },
	/* The default operators are malloc and free, and programs rely on it. */
	{ "new and free", [](std::size_t n) { return ::operator new(n); }, [](void *p, std::size_t) { free(p); } },
	{ "malloc and delete", [](std::size_t n) { return malloc(n); },
	  [](void *p, std::size_t) { ::operator delete(p); } },
};

struct aligned_form {
	const char *name;
	void *(*allocate)(std::size_t, std::align_val_t);
	void (*release)(void *, std::size_t, std::align_val_t);
};

using alignment = std::align_val_t;

const aligned_form aligned_forms[] = {
	{ "aligned new and delete", [](std::size_t n, alignment a) { return ::operator new(n, a); },
	  [](void *p, std::size_t, alignment a) { ::operator delete(p, a); } },
	{ "aligned new and sized delete", [](std::size_t n, alignment a) { return ::operator new(n, a); },
	  [](void *p, std::size_t n, alignment a) { ::operator delete(p, n, a); } },
	{ "aligned nothrow new and nothrow delete",
	  [](std::size_t n, alignment a) { return ::operator new(n, a, std::nothrow); },
	  [](void *p, std::size_t, alignment a) { ::operator delete(p, a, std::nothrow); } },
	{ "aligned new[] and delete[]", [](std::size_t n, alignment a) { return ::operator new[](n, a); },
	  [](void *p, std::size_t, alignment a) { ::operator delete[](p, a); } },
	{ "aligned new[] and sized delete[]", [](std::size_t n, alignment a) { return ::operator new[](n, a); },
	  [](void *p, std::size_t n, alignment a) { ::operator delete[](p, n, a); } },
	{ "aligned nothrow new[] and nothrow delete[]",
	  [](std::size_t n, alignment a) { return ::operator new[](n, a, std::nothrow); },
	  [](void *p, std::size_t, alignment a) { ::operator delete[](p, a, std::nothrow); } },
};

void every_form_gives_writable_memory_and_takes_it_back()
{
	for (const form &f : forms)
		for (std::size_t size : sizes)
			for (int round = 0; round < 3; round++) {
				void *p = f.allocate(size), *q = f.allocate(size);
				expect(p != nullptr && q != nullptr && p != q, "%s of %zu bytes", f.name, size);
				expect(malloc_usable_size(p) >= size, "%s of %zu bytes: usable %zu", f.name, size,
				       malloc_usable_size(p));
				std::memset(p, 0x11, size);
				std::memset(q, 0x22, size);
				for (std::size_t i = 0; i < size; i++)
					if (static_cast<unsigned char *>(p)[i] != 0x11) {
						expect(false, "%s of %zu bytes: byte %zu", f.name, size, i);
						break;
					}
				f.release(p, size);
				f.release(q, size);
			}
}

void every_aligned_form_meets_every_alignment()
{
	for (const aligned_form &f : aligned_forms)
		for (std::size_t a : alignments)
			for (std::size_t size : sizes) {
				void *p = f.allocate(size, alignment(a));
				expect(p != nullptr && reinterpret_cast<std::uintptr_t>(p) % a == 0,
				       "%s of %zu bytes at %zu: %p", f.name, size, a, p);
				if (p != nullptr)
					std::memset(p, 0x33, size);
				f.release(p, size, alignment(a));
			}
}

void every_delete_takes_nullptr()
{
	for (const form &f : forms)
		f.release(nullptr, 0);
	for (const aligned_form &f : aligned_forms)
		f.release(nullptr, 0, alignment(64));
}

void new_of_too_much_throws_bad_alloc()
{
	for (std::size_t size : huge)
		for (const form &f : forms) {
			bool has_thrown = false;
			void *p = nullptr;
			try {
				p = f.allocate(size);
			} catch (const std::bad_alloc &) {
				has_thrown = true;
			}
			bool is_null_form = std::strstr(f.name, "nothrow") != nullptr ||
					    std::strncmp(f.name, "malloc", 6) == 0;
			expect(p == nullptr && has_thrown == !is_null_form, "%s of %zx: %p, %s", f.name, size, p,
			       has_thrown ? "thrown" : "not thrown");
		}
	for (std::size_t size : huge)
		for (const aligned_form &f : aligned_forms) {
			bool has_thrown = false;
			void *p = nullptr;
			if (is_rounded_to_nothing(size))
				continue;
			try {
				p = f.allocate(size, alignment(64));
			} catch (const std::bad_alloc &) {
				has_thrown = true;
			}
			expect(p == nullptr && has_thrown == (std::strstr(f.name, "nothrow") == nullptr),
			       "%s of %zx: %p, %s", f.name, size, p, has_thrown ? "thrown" : "not thrown");
		}
}

int handler_calls;

void give_up_at_the_third_call()
{
	if (++handler_calls == 3)
		throw std::bad_alloc();
}

void give_up_quietly()
{
	if (++handler_calls == 2)
		std::set_new_handler(nullptr);
}

struct own_error {};

void throw_own_error()
{
	throw own_error();
}

void new_handler_is_called_until_it_gives_up()
{
	for (const form &f : forms) {
		if (std::strncmp(f.name, "malloc", 6) == 0)
			continue;
		bool is_nothrow = std::strstr(f.name, "nothrow") != nullptr, has_thrown = false;
		void *p = nullptr;
		handler_calls = 0;
		std::set_new_handler(give_up_at_the_third_call);
		try {
			p = f.allocate(huge[0]);
		} catch (const std::bad_alloc &) {
			has_thrown = true;
		}
		std::set_new_handler(nullptr);
		expect(handler_calls == 3 && p == nullptr && has_thrown == !is_nothrow, "%s: %d calls, %s", f.name,
		       handler_calls, has_thrown ? "thrown" : "not thrown");
	}
	for (const aligned_form &f : aligned_forms) {
		bool is_nothrow = std::strstr(f.name, "nothrow") != nullptr, has_thrown = false;
		void *p = nullptr;
		handler_calls = 0;
		std::set_new_handler(give_up_at_the_third_call);
		try {
			p = f.allocate(huge[0], alignment(4096));
		} catch (const std::bad_alloc &) {
			has_thrown = true;
		}
		std::set_new_handler(nullptr);
		expect(handler_calls == 3 && p == nullptr && has_thrown == !is_nothrow, "%s: %d calls, %s", f.name,
		       handler_calls, has_thrown ? "thrown" : "not thrown");
	}
}

void a_new_handler_that_removes_itself_ends_in_bad_alloc()
{
	bool has_thrown = false;
	handler_calls = 0;
	std::set_new_handler(give_up_quietly);
	try {
		::operator delete(::operator new(huge[1]));
	} catch (const std::bad_alloc &) {
		has_thrown = true;
	}
	expect(has_thrown && handler_calls == 2, "%d calls", handler_calls);
	expect(std::get_new_handler() == nullptr, "the handler is still there");
}

void what_a_new_handler_throws_reaches_the_program()
{
	struct derived : std::bad_alloc {};
	bool is_own = false;
	std::set_new_handler(throw_own_error);
	try {
		::operator delete(::operator new(huge[2]));
	} catch (const own_error &) {
		is_own = true;
	} catch (const std::bad_alloc &) {
	}
	expect(is_own, "the handler's own exception is lost");
	std::set_new_handler([] { throw derived(); });
	void *p = ::operator new(huge[2], std::nothrow);
	expect(p == nullptr, "%p", p);
	std::set_new_handler(nullptr);
}

void new_throws_in_a_thread_under_RLIMIT_AS()
{
	std::fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		bool has_thrown = false, is_null = false;
		std::thread([&] {
			rlimit limit = { std::size_t(600) << 20, RLIM_INFINITY };
			std::vector<void *> taken(100);
			setrlimit(RLIMIT_AS, &limit);
			std::size_t n = 0;
			try {
				while (n < taken.size())
					taken[n++] = ::operator new(std::size_t(100) << 20);
			} catch (const std::bad_alloc &) {
				has_thrown = true;
				is_null = ::operator new(std::size_t(700) << 20, std::nothrow) == nullptr;
			}
			for (void *p : taken)
				::operator delete(p);
		}).join();
		_exit(has_thrown && is_null ? 0 : 1);
	}
	int status = -1;
	waitpid(child, &status, 0);
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child's status is 0x%x", unsigned(status));
}

struct alignas(4096) page_aligned {
	unsigned char bytes[70000];
};

void containers_strings_exceptions_and_over_aligned_types_work()
{
	for (int round = 0; round < 20; round++) {
		std::vector<std::string> words;
		for (int i = 0; i < 2000; i++)
			words.push_back(std::string(std::size_t(i) * 7, char('a' + i % 26)));
		for (int i = 0; i < 2000; i++)
			expect(words[std::size_t(i)].size() == std::size_t(i) * 7, "word %d", i);
		std::unique_ptr<page_aligned[]> pages(new page_aligned[3]);
		expect(reinterpret_cast<std::uintptr_t>(pages.get()) % 4096 == 0, "%p", static_cast<void *>(pages.get()));
		std::memset(pages.get(), round, sizeof(page_aligned) * 3);
		auto shared = std::make_shared<page_aligned>();
		std::thread([shared] { std::memset(shared->bytes, 1, sizeof shared->bytes); }).join();
		try {
			throw std::runtime_error(std::string(100000, 'x'));
		} catch (const std::exception &e) {
			expect(std::strlen(e.what()) == 100000, "an exception's text");
		}
	}
	bool has_thrown = false;
	volatile std::size_t too_many = SIZE_MAX / 4;
	try {
		delete[] new double[too_many];
	} catch (const std::bad_array_new_length &) {
		has_thrown = true;
	}
	expect(has_thrown, "an array's size that overflows");
}

} // namespace

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (std::strcmp(argv[i], "--under") == 0)
			under = argv[i + 1];
		else if (std::strcmp(argv[i], "--expect") == 0)
			expected_object = argv[i + 1];
	}
	alarm(120);
	if (expected_object != nullptr)
		run("all_20_operators_come_from_the_expected_object", all_20_operators_come_from_the_expected_object);
	run("every_form_gives_writable_memory_and_takes_it_back", every_form_gives_writable_memory_and_takes_it_back);
	run("every_aligned_form_meets_every_alignment", every_aligned_form_meets_every_alignment);
	run("every_delete_takes_nullptr", every_delete_takes_nullptr);
	run("new_of_too_much_throws_bad_alloc", new_of_too_much_throws_bad_alloc);
	run("new_handler_is_called_until_it_gives_up", new_handler_is_called_until_it_gives_up);
	run("a_new_handler_that_removes_itself_ends_in_bad_alloc", a_new_handler_that_removes_itself_ends_in_bad_alloc);
	run("what_a_new_handler_throws_reaches_the_program", what_a_new_handler_throws_reaches_the_program);
	run("new_throws_in_a_thread_under_RLIMIT_AS", new_throws_in_a_thread_under_RLIMIT_AS);
	run("containers_strings_exceptions_and_over_aligned_types_work",
	    containers_strings_exceptions_and_over_aligned_types_work);
	std::printf("1..%u\n", test_count);
	return bad_count == 0 ? 0 : 1;
}
