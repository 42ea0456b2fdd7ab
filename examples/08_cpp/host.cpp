// host.cpp - a host in C++11: the objects own what they hold, and errors are exceptions.
//
// The header's declarations are C++; its implementation is C, and compiled in a file of its own (see README.md).
#include "../../plugkit.h"
#include "../../contracts/data_processor.h"

#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace {

class Error : public std::runtime_error {
public:
    explicit Error(const pk_error &err) : std::runtime_error(err.msg), code(err.code) {}
    const pk_err code;
};

pk_str view(const std::string &text)
{
    return pk_str{text.data(), text.size()};
}

class Manager {
public:
    explicit Manager(const char *plugin_dir)
    {
        pk_manager_desc desc{};
        pk_error err{};
        desc.plugin_dir = plugin_dir;
        if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err)) {
            pk_manager_destroy(manager);
            throw Error(err);
        }
    }
    ~Manager() { pk_manager_destroy(manager); }
    Manager(const Manager &) = delete;
    Manager &operator=(const Manager &) = delete;

    pk_caller *caller() const { return pk_manager_caller(manager); }

private:
    pk_manager *manager = nullptr;
};

class Processor {
public:
    Processor(const Manager &manager, const std::string &type) : name(type)
    {
        pk_error err{};
        if (data_processor_bind(&object, manager.caller(), view(name), &err)) {
            throw Error(err);
        }
    }

    std::string process(const std::string &data) const
    {
        process_request request{};
        process_response response{};
        pk_error err{};
        request.data = view(data);
        const pk_err rc = object.process(&object, nullptr, &request, &response, &err);
        const std::string result(response.data.ptr ? response.data.ptr : "", response.data.len);
        pk_mem_free(&response.mem);
        if (rc) {
            throw Error(err);
        }
        return result;
    }

private:
    std::string name; // the bound object refers to it
    data_processor object{};
};

std::string read(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot open '" + path + "'");
    }
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::cerr << "usage: host FILE.json...\n";
        return 2;
    }
    try {
        const Manager manager("plugins");
        const Processor pretty(manager, "json-pretty");
        for (int i = 1; i < argc; i++) {
            std::cout << pretty.process(read(argv[i]));
        }
    } catch (const Error &error) {
        std::cerr << "host: " << error.what() << " (" << pk_err_id(error.code) << ")\n";
        return 1;
    } catch (const std::exception &error) {
        std::cerr << "host: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
