// SPDX-License-Identifier: MIT
/// `Dataset`: what a `DataLoader` draws from. Derive from it to feed data of your own.
#pragma once

#include <pam/data/sample.hpp>

#include <cstdint>
#include <string>

namespace pam {

/// A fixed number of samples. `get` is called from several threads at once.
class Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset() = default;

  /// The number of samples.
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Sample `index`: contiguous tensors, image float32, labels int64. The loader may change them, so they must not
  /// share memory with the data set.
  [[nodiscard]] virtual Sample get(std::int64_t index) const = 0;
  /// The case that sample `index` belongs to; must be quick.
  [[nodiscard]] virtual std::string case_name(std::int64_t index) const = 0;
};

}  // namespace pam
