// What libFuzzer kept of its runs against the session, run again; and, without clang, inputs that
// are mixed from them. test/fuzz/session_driver.h says which rules are checked.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "test/fuzz/session_driver.h"

namespace metastore::fuzz {
namespace {

/// One input a line, in hexadecimal.
std::vector<std::string> Corpus() {
  std::vector<std::string> inputs;
  std::ifstream file(METASTORE_TEST_FOLDER "/fuzz/session_corpus.txt");
  for (std::string line; std::getline(file, line);) {
    std::string input;
    for (size_t at = 0; at + 2 <= line.size(); at += 2) {
      input.push_back(static_cast<char>(std::stoi(line.substr(at, 2), nullptr, 16)));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

TEST(PlaneFuzz, TheCorpusBreaksNoRule) {
  const auto corpus = Corpus();
  ASSERT_GT(corpus.size(), 100u);
  for (const std::string& input : corpus) SessionDriver(input).Run();
}

TEST(PlaneFuzz, MixturesOfItBreakNone) {
  const auto corpus = Corpus();
  std::mt19937_64 random(7540);
  for (int run = 0; run < 3000; ++run) {
    std::string mixed = corpus[random() % corpus.size()];
    const std::string& other = corpus[random() % corpus.size()];
    if (!other.empty()) mixed.append(other, random() % other.size(), std::string::npos);
    for (int change = static_cast<int>(random() % 4); change > 0 && !mixed.empty(); --change) {
      mixed[random() % mixed.size()] = static_cast<char>(random());
    }
    SessionDriver(mixed).Run();
  }
}

}  // namespace
}  // namespace metastore::fuzz
