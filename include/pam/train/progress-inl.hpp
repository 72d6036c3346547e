// SPDX-License-Identifier: MIT
/// The definitions of progress.hpp.
#pragma once

#include <pam/core/duration_string.hpp>
#include <pam/train/progress.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace pam {
namespace detail {

PAM_FUNC std::int64_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

PAM_FUNC double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

constexpr double kRefreshSeconds = 0.1;
constexpr std::int64_t kBarWidth = 20;

/// " [####----]"; nothing where there is no room for one.
PAM_FUNC std::string bar(std::int64_t width, std::int64_t done, std::int64_t total) {
  if (width < 4) return {};
  const auto filled = std::min(width, width * done / total);
  return fmt::format(" [{}{}]", std::string(static_cast<std::size_t>(filled), '#'),
                     std::string(static_cast<std::size_t>(width - filled), '-'));
}

}  // namespace detail

PAM_FUNC ProgressBar::ProgressBar() : ProgressBar(std::cerr, ::isatty(STDERR_FILENO) == 1) {}

PAM_FUNC ProgressBar::ProgressBar(std::ostream& stream, bool terminal, Clock clock, Columns columns)
    : stream_(&stream), terminal_(terminal), clock_(std::move(clock)), columns_(std::move(columns)) {}

PAM_FUNC void ProgressBar::operator()(const Event& event) {
  std::visit([this](const auto& each) { handle(each); }, event);
}

PAM_FUNC void ProgressBar::handle(const Started& event) {
  started_ = event;
  begin_ = clock_();
  shown_ = begin_ - 2 * detail::kRefreshSeconds;
  if (event.resumed) {
    line(fmt::format("resumed: {} of {} epochs and {} of {} batches of the next are done", event.epoch, event.epochs,
                     event.batch, event.batches_per_epoch));
  }
}

PAM_FUNC void ProgressBar::handle(const StepSkipped& event) {
  line(fmt::format("step {} skipped: its gradients overflowed float16; the loss is scaled by {} from now on",
                   event.step, event.loss_scale));
}

PAM_FUNC void ProgressBar::handle(const StepEnd& event) {
  const double now = clock_();
  if (!terminal_ || now - shown_ < detail::kRefreshSeconds) return;
  shown_ = now;
  const auto total = std::max<std::int64_t>(1, started_.batches_per_epoch);
  const auto before = fmt::format("epoch {}/{}", event.epoch + 1, started_.epochs);
  const auto after = fmt::format(" {}/{}  loss {:.4f}  lr {:.3g}  left {}", event.batch, total, event.loss,
                                 event.learning_rate, time_left(now, event.step));
  // A line as wide as the terminal would wrap, and could then not be erased any more.
  const auto room = std::max<std::int64_t>(0, columns_() - 1);
  const auto brackets = std::string(" []").size();
  const auto width = std::min<std::int64_t>(detail::kBarWidth,
                                            room - static_cast<std::int64_t>(before.size() + after.size() + brackets));
  moving((before + detail::bar(width, event.batch, total) + after).substr(0, static_cast<std::size_t>(room)));
}

PAM_FUNC void ProgressBar::handle(const EpochEnd& event) {
  auto text = fmt::format("epoch {}/{}  loss {:.4f}  lr {:.3g}  {}  {:.1f} images/s  waited {:.0f} %", event.epoch,
                          started_.epochs, event.loss, event.learning_rate, duration_string(event.seconds),
                          event.images_per_second, 100 * event.data_wait_share);
  if (event.validation) {
    text += fmt::format("  score {:.4f}{}", event.validation->score, event.best ? " (best)" : "");
    for (const auto& [name, value] : event.validation->scores) text += fmt::format("  {} {:.4g}", name, value);
  }
  if (event.epoch < started_.epochs) text += "  left " + time_left(clock_(), event.step);
  line(text);
}

PAM_FUNC void ProgressBar::handle(const CheckpointSaved&) {}

PAM_FUNC void ProgressBar::handle(const Stopped& event) {
  if (event.reason != StopReason::Completed) line("stopped: " + to_string(event.reason));
  if (terminal_ && !moving_.empty()) line("");
}

PAM_FUNC std::string ProgressBar::time_left(double now, std::int64_t step) const {
  const auto done = step - started_.step;
  if (done <= 0) return "?";
  const double per_step = (now - begin_) / static_cast<double>(done);
  return duration_string(per_step * static_cast<double>(started_.total_steps - step));
}

PAM_FUNC void ProgressBar::moving(const std::string& text) {
  *stream_ << '\r' << text << "\033[K" << std::flush;
  moving_ = text;
}

PAM_FUNC void ProgressBar::line(const std::string& text) {
  if (terminal_ && !moving_.empty()) moving("");
  if (terminal_ && !text.empty()) *stream_ << '\r';
  if (!text.empty()) *stream_ << text << '\n' << std::flush;
  moving_.clear();
}

}  // namespace pam
