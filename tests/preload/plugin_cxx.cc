/*
 * plugin_cxx.cc -- a C++ plugin for a C program: new and delete, exceptions,
 * and objects that live as long as a thread.
 */
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{
struct at_thread_end {
	std::vector<char> bytes;
	~at_thread_end() { delete[] new char[bytes.size() + 100000]; }
};

std::vector<std::string> global(300, std::string(3000, 'g'));
}

extern "C" void *cxx_operator_new()
{
	return reinterpret_cast<void *>(static_cast<void *(*)(std::size_t)>(&::operator new));
}

extern "C" int cxx_work(int round)
{
	int sum = 0;
	std::thread([&] {
		thread_local at_thread_end kept;
		kept.bytes.resize(65536);
		sum += int(kept.bytes.size());
	}).join();
	std::vector<std::unique_ptr<std::string>> words;
	for (int i = 0; i < 200; i++)
		words.push_back(std::make_unique<std::string>(std::size_t(i * 50 + round), 'w'));
	try {
		throw std::runtime_error(*words[100]);
	} catch (const std::exception &e) {
		sum += int(std::string(e.what()).size());
	}
	return sum == 65536 + 5000 + round && global[299].size() == 3000 ? 0 : 1;
}
