/*
 * tracked_cxx.cc -- exceptions through frames that allocate, while everything is tracked: the
 * unwinder of exceptions, which allocates, and that of stacks must not meet.
 */
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" void __register_frame_info(const void *, void *);

namespace
{
unsigned caught, destroyed;

struct noisy {
	std::vector<char> held = std::vector<char>(5000);
	~noisy()
	{
		/* Allocates while an exception is on its way. */
		std::string text(6000, 'x');
		destroyed += text.size() != 0;
	}
};

__attribute__((noinline)) int fall(unsigned depth)
{
	noisy here;
	if (depth == 0)
		throw std::runtime_error(std::string(5000, 'e'));
	return fall(depth - 1) + static_cast<int>(here.held[0]);
}

__attribute__((noinline)) void fall_and_catch(unsigned depth)
{
	try {
		fall(depth);
	} catch (const std::exception &error) {
		auto copy = std::make_unique<std::string>(error.what());
		caught += copy->size() == 5000;
	}
}

/* As of code that a program generates: a CIE, an FDE for so many bytes, and the end. */
struct __attribute__((packed)) {
	unsigned cie_bytes = 20, cie_id = 0;
	unsigned char cie[16] = {1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1};
	unsigned fde_bytes = 20, cie_distance = 28;
	const void *code = nullptr;
	unsigned long code_bytes = 4096;
	unsigned end = 0;
} frames;
long libgccs_own[16];

/* From one place, so that all stacks are known by then. */
__attribute__((noinline)) void one_round(unsigned i)
{
	if (i == 200) {
		/* libgcc sorts them at the next exception, under a lock, and allocates for it. */
		frames.code = &frames;
		__register_frame_info(&frames, libgccs_own);
	}
	fall_and_catch(i % 20);
}
} // namespace

int main()
{
	for (unsigned i = 0; i < 300; i++)
		one_round(i);
	if (caught != 300 || destroyed != 3150)
		return 1;
	std::puts("went on");
	return 0;
}
