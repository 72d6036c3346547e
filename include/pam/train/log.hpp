// SPDX-License-Identifier: MIT
/// Metrics of a training on disk: one row per epoch in metrics.jsonl (JSON lines) and metrics.csv.
#pragma once

#include <pam/core/config.hpp>
#include <pam/train/events.hpp>

#include <filesystem>
#include <memory>

namespace pam {
namespace detail {
class MetricsFiles;
}  // namespace detail

/// An event handler for `fit`. Each epoch appends a row to both files and flushes it. A started run first drops the
/// rows of epochs that are not done (a new run: all; a resumed one: those after its checkpoint, and a line that a
/// killed process left half-written), so that no epoch is listed twice. Undefined numbers are null in JSON and empty in
/// CSV; a score with the name of another column ("loss", "epoch") becomes "validation/loss". Throws `Error` if a file
/// cannot be read or written.
class MetricsLog {
 public:
  explicit MetricsLog(const std::filesystem::path& directory);

  void operator()(const Event& event);

 private:
  std::shared_ptr<detail::MetricsFiles> files_;  // shared: handlers are copied into std::function
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/log-inl.hpp>
#endif
