// SPDX-License-Identifier: MIT
// The same in C++, from a spec in JSON. Usage: host IMAGE
#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include <cassin/engine.h>

namespace
{

using Engine = std::unique_ptr<cassin_engine, decltype(&cassin_engine_destroy)>;

struct Spec : cassin_guest_spec {
	Spec()
	{
		cassin_spec_init(this);
	}
	~Spec()
	{
		cassin_spec_free(this);
	}
	Spec(const Spec &) = delete;
	Spec &operator=(const Spec &) = delete;
};

std::string console(cassin_engine *engine, std::uint64_t id)
{
	std::string text;
	char piece[4096];
	std::uint64_t offset = 0, lost = 0;
	for (long n; (n = cassin_engine_guest_log(engine, id, &offset, piece, sizeof piece, &lost)) > 0;)
		text.append(piece, static_cast<std::size_t>(n));
	return text;
}

int fail(const cassin_error_text &why)
{
	std::cerr << "host: " << why.text << '\n';
	return 1;
}

} // namespace

int main(int argc, char **argv)
{
	if (argc != 2) {
		std::cerr << "usage: host IMAGE\n";
		return 2;
	}
	cassin_error_text why{};
	cassin_engine_options options{};
	options.workers = 1;
	options.pool_bytes = 64u << 20;
	cassin_engine *made = nullptr;
	if (cassin_engine_create(&made, &options, &why))
		return fail(why);
	const Engine engine(made, cassin_engine_destroy);

	const std::string json = std::string(R"({"name": "guest", "image": ")") + argv[1] + R"(", "memory": "4M"})";
	Spec spec;
	std::uint64_t id = 0;
	if (cassin_spec_parse(&spec, json.data(), json.size(), "spec", &why) ||
	    cassin_engine_guest_spawn(engine.get(), &spec, &id, &why))
		return fail(why);
	cassin_guest_status status{};
	do {
		std::this_thread::sleep_for(std::chrono::milliseconds(1));
		if (cassin_engine_guest_status(engine.get(), id, &status))
			return 1;
	} while (status.state <= CASSIN_GUEST_RUNNING);
	std::cout << console(engine.get(), id);
	return status.exit_code;
}
