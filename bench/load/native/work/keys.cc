// Distributions of keys; see keys.h. Zipf after Gray et al., "Quickly Generating Billion-Record
// Synthetic Databases" (SIGMOD 1994): constant time a choice, for exponents below 1.
#include "work/keys.h"

#include <algorithm>
#include <cmath>

namespace metastore::load {

namespace {

/// Sum of 1/i^exponent up to n; from a million terms on by the integral, which is then as good.
double Zeta(uint64_t n, double exponent) {
  constexpr uint64_t kExact = 1'000'000;
  double sum = 0;
  for (uint64_t i = 1; i <= std::min(n, kExact); i++) {
    sum += std::pow(static_cast<double>(i), -exponent);
  }
  if (n <= kExact) return sum;
  const double power = 1 - exponent;
  return sum +
         (std::pow(static_cast<double>(n), power) - std::pow(static_cast<double>(kExact), power)) /
             power;
}

}  // namespace

KeyChooser::KeyChooser(const Options& options, uint32_t worker, uint32_t workers)
    : distribution_(options.distribution),
      keys_(options.keys),
      next_(options.keys / workers * worker),
      exponent_(options.zipf_exponent) {
  if (distribution_ != Distribution::kZipf) return;
  const auto n = static_cast<double>(keys_);
  zeta_ = Zeta(keys_, exponent_);
  alpha_ = 1 / (1 - exponent_);
  eta_ = (1 - std::pow(2 / n, 1 - exponent_)) / (1 - Zeta(2, exponent_) / zeta_);
}

uint64_t KeyChooser::Next(Random* random) {
  switch (distribution_) {
    case Distribution::kSequential:
      return next_++ % keys_;
    case Distribution::kZipf:
      // Scattered, so that the popular keys are not neighbours.
      return Random::Mix(Zipf(random)) % keys_;
    default:
      return random->Below(keys_);
  }
}

uint64_t KeyChooser::Zipf(Random* random) const {
  if (keys_ < 3) return random->Below(keys_);
  const double u = random->Share();
  const double uz = u * zeta_;
  if (uz < 1) return 0;
  if (uz < 1 + std::pow(0.5, exponent_)) return 1;
  const double rank = static_cast<double>(keys_) * std::pow(eta_ * u - eta_ + 1, alpha_);
  return std::min(keys_ - 1, static_cast<uint64_t>(rank));
}

}  // namespace metastore::load
