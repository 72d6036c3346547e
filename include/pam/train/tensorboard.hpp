// SPDX-License-Identifier: MIT
/// Training metrics as TensorBoard scalars: one point per epoch for every number that metrics.jsonl has.
#pragma once

#include <pam/core/config.hpp>
#include <pam/train/events.hpp>

#include <filesystem>
#include <memory>

namespace pam {

class EventFile;

/// An event handler for `fit`. Look with `tensorboard --logdir DIRECTORY`. Undefined numbers are left out.
class TensorBoardLog {
 public:
  explicit TensorBoardLog(const std::filesystem::path& directory);

  void operator()(const Event& event);

 private:
  std::shared_ptr<EventFile> file_;  // shared: handlers are copied into std::function
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/tensorboard-inl.hpp>
#endif
