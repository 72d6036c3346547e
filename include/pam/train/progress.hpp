// SPDX-License-Identifier: MIT
/// `ProgressBar`: on a terminal, one line that is updated and shows the time left; elsewhere (files, pipes, CI), one
/// line per epoch.
#pragma once

#include <pam/core/config.hpp>
#include <pam/train/events.hpp>

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace pam {
namespace detail {

/// Columns of the terminal that standard error is, as wide as it is at this moment; 80 where it does not say.
std::int64_t terminal_columns();

/// A clock.
double steady_seconds();

}  // namespace detail

/// An event handler for `fit`. Example: `fit(net, loader, loss, optimizer, options, ProgressBar());`
/// The time left is this session's seconds per step, validation included, times the steps that are left.
class ProgressBar {
 public:
  using Clock = std::function<double()>;          ///< seconds since any moment
  using Columns = std::function<std::int64_t()>;  ///< of the terminal, now

  /// Writes to std::cerr: moving line where that is a terminal.
  ProgressBar();
  ProgressBar(std::ostream& stream, bool terminal, Clock clock = detail::steady_seconds,
              Columns columns = detail::terminal_columns);

  void operator()(const Event& event);

 private:
  void handle(const Started& event);
  void handle(const StepSkipped& event);
  void handle(const StepEnd& event);
  void handle(const EpochEnd& event);
  void handle(const CheckpointSaved& event);
  void handle(const Stopped& event);
  [[nodiscard]] std::string time_left(double now, std::int64_t step) const;
  /// Replaces the moving line.
  void moving(const std::string& text);
  /// A line that stays.
  void line(const std::string& text);

  std::ostream* stream_;
  bool terminal_;
  Clock clock_;
  Columns columns_;
  Started started_;
  double begin_ = 0, shown_ = 0;
  std::string moving_;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/progress-inl.hpp>
#endif
