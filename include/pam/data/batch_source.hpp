// SPDX-License-Identifier: MIT
/// `BatchSource`: what `fit` draws its batches from. `DataLoader` is one; derive from it to feed batches of your own.
#pragma once

#include <pam/data/sample.hpp>

#include <cstdint>
#include <optional>

namespace pam {

/// Batches, epoch by epoch. A training that resumes bit for bit needs an epoch's batches to be a function of the
/// epoch's number alone.
class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;

  /// Starts epoch `epoch` (0, 1, …) from its first batch; what was left of another epoch is dropped.
  virtual void start_epoch(std::int64_t epoch) = 0;
  /// The next batch, or nothing at the end of the epoch.
  virtual std::optional<Batch> next() = 0;
  /// Batches of an epoch, the same in every epoch; 0 where the source does not know.
  [[nodiscard]] virtual std::int64_t batches() const = 0;
  /// Seconds that `next` has blocked since `start_epoch`.
  [[nodiscard]] virtual double wait_seconds() const { return 0; }
  /// Passes over the next `count` batches, which were trained before an interruption.
  virtual void skip(std::int64_t count) {
    while (count-- > 0) static_cast<void>(next());
  }
};

}  // namespace pam
