// Runs a fuzz target without libFuzzer: every file of the corpus, then seeded mutations of them. The same seed makes
// the same inputs.
//   fuzz_NAME CORPUS_FOLDER [FILE...]      FILEs given: only these, to look at a finding
// PROA_FUZZ_RUNS (default 3000) and PROA_FUZZ_SEED (default 1) choose how many and which. An input that kills the
// program is left in the working directory as fuzz-crash.input.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxInput = 64 * 1024;

const std::string* running = nullptr;

void keep_input(int signal) {
  int fd = ::open("fuzz-crash.input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0 && running) {
    [[maybe_unused]] auto written = ::write(fd, running->data(), running->size());
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const std::string& input) {
  running = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  running = nullptr;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const auto& path : paths) inputs.push_back(read_file(path));
  return inputs;
}

class Mutator {
 public:
  Mutator(std::vector<std::string> corpus, unsigned seed) : corpus_(std::move(corpus)), random_(seed) {}

  std::string next() {
    std::string input = pick(corpus_);
    for (std::size_t i = 0, count = 1 + below(4); i < count; ++i) mutate(input);
    if (input.size() > kMaxInput) input.resize(kMaxInput);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) {
    return bound == 0 ? 0 : std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  const std::string& pick(const std::vector<std::string>& list) { return list[below(list.size())]; }

  void mutate(std::string& input) {
    static const std::vector<std::string> kTokens = {std::string(1, '\0'),
                                                     "\xff",
                                                     "\n",
                                                     "\"",
                                                     "\\",
                                                     "{",
                                                     "}",
                                                     "[",
                                                     "]",
                                                     "{{",
                                                     "}}",
                                                     ":",
                                                     "@",
                                                     "/",
                                                     "..",
                                                     "-1",
                                                     "18446744073709551616",
                                                     "null",
                                                     ",",
                                                     "=",
                                                     "$",
                                                     "(",
                                                     ")",
                                                     " ",
                                                     "\xc3\xa9"};
    std::size_t at = below(input.size() + 1);
    std::size_t length = below(std::min<std::size_t>(input.size() - std::min(at, input.size()), 32) + 1);
    switch (below(7)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        input.erase(at, length);
        break;
      case 2:
        input.insert(at, input.substr(at, length));
        break;
      case 3:
        input.insert(at, pick(kTokens));
        break;
      case 4:
        input.resize(at);
        break;
      case 5: {
        const std::string& other = pick(corpus_);
        input = input.substr(0, at) + other.substr(below(other.size() + 1));
        break;
      }
      default: {
        // Deep nesting and long runs are what parsers forget.
        std::string part = input.substr(at, 1 + below(4));
        for (std::size_t i = 0, count = below(300); i < count; ++i) input.insert(at, part);
      }
    }
  }

  std::vector<std::string> corpus_;
  std::mt19937 random_;
};

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? static_cast<unsigned>(std::strtoul(value, nullptr, 10)) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) std::signal(signal, keep_input);
  for (int i = 2; i < argc; ++i) run(read_file(argv[i]));
  if (argc > 2) return 0;
  std::vector<std::string> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus in %s\n", argv[1]);
    return 1;
  }
  for (const auto& input : corpus) run(input);
  unsigned runs = number_from("PROA_FUZZ_RUNS", 3000);
  unsigned seed = number_from("PROA_FUZZ_SEED", 1);
  Mutator mutator(std::move(corpus), seed);
  for (unsigned i = 0; i < runs; ++i) {
    ::alarm(10);  // one input that takes longer is a finding, too
    run(mutator.next());
  }
  std::printf("%u runs with seed %u\n", runs, seed);
  return 0;
}
