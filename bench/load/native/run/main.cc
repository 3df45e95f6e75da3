// metastore_load: a load generator for etcd's v3 API, for MetaStore, etcd and whatever speaks it.
// Reads the command line, runs the load, writes the reports. `--help` lists the options; the exit
// code tells a load that could not run (1) from one with failures (3).

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "loop/clock.h"
#include "report/report.h"
#include "run/load.h"
#include "work/options.h"

namespace {

using metastore::load::Options;

constexpr int kCannotRun = 1;
constexpr int kFailures = 3;

/// Many connections need many descriptors: as many as we may have.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  const bool is_whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return (file == stdout ? std::fflush(file) : std::fclose(file)) == 0 && is_whole;
}

bool WriteReports(const Options& options, const metastore::load::Result& result) {
  using namespace metastore::load;
  bool is_written = true;
  if (options.json_file != "-") is_written = WriteFile("-", TextReport(options, result));
  if (!options.json_file.empty()) {
    is_written = WriteFile(options.json_file, JsonReport(options, result)) && is_written;
  }
  if (!options.svg_file.empty()) {
    is_written = WriteFile(options.svg_file, SvgReport(options, result)) && is_written;
  }
  if (!is_written) std::fprintf(stderr, "metastore_load: a report could not be written\n");
  return is_written;
}

}  // namespace

int main(int count, char** values) {
  std::signal(SIGPIPE, SIG_IGN);
  Options options;
  std::string error;
  if (!ParseOptions({values + 1, values + count}, &options, &error)) {
    if (error.empty()) {
      std::fputs(metastore::load::HelpText().c_str(), stdout);
      return 0;
    }
    std::fprintf(stderr, "metastore_load: %s\n", error.c_str());
    return kCannotRun;
  }
  options.run_id = static_cast<uint64_t>(metastore::load::NowNs());
  RaiseDescriptorLimit();
  metastore::load::Result result;
  if (!RunLoad(options, &result, &error)) {
    std::fprintf(stderr, "metastore_load: %s\n", error.c_str());
    return kCannotRun;
  }
  if (!WriteReports(options, result)) return kCannotRun;
  return result.failed() > 0 ? kFailures : 0;
}
