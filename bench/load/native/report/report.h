// The three faces of a result: text for people, JSON for programs, a chart for both.
// Made of the same Result by three files; called by main once the load is over.
#ifndef METASTORE_LOAD_REPORT_REPORT_H_
#define METASTORE_LOAD_REPORT_REPORT_H_

#include <string>

#include "stats/result.h"
#include "work/options.h"

namespace metastore::load {

std::string TextReport(const Options& options, const Result& result);
/// One object; durations in microseconds, their unit last in the name.
std::string JsonReport(const Options& options, const Result& result);
/// Throughput and p50/p99 over time above, the distribution of latencies below.
std::string SvgReport(const Options& options, const Result& result);

/// `put`, or `get 50 %, put 50 %`, and how: `100 in flight over 10 connections`.
std::string LoadText(const Options& options);

}  // namespace metastore::load

#endif  // METASTORE_LOAD_REPORT_REPORT_H_
