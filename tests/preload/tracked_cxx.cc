/*
 * tracked_cxx.cc -- exceptions through frames that allocate, while everything is tracked: the
 * unwinder of exceptions and that of stacks are the same, and must not meet.
 */
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

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
} // namespace

int main()
{
	for (unsigned i = 0; i < 300; i++) {
		try {
			fall(i % 20);
		} catch (const std::exception &error) {
			auto copy = std::make_unique<std::string>(error.what());
			caught += copy->size() == 5000;
		}
	}
	if (caught != 300 || destroyed != 3150)
		return 1;
	std::puts("went on");
	return 0;
}
