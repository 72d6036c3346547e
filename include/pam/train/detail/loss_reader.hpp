// SPDX-License-Identifier: MIT
/// Collects losses that are still on the device. Reading one waits for the accelerator, so they may be read some steps
/// later; the names of their cases are kept until then, so that a NaN is still attributed to the right batch.
#pragma once

#include <pam/core/error.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pam::detail {

/// One micro-batch whose loss has not been read.
struct UnreadLoss {
  torch::Tensor loss;
  std::int64_t images = 0, batch = 0, step = 0;  ///< batch in its epoch and step in the run, 1 = first
  std::vector<std::string> case_names;
  std::vector<std::int64_t> slices;
};

/// "patient07 slice 12, patient09 slice 3": the content of a batch.
inline std::string describe_cases(const std::vector<std::string>& names, const std::vector<std::int64_t>& slices) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += (i ? ", " : "") + names[i];
    if (i < slices.size()) text += formatted(" slice {}", slices[i]);
  }
  return text.empty() ? "(the loader gave no case names)" : text;
}

/// Collects losses and adds up loss × images.
class LossReader {
 public:
  void add(UnreadLoss unread) { unread_.push_back(std::move(unread)); }

  /// Reads what was added since the last call, in one transfer. Adds to `loss_sum` and `images`. Throws `Error` for the
  /// first loss that is not finite; `advice` ends the message.
  template <typename Advice>
  void read(double& loss_sum, std::int64_t& images, std::int64_t epoch, Advice&& advice) {
    if (unread_.empty()) return;
    std::vector<torch::Tensor> losses;
    for (const auto& each : unread_) losses.push_back(each.loss.reshape({}).to(torch::kDouble));
    const auto values = torch::stack(losses).to(torch::kCPU);
    const auto unread = std::exchange(unread_, {});
    double step_sum = 0;
    std::int64_t step_batches = 0;
    for (std::size_t i = 0; i < unread.size(); ++i) {
      const auto& each = unread[i];
      const double value = values[static_cast<std::int64_t>(i)].template item<double>();
      check(std::isfinite(value), "fit: the loss became {} in epoch {}, batch {}, step {}, on the cases {}; {}", value,
            epoch, each.batch, each.step, describe_cases(each.case_names, each.slices), advice());
      loss_sum += value * static_cast<double>(each.images);
      images += each.images;
      if (each.step != unread.back().step) continue;
      step_sum += value;
      ++step_batches;
    }
    last_ = step_sum / static_cast<double>(step_batches);
  }

  /// The mean loss of the micro-batches of the last step that was read.
  [[nodiscard]] double last() const { return last_; }

 private:
  std::vector<UnreadLoss> unread_;
  double last_ = 0;
};

}  // namespace pam::detail
