// SPDX-License-Identifier: MIT
/// Training metrics as TensorBoard scalars: one point an epoch for every number that metrics.jsonl has.
#pragma once

#include <pam/train/detail/event_file.hpp>
#include <pam/train/events.hpp>

#include <cmath>
#include <memory>

namespace pam {

/// An event handler for `fit`. Look with `tensorboard --logdir DIRECTORY`. Undefined numbers are left out.
class TensorBoardLog {
 public:
  explicit TensorBoardLog(const std::filesystem::path& directory) : file_(std::make_shared<EventFile>(directory)) {}

  void operator()(const Event& event) {
    const auto* end = std::get_if<EpochEnd>(&event);
    if (end == nullptr) return;
    const auto point = [&](const std::string& tag, double value) {
      if (std::isfinite(value)) file_->scalar(tag, value, end->epoch);
    };
    point("train/loss", end->loss);
    point("train/learning_rate", end->learning_rate);
    point("speed/images_per_second", end->images_per_second);
    point("speed/data_wait_share", end->data_wait_share);
    if (!end->validation) return;
    point("validation/score", end->validation->score);
    for (const auto& [name, value] : end->validation->scores) point("validation/" + name, value);
  }

 private:
  std::shared_ptr<EventFile> file_;  // shared: handlers are copied into std::function
};

}  // namespace pam
