// SPDX-License-Identifier: MIT
/// Random numbers that belong to one sample: a pure function of (seed, epoch, index), the same on every machine and
/// for every number of worker threads. LibTorch's generators are not touched, and no state needs saving to resume.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace pam {

/// A stream of random numbers: SplitMix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2714064.2660195), keyed
/// by seed, epoch and index. (std::shuffle and the standard distributions differ between standard libraries.)
class SampleRandom {
 public:
  explicit SampleRandom(std::uint64_t seed, std::uint64_t epoch = 0, std::uint64_t index = 0)
      : state_(mixed(mixed(mixed(seed) + epoch) + index)) {}

  /// 64 random bits.
  std::uint64_t bits() {
    state_ += kGolden;
    return mixed(state_);
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11U) * 0x1p-53; }
  /// Uniform in 0 … `bound` - 1 without bias; `bound` must be positive.
  std::int64_t below(std::int64_t bound) {
    const auto n = static_cast<std::uint64_t>(bound);
    const std::uint64_t rest = (0 - n) % n;  // 2^64 mod n: that many values are drawn again
    std::uint64_t value = bits();
    while (value < rest) value = bits();
    return static_cast<std::int64_t>(value % n);
  }
  /// Standard normal (Box and Muller; the second number of each pair is dropped, which keeps the stream simple).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }
  /// Shuffles in place (Fisher and Yates).
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1], values[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
    }
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;
  static std::uint64_t mixed(std::uint64_t z) {
    z += kGolden;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t state_;
};

}  // namespace pam
