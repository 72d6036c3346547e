// SPDX-License-Identifier: MIT
/// The definitions of tensorboard.hpp.
#pragma once

#include <pam/train/detail/event_file.hpp>
#include <pam/train/tensorboard.hpp>

#include <cmath>

namespace pam {

PAM_FUNC TensorBoardLog::TensorBoardLog(const std::filesystem::path& directory)
    : file_(std::make_shared<EventFile>(directory)) {}

PAM_FUNC void TensorBoardLog::operator()(const Event& event) {
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

}  // namespace pam
